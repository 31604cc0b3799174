"""Too few connections stop a run where it says, and leave nothing that the next does not finish."""

import pytest

from tests.support.faults.bench import Bench, MakeBench, Undisturbed
from tests.support.faults.scenarios import BUILD, KEYS, PARTS, WHOLE, Scenario

# The runner, the file, health, schema, waits, writes and builds: one after the other is too many.
LIMITS = [1, 2, 3, 4, 6]
OWN = """
DO $$
DECLARE item record;
BEGIN
    FOR item IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE public.%I OWNER TO {role}', item.tablename);
    END LOOP;
END $$
"""


def limited(bench: Bench, limit: int) -> str:
    """Make a role with so many connections the owner of what the release changes."""
    role = f"few_{bench.database.dbname}"
    bench.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}")
    bench.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    bench.execute(OWN.format(role=role))
    return role


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(
    "scenario", [WHOLE, PARTS, BUILD, KEYS], ids=["whole", "parts", "build", "keys"]
)
@pytest.mark.one_of_each("limit")
def test_a_run_that_gets_too_few_connections_says_so_and_is_continued(
    scenario: Scenario, limit: int, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    role = limited(bench, limit)
    try:
        ended = bench.run(database={**bench.database.parameters, "user": role})
        assert ended.code or limit > 1
        if ended.code:
            assert ended.error == "TargetError"
            assert f'too many connections for role "{role}"' in ended.said
        bench.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
        again = bench.run(database={**bench.database.parameters, "user": role})
        assert (again.code, again.said) == (0, "")
        assert len(again.outcomes) == len(scenario.files)
    finally:
        bench.execute(f"REASSIGN OWNED BY {role} TO postgres")
        bench.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    bench.completes(undisturbed(scenario))
