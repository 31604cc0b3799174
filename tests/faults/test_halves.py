"""A file of which a part is in goes on with what was mended behind that, and with nothing else."""

from dataclasses import replace

import pytest

from tests.support.faults.bench import Bench, MakeBench, Undisturbed
from tests.support.faults.driver import Fault
from tests.support.faults.scenarios import BUILD, KEYS, PARTS, STEP, TAKEN_APART, Scenario

PATH = f"release/{STEP}/migration.sql"
# The build fails, and is taken away again; what comes before it stays.
TWICE = Scenario(
    """UPDATE users SET email = 'the same' WHERE id < 3;
CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);
INSERT INTO log VALUES ('behind');
"""
)


def edited(scenario: Scenario, old: str, new: str) -> Scenario:
    assert old in scenario.sql
    return replace(scenario, sql=scenario.sql.replace(old, new, 1))


def edit(bench: Bench, scenario: Scenario) -> None:
    """Write another text in the place of the first file's."""
    (bench.directory / PATH).write_text(scenario.sql, encoding="utf-8")
    bench.scenario = scenario


MENDED = {
    "parts, the second": (PARTS, Fault("committed"), "('between')", "('mended')"),
    "parts, the last": (PARTS, Fault("committing", 3), "total + 1", "total + 2"),
    "parts, of the first a comment": (PARTS, Fault("committed"), "ALTER", "-- why\n  alter"),
    "parts, more behind": (
        PARTS,
        Fault("committed"),
        "BEGIN;\nUPDATE",
        "DELETE FROM log;\nBEGIN;\nUPDATE",
    ),
    "parts, none behind": (
        PARTS,
        Fault("committed", 2),
        PARTS.sql[PARTS.sql.rindex("BEGIN") :],
        "",
    ),
    "build, another column": (BUILD, Fault("committed"), "(user_id)", "(total)"),
    "build, behind it": (BUILD, Fault("committing", 2), "total + 1", "total + 2"),
    "build, that failed": (TWICE, None, "UNIQUE ", ""),
    "taken apart, behind": (TAKEN_APART, Fault("committing", 2), "'behind'", "'mended'"),
    "keys, before one is added": (
        KEYS,
        Fault("committed"),
        "users (id)",
        "users ON DELETE CASCADE",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "fault", "old", "new"), MENDED.values(), ids=MENDED.keys())
def test_a_file_that_is_mended_behind_what_is_in_goes_on_with_its_new_text(
    scenario: Scenario,
    fault: Fault | None,
    old: str,
    new: str,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    assert bench.run(fault).code != 0
    mended = edited(scenario, old, new)
    edit(bench, mended)
    bench.completes(undisturbed(mended))


def test_a_file_is_mended_again_and_again(bench_of: MakeBench, undisturbed: Undisturbed) -> None:
    bench = bench_of(PARTS)
    bench.run(Fault("committed"))
    first = edited(PARTS, "('between')", "('mended')")
    edit(bench, first)
    bench.run(Fault("ledger row"))  # the journal knows the new text, and the ledger does not
    bench.run(Fault("committed"))
    second = edited(first, "total + 1", "total + 2")
    edit(bench, second)
    bench.completes(undisturbed(second))


CHANGED = {
    "parts, what is in": (PARTS, Fault("committed"), "'part one'", "'edited'", 3),
    "parts, how it ended": (PARTS, Fault("committed"), "COMMIT", "ROLLBACK", 4),
    "parts, one before it": (PARTS, Fault("committed"), "BEGIN", "TRUNCATE log;\nBEGIN", 1),
    "parts, one taken out": (
        PARTS,
        Fault("committed"),
        "INSERT INTO log VALUES ('part one');",
        "",
        4,
    ),
    "parts, all of it": (PARTS, Fault("committed"), PARTS.sql, "SELECT 1;\n", 1),
    "build, all at once": (BUILD, Fault("committed"), "INDEX CONCURRENTLY", "INDEX", 2),
    "build, that may be in": (BUILD, Fault("started", 2), "(user_id)", "(total)", 2),
    "build, that is in": (BUILD, Fault("built"), "(user_id)", "(total)", 2),
    "taken apart, one of two": (TAKEN_APART, Fault("built", 2), "users (email)", "users (id)", 3),
    "keys, that is there": (
        KEYS,
        Fault("committed", 2),
        "users (id)",
        "users ON DELETE CASCADE",
        2,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "fault", "old", "new", "line"), CHANGED.values(), ids=CHANGED.keys()
)
def test_a_file_that_is_changed_where_it_is_in_is_refused_with_the_place(
    scenario: Scenario,
    fault: Fault,
    old: str,
    new: str,
    line: int,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    bench.run(fault)
    bench.position()
    half = bench.state()
    edit(bench, edited(scenario, old, new))
    ended = bench.run()
    assert (ended.code, ended.error) == (1, "GateError")
    assert ended.said.startswith(f"{PATH}:{line}: {STEP} was changed where it is in already: ")
    assert f'take the file back: take_back(run, "{STEP}") in 90_rollback.ipynb' in ended.said
    assert bench.state() == half
    edit(bench, scenario)
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (edited(PARTS, "orders ADD", "nowhere ADD"), f"Nothing of {STEP} is in."),
        (
            edited(PARTS, "UPDATE orders", "UPDATE nowhere"),
            f"2 of 3 transactions of {STEP} are in (column orders.note). Mend what comes behind",
        ),
        (TWICE, f"1 of 3 transactions of {STEP} are in. Mend what comes behind"),
    ],
    ids=["first", "last", "build"],
)
def test_a_failure_says_what_of_the_file_is_in(
    scenario: Scenario, words: str, bench_of: MakeBench
) -> None:
    bench = bench_of(scenario)
    ended = bench.run()
    assert (ended.error, words in ended.said) == ("StatementError", True), ended.said
    assert words in bench.value("SELECT logs FROM _prisma_migrations")
