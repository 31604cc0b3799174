"""A run that is asked to stops or pauses at its next safe point, and goes on from there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.errors import GateError, StoppedError
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.requests import Requests, Wish, ask, take_back
from runbook_lib.evidence.writer import writing
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard
from runbook_lib.postgres.connection import Connection
from tests.support.applying import valid
from tests.support.policies import changed
from tests.support.releases import migration_of
from tests.support.sessions import Acting, beside, events, until

UNITS = """BEGIN; CREATE TABLE one (c int); COMMIT;
BEGIN; CREATE TABLE two (c int); COMMIT;
BEGIN; CREATE TABLE three (c int); COMMIT;
"""
BUILDS = """CREATE INDEX CONCURRENTLY i ON t (slow(c));
CREATE INDEX CONCURRENTLY j ON t (slow(c));
CREATE INDEX CONCURRENTLY k ON t (c);
"""
SLOW = """
CREATE FUNCTION slow(c int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.4); RETURN c; END $$;
CREATE TABLE t AS SELECT generate_series(1, 3) AS c;
"""


@pytest.fixture(autouse=True)
def at_work(tmp_path: Path) -> Iterator[None]:
    """Let this process be the one that works on the run of this directory."""
    with writing(tmp_path, "Migration"):
        yield


def guarded(applier: Applier, journal: Journal, emit: Journal, tmp_path: Path) -> Applier:
    """Return an applier that heeds what is asked of the run."""
    notes = Journal(tmp_path / "traffic.jsonl")
    requests = Requests(tmp_path, journal.emit)
    guard = Guard(applier.database, applier.policy, emit.emit, notes, requests=requests)
    return replace(applier, guard=guard, emit=emit.emit)


def tables(connection: Connection) -> set[object]:
    rows = connection.rows("SELECT relname FROM pg_class WHERE relname IN ('one', 'two', 'three')")
    return {row["relname"] for row in rows}


def test_a_stop_lets_the_transaction_end_and_the_next_try_goes_on_behind_it(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    acting = Acting(journal, 2, lambda: ask(tmp_path, Wish.STOP))
    stopped, migration = guarded(applier, journal, acting, tmp_path), migration_of(tmp_path, UNITS)
    with pytest.raises(StoppedError, match=r"^Stopped before .* on request by .+ at 20.+Run it"):
        stopped.migrate(migration, journal.own_rows)
    assert tables(connection) == {"one", "two"}
    assert [line["step"] for line in events(journal, "stopped")] == [migration.name]
    assert stopped.migrate(migration, journal.own_rows) is Outcome.DONE  # it is asked for once
    assert tables(connection) == {"one", "two", "three"}


def test_a_stop_lets_builds_end_begins_no_other_and_the_next_try_builds_the_rest(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(SLOW)
    acting = Acting(journal, 1, lambda: ask(tmp_path, Wish.STOP))
    stopped, migration = guarded(applier, journal, acting, tmp_path), migration_of(tmp_path, BUILDS)
    with pytest.raises(StoppedError):
        stopped.migrate(migration, journal.own_rows)
    assert [valid(connection, name) for name in "ijk"] == [True, None, None]
    assert stopped.migrate(migration, journal.own_rows) is Outcome.DONE
    assert all(valid(connection, name) for name in "ijk")


@pytest.mark.parametrize(("sql", "line"), [(UNITS, 2), (BUILDS, 1)])
def test_a_pause_holds_what_comes_next_until_it_is_taken_back(
    applier: Applier,
    connection: Connection,
    journal: Journal,
    tmp_path: Path,
    sql: str,
    line: int,
) -> None:
    connection.execute(SLOW)
    acting = Acting(journal, line, lambda: ask(tmp_path, Wish.PAUSE))
    unhurried = replace(applier, policy=changed(applier.policy, indexes={"rest": 0}))
    paused = guarded(unhurried, journal, acting, tmp_path)
    with beside(lambda: paused.migrate(migration_of(tmp_path, sql), journal.own_rows)) as trying:
        until(lambda: events(journal, "paused"))
        until(lambda: len(events(journal, "ended")) == len(events(journal, "started")))
        before = len(events(journal, "started"))
        assert not trying.done()
        take_back(tmp_path)
        assert trying.result() is Outcome.DONE
    assert len(events(journal, "started")) > before
    assert [line["seconds"] > 0 for line in events(journal, "resumed")] == [True]
    assert "on request by" in events(journal, "paused")[0]["reasons"][0]


def test_a_stop_that_an_earlier_runner_was_asked_for_does_not_stop_the_next(
    applier: Applier, journal: Journal, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with writing(run, "Backup"):
        ask(run, Wish.STOP)
    with writing(run, "Migration"):
        assert Requests(run, journal.emit).paused("0001_a") is False


def test_who_asks_where_nobody_works_is_told_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(GateError, match="Nobody works on the run run"):
        ask(run, Wish.STOP)
    with pytest.raises(GateError, match="Nobody works on the run run"):
        take_back(run)
