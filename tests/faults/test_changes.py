"""Files, roles and settings that change between two runs: nothing is applied that was not meant."""

import uuid
from collections.abc import Iterator

import pytest

from runbook_lib.config.policies import Locks, Policy
from runbook_lib.errors import GateError
from runbook_lib.evidence.run import Run
from runbook_lib.migrate.execute import Applier
from runbook_lib.notebook.session import open_run
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.faults.bench import Bench, MakeBench, Undisturbed
from tests.support.faults.driver import Fault
from tests.support.faults.scenarios import (
    APPLIED,
    BUILD,
    KEYS,
    NOTHING,
    PARTS,
    STEP,
    TAKEN_APART,
    WHOLE,
    Scenario,
    some,
)

# --- a file that is edited between plan and apply -----------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> "Opened":
    return Opened(monkeypatch)


class Opened:
    """Open the bench's release as a run of a project of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, bench: Bench) -> Run:
        toml = f'[here]\ndbname = "{bench.database.dbname}"\nurl_variable = "FAULTS_URL"\n'
        (bench.directory / "environments.toml").write_text(toml)
        self._monkeypatch.chdir(bench.directory)
        self._monkeypatch.setenv("FAULTS_URL", bench.database.conninfo())
        return open_run("here", str(bench.directory / "release"))


def edit(bench: Bench) -> str:
    """Change the first file, and return what it was."""
    path = bench.directory / "release" / STEP / "migration.sql"
    before = path.read_text()
    path.write_text(before.replace("INTO log VALUES ('", "INTO log VALUES ('edited "))
    return before


def test_a_plan_is_continued_while_its_files_are_the_same(
    bench_of: MakeBench, opened: Opened
) -> None:
    bench = bench_of(WHOLE)
    first = opened(bench)
    second = opened(bench)
    assert (second.plan.digest, second.directory) == (first.plan.digest, first.directory)


def test_a_plan_is_not_continued_with_a_file_that_was_edited(
    bench_of: MakeBench, opened: Opened
) -> None:
    bench = bench_of(WHOLE)
    first, before = opened(bench), bench.state()
    edit(bench)
    second = opened(bench)
    assert second.plan.digest != first.plan.digest
    assert second.directory != first.directory
    assert not second.passed("prechecks")
    assert bench.state() == before
    assert str(bench.position()) == NOTHING


@pytest.mark.parametrize("scenario", [PARTS, BUILD, KEYS], ids=["parts", "build", "keys"])
def test_a_file_that_was_edited_is_not_continued_half_way(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed, opened: Opened
) -> None:
    bench = bench_of(scenario)
    opened(bench)
    bench.run(Fault("committed"))
    half = bench.state()
    was = edit(bench)
    run = opened(bench)
    applier = Applier(run.database, Policy(locks=Locks(runner_wait=15.0)), run.journal.emit)
    with pytest.raises(GateError, match="from elsewhere"):
        applier.migrate(run.release.migration(STEP), run.journal.own_rows)
    assert bench.state() == half
    (bench.directory / "release" / STEP / "migration.sql").write_text(was)
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize("scenario", [PARTS, BUILD, KEYS], ids=["parts", "build", "keys"])
def test_an_edited_file_is_not_continued_with_the_old_journal_either(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    bench.run(Fault("committed"))
    half = bench.state()
    was = edit(bench)
    ended = bench.run()
    assert (ended.code, ended.error) == (1, "GateError")
    assert bench.state() == half
    (bench.directory / "release" / STEP / "migration.sql").write_text(was)
    bench.completes(undisturbed(scenario))


# --- a role that may not ------------------------------------------------------------------------


@pytest.fixture
def role(server: Sandbox, database: dict[str, str]) -> Iterator[str]:
    """Make a role that may create tables, and own none of the application's."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    with Database(database).connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN; GRANT CREATE ON SCHEMA public TO {name}")
    yield name
    with Database(database).connect() as connection:
        connection.execute(f"REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("scenario", "line", "says"),
    [(WHOLE, 1, NOTHING), (PARTS, 2, NOTHING), (BUILD, 2, some(1, 4)), (KEYS, 2, some(1, 3))],
    ids=["whole", "parts", "build", "keys"],
)
def test_a_role_without_the_right_stops_at_the_statement(
    scenario: Scenario,
    line: int,
    says: str,
    role: str,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    bench.execute(f"GRANT ALL ON log TO {role}")
    before = bench.state()
    ended = bench.run(database={**bench.database.parameters, "user": role})
    assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "42501")
    assert f"migration.sql:{line}: " in ended.said
    assert str(bench.position()) == says
    after = bench.state()
    if says == NOTHING:
        assert (after.rows, after.fingerprint) == (before.rows, before.fingerprint)
    bench.execute(f"REVOKE ALL ON log FROM {role}")
    bench.completes(undisturbed(scenario))


# --- a database that becomes read-only ----------------------------------------------------------


def read_only(bench: Bench, value: str) -> None:
    """Set what sessions of the database begin with from now on."""
    name = bench.database.dbname
    with bench.database.maintenance().connect() as connection:
        connection.execute(f'ALTER DATABASE "{name}" {value}')


@pytest.mark.parametrize(
    "scenario", [WHOLE, PARTS, BUILD, TAKEN_APART], ids=["whole", "parts", "build", "apart"]
)
def test_a_database_that_is_read_only_is_left_as_it_is(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    before = bench.state()
    read_only(bench, "SET default_transaction_read_only = on")
    ended = bench.run()
    assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "25006")
    assert bench.state() == before
    assert str(bench.position()) == NOTHING
    read_only(bench, "RESET default_transaction_read_only")
    bench.completes(undisturbed(scenario))


def test_a_build_whose_session_is_read_only_stops_the_run_before_it(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(BUILD)
    runner = bench.start(Fault("committed", hold=True))
    runner.held()
    read_only(bench, "SET default_transaction_read_only = on")
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "25006")
    assert "migration.sql:2: " in ended.said
    assert str(bench.position()) == some(1, 4)
    read_only(bench, "RESET default_transaction_read_only")
    bench.completes(undisturbed(BUILD))
    assert str(bench.position()) == APPLIED
