"""A file of which a part is in is taken back alone, or gone on with, in the run that began it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import (
    apply_step,
    check_target,
    rehearse,
    review_release,
    roll_back,
    take_back,
    take_backup,
)
from runbook_lib.errors import GateError, StatementError
from runbook_lib.evidence import touched
from runbook_lib.evidence.run import Run
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import Snapshot
from tests.support.defects import Project, project
from tests.support.releases import write_release

BEFORE = """
CREATE TABLE notes (id int, author int);
INSERT INTO notes VALUES (1, 7), (1, 8);
CREATE TABLE authors (id int PRIMARY KEY);
INSERT INTO authors VALUES (7);
"""
FIRST, HALF = "0001_users", "0002_orders"
FAILS = "INSERT INTO nowhere VALUES (1);\n"
MENDED = "CREATE TABLE nowhere (id int);\n"
CONCURRENT = f"""CREATE TABLE orders (id int);
CREATE INDEX CONCURRENTLY notes_author ON notes (author);
{FAILS}"""


@pytest.fixture
def shop(database: dict[str, str], connection: Connection, tmp_path: Path) -> Iterator[Project]:
    connection.execute(BEFORE)
    write_release(tmp_path / "release", {FIRST: "CREATE TABLE users (id int);", HALF: CONCURRENT})
    with project(tmp_path, database) as made:
        yield made


def write(shop: Project, sql: str, name: str = HALF) -> None:
    (shop.root / "release" / name / "migration.sql").write_text(sql, encoding="utf-8")


def opened(shop: Project, phase: str = "migrate") -> Run:
    """Open the run for a phase, which here waits for nothing."""
    return replace(shop.run(shop.root / "release", "run"), phase=phase)


def half(shop: Project) -> tuple[Run, Snapshot]:
    """Apply the release till its second file fails; return the schema before that file."""
    run = opened(shop)
    apply_step(run, FIRST)
    before = look(shop.target)
    with pytest.raises(StatementError):
        apply_step(run, HALF)
    return opened(shop, "rollback"), before


def look(target: Database) -> Snapshot:
    with target.connect() as connection:
        return snapshot.take_snapshot(connection, settings=True)


def rows_of(target: Database) -> list[tuple[str, bool, bool]]:
    """Return of each ledger row its file, and whether that is applied or was taken back."""
    with target.connect() as connection:
        rows = ledger.read(connection)
    return [(row.name, row.finished, row.rolled_back_at is not None) for row in rows]


HALVES = {
    "a concurrent build": CONCURRENT,
    "its own transactions": (
        "BEGIN;\nALTER TABLE notes ADD title text;\nCREATE TABLE orders (id int);\nCOMMIT;\n"
        f"CREATE VIEW titled AS SELECT title FROM notes;\n{FAILS}"
    ),
    "a key that is not valid": (
        "CREATE TABLE orders (id int);\n"
        "ALTER TABLE notes ADD CONSTRAINT k FOREIGN KEY (author) REFERENCES authors (id);\n"
    ),
    "a build that failed": (
        "CREATE TABLE orders (id int);\nCREATE UNIQUE INDEX CONCURRENTLY i ON notes (id);\n"
    ),
    "nothing yet": f"BEGIN;\n{FAILS}COMMIT;\nCREATE TABLE orders (id int);\n",
}


@pytest.mark.one_of_each()
@pytest.mark.parametrize("sql", HALVES.values(), ids=HALVES.keys())
def test_a_file_is_taken_back_alone_and_applied_anew_in_the_same_run(
    sql: str, shop: Project
) -> None:
    write(shop, sql)
    run, before = half(shop)
    take_back(run, HALF)
    assert look(shop.target).fingerprint == before.fingerprint
    assert rows_of(shop.target) == [(FIRST, True, False), (HALF, False, True)]
    write(shop, MENDED)
    again = opened(shop)
    assert again.directory == run.directory
    assert [step.name for step in again.pending()] == [HALF]
    apply_step(again, HALF)
    assert "table public.nowhere" in look(shop.target).objects
    assert rows_of(shop.target)[-1] == (HALF, True, False)


@pytest.mark.slow
def test_an_index_that_a_kill_left_invalid_goes_with_it(
    shop: Project, connection: Connection
) -> None:
    run, before = half(shop)
    connection.execute("UPDATE pg_index SET indisvalid = false WHERE indrelid = 'notes'::regclass")
    take_back(run, HALF)
    assert look(shop.target).fingerprint == before.fingerprint


def test_a_file_that_is_mended_behind_its_part_goes_on_in_the_same_run(shop: Project) -> None:
    run, _ = half(shop)
    write(shop, CONCURRENT.replace(FAILS, MENDED))
    again = opened(shop)
    assert again.directory == run.directory
    assert again.plan.digest != run.plan.digest
    assert not again.passed("prechecks")
    apply_step(again, HALF)
    assert {"table public.nowhere", "table public.orders"} <= look(shop.target).objects.keys()
    assert rows_of(shop.target) == [(FIRST, True, False), (HALF, True, False)]


@pytest.mark.slow
def test_what_was_mended_passes_every_gate_of_its_new_plan(
    shop: Project, connection: Connection
) -> None:
    release = shop.root / "release"
    connection.execute("DELETE FROM notes WHERE author = 8")
    write(shop, CONCURRENT.replace("CREATE INDEX", "CREATE UNIQUE INDEX").removesuffix(FAILS))
    assert shop.review(release)["verdict"] == "passed"
    connection.execute("INSERT INTO notes VALUES (2, 7)")  # since the rehearsal
    run = shop.run(release, "migrate")
    apply_step(run, FIRST)
    with pytest.raises(StatementError, match=f"1 of 2 transactions of {HALF} are in"):
        apply_step(run, HALF)
    write(shop, CONCURRENT.removesuffix(FAILS))
    with pytest.raises(GateError, match=f"{HALF}/migration.sql was changed"):
        shop.run(release, "migrate")
    review_release(shop.run(release, "prechecks"))
    check_target(shop.run(release, "prechecks"))
    rehearse(shop.run(release, "rehearsal"))
    again = shop.run(release, "migrate")
    assert again.directory == run.directory
    apply_step(again, HALF)
    assert rows_of(shop.target)[-1] == (HALF, True, False)


@pytest.mark.slow
def test_an_unchanged_file_goes_on_in_the_same_run_though_it_is_the_first(shop: Project) -> None:
    write(shop, CONCURRENT, FIRST)
    run = opened(shop)
    with pytest.raises(StatementError):
        apply_step(run, FIRST)
    assert opened(shop).directory == run.directory
    with shop.target.connect() as connection:
        connection.execute(MENDED)
    apply_step(opened(shop), FIRST)
    assert rows_of(shop.target) == [(FIRST, True, False)]


@pytest.mark.slow
def test_a_file_that_is_changed_in_its_part_is_a_finding_and_can_be_taken_back(
    shop: Project,
) -> None:
    half(shop)
    write(shop, CONCURRENT.replace("id int", "id bigint").replace(FAILS, MENDED))
    (found,) = (x for x in shop.reviewed(shop.root / "release") if x.rule == "half-changed")
    assert (found.blocks, found.path, found.line) == (True, f"release/{HALF}/migration.sql", 1)
    assert f'take_back(run, "{HALF}")' in found.remedy
    with pytest.raises(GateError, match="was changed where it is in already"):
        apply_step(opened(shop), HALF)
    take_back(opened(shop, "rollback"), HALF)
    apply_step(opened(shop), HALF)
    assert rows_of(shop.target)[-1] == (HALF, True, False)


def asked(refused: GateError) -> str:
    """Return the code of what a refusal asks to accept."""
    return refused.remedy.split('accept = "')[1].split('"')[0]


def test_rows_that_the_file_wrote_are_counted_before_it_is_taken_back(shop: Project) -> None:
    write(shop, f"{CONCURRENT.removesuffix(FAILS)}INSERT INTO orders VALUES (1), (2);\n{FAILS}")
    run, before = half(shop)
    with pytest.raises(GateError, match=r"public\.orders") as refused:
        take_back(run, HALF)
    take_back(run, HALF, asked(refused.value))
    assert look(shop.target).fingerprint == before.fingerprint


def test_what_the_file_did_to_rows_of_others_stays_and_is_accepted(shop: Project) -> None:
    writes = "INSERT INTO notes VALUES (3, 7);\nUPDATE notes SET id = 2 WHERE id = 1;\n"
    write(shop, f"{CONCURRENT.removesuffix(FAILS)}{writes}{FAILS}")
    run, before = half(shop)
    with pytest.raises(
        GateError, match=r"leave as the release changed it: public\.notes"
    ) as refused:
        take_back(run, HALF)
    shown = take_back(run, HALF, asked(refused.value))
    assert "stay as changed" in str(shown.rows[-1]["value"])
    assert look(shop.target).fingerprint == before.fingerprint


@pytest.mark.slow
def test_a_file_of_which_nothing_is_in_is_not_taken_back(shop: Project) -> None:
    run, _ = half(shop)
    with pytest.raises(GateError, match=f"No part of {FIRST} is in by this run"):
        take_back(run, FIRST)


@pytest.mark.slow
def test_another_release_is_told_which_run_left_the_file(shop: Project) -> None:
    run, _ = half(shop)
    other = shop.root / "other"
    (shop.root / "release").rename(other)
    (found,) = (x for x in shop.reviewed(other) if x.rule == "failed-row-blocks")
    assert str(run.directory.path.relative_to(shop.root)) in found.cause
    assert "2 of its transactions" in found.cause
    assert "Go on with that run" in found.remedy
    assert "prisma" not in found.remedy


@pytest.mark.slow
def test_one_that_was_cut_off_behind_its_commit_is_known_to_be_done(
    shop: Project,
) -> None:
    run, before = half(shop)
    take_back(run, HALF)
    lines = run.journal.path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert '"event": "way ended"' in lines[-1]
    run.journal.path.write_text("".join(lines[:-1]), encoding="utf-8")
    again = opened(shop)
    ended = run.journal.since("way ended")
    assert (ended[0]["way"], ended[0]["settled"]) == ("take back", "by the next start")
    assert (again.directory, again.ended) == (run.directory, "")
    assert look(shop.target).fingerprint == before.fingerprint


@pytest.mark.slow
def test_the_rollback_is_of_the_run_that_did_the_work(shop: Project) -> None:
    start = look(shop.target)
    take_backup(opened(shop, "backup"))
    run, _ = half(shop)
    write_release(shop.root / "release", {"0001_a": "CREATE TABLE a (id int);"})
    newer = opened(shop, "backup")
    assert newer.directory != run.directory
    take_backup(newer)
    touched.keep_before(newer, "0001_a")  # and then it was killed
    found = shop.run(shop.root / "release", "rollback")
    assert found.directory == run.directory
    roll_back(found, shop.target.dbname, "revert")
    assert look(shop.target).fingerprint == start.fingerprint
    assert rows_of(shop.target) == [(FIRST, False, True), (HALF, False, True)]
