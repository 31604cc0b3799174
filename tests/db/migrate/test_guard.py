"""Other people's schema changes are told, our own are not, and a target that is not well waits."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.config.policies import Health, Policy
from runbook_lib.errors import GateError
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard, HealthGate
from runbook_lib.parser.statement import Split
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection, Database, SideSession
from runbook_lib.postgres.watching import WATCHERS
from tests.support.policies import changed
from tests.support.releases import migration_of
from tests.support.sessions import PATIENCE, Acting, beside, events, holding, until, waiting

PAUSE = 0.5  # seconds
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
THERE = """
CREATE TABLE old (c int PRIMARY KEY, d text); CREATE TABLE gone (c int); CREATE SEQUENCE counter;
CREATE TYPE mood AS ENUM ('good'); CREATE VIEW seen AS SELECT c FROM old;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE INDEX old_d ON old (d);
INSERT INTO old SELECT n, n FROM generate_series(1, 100) AS n; CREATE TABLE mine (c int);
INSERT INTO mine VALUES (1);
"""
FILE = "CREATE TABLE ours (c int);\nSELECT 1;\nCREATE INDEX ours_c ON ours (c);"


def foreign(
    applier: Applier,
    journal: Journal,
    tmp_path: Path,
    sql: str,
    act: Any = lambda: None,
    split: Split | None = None,
    seen: str = "public.",
) -> list[str]:
    """Apply a file, do something else as its second line starts; return what is told of others.

    It is done when the guard has ``seen`` that name.
    """
    known: list[Guard] = []

    def act_when_seen() -> None:
        until(lambda: seen in (known[0].schema or ""))  # the schema is read beside the file
        act()

    acting = Acting(journal, 2, act_when_seen)
    guard = Guard(
        applier.database, applier.policy, acting.emit, Journal(tmp_path / "traffic.jsonl")
    )
    known.append(guard)
    guarded = replace(applier, emit=acting.emit, guard=guard)
    with guard:
        guarded.migrate(migration_of(tmp_path, sql), split=split)
    return [text for event in events(journal, "foreign") for text in event["objects"]]


# --- other people's changes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ddl", "told"),
    [
        ("CREATE TABLE theirs (c int)", "relation public.theirs is new"),
        ("ALTER TABLE old ADD e int", "relation public.old was altered"),
        ("ALTER TABLE old ALTER d SET DEFAULT 'x'", "relation public.old was altered"),
        ("ALTER TABLE old ADD CHECK (c > 0)", "relation public.old was altered"),
        ("DROP TABLE gone", "relation public.gone was dropped"),
        ("GRANT SELECT ON old TO PUBLIC", "relation public.old was altered"),
        ("GRANT UPDATE (d) ON old TO PUBLIC", "relation public.old was altered"),
        ("CREATE INDEX theirs ON old (d)", "relation public.theirs is new"),
        ("DROP INDEX old_d", "relation public.old_d was dropped"),
        ("ALTER TYPE mood ADD VALUE 'bad'", "type public.mood was altered"),
        ("CREATE SCHEMA theirs", "schema theirs is new"),
        ("CREATE OR REPLACE VIEW seen AS SELECT c FROM old WHERE c > 1", "public.seen was altered"),
        ("ALTER SEQUENCE counter INCREMENT 5", "relation public.counter was altered"),
        ("CREATE POLICY p ON old USING (true)", "relation public.old was altered"),
        ("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'", "function public.g/"),
        ("DROP FUNCTION f()", "function public.f/"),
        ("CREATE RULE r AS ON DELETE TO old DO INSTEAD NOTHING", "relation public.old was altered"),
        ("ALTER TABLE gone RENAME TO elsewhere", "relation public.gone was dropped"),
    ],
)
def test_what_somebody_else_changes_during_a_file_is_told(
    applier: Applier,
    connection: Connection,
    journal: Journal,
    tmp_path: Path,
    ddl: str,
    told: str,
) -> None:
    connection.execute(THERE)
    found = foreign(applier, journal, tmp_path, FILE, lambda: connection.execute(ddl))
    assert any(told in text for text in found), found
    assert not any("ours" in text for text in found)


def test_during_a_file_of_several_transactions_it_is_told_too(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(THERE)
    sql = "CREATE TABLE ours (c int);\nCREATE INDEX CONCURRENTLY ours_c ON ours (c);"

    def act() -> None:
        connection.execute("ALTER TABLE old ADD e int")

    told = foreign(applier, journal, tmp_path, sql, act, seen="public.ours")
    assert told == ["relation public.old was altered"]


@pytest.mark.parametrize(
    "harmless",
    [
        "ANALYZE",
        "VACUUM",
        "VACUUM FULL old",
        "TRUNCATE gone",
        "INSERT INTO old SELECT n, n FROM generate_series(200, 900) AS n",
        "SELECT nextval('counter')",
        "REFRESH MATERIALIZED VIEW shown",
        "CREATE TEMP TABLE theirs (c int)",
        "REINDEX TABLE old",
    ],
)
def test_what_changes_no_schema_is_not_told(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path, harmless: str
) -> None:
    connection.execute(f"{THERE} CREATE MATERIALIZED VIEW shown AS SELECT 1 AS c")

    def act() -> None:
        connection.execute(harmless)

    assert foreign(applier, journal, tmp_path, FILE, act) == []


OWN = {
    "tables": "CREATE TABLE x (id serial PRIMARY KEY, u int REFERENCES old);\nDROP TABLE gone",
    "types": "CREATE TYPE y AS ENUM ('a');\nALTER TYPE mood ADD VALUE 'worse'",
    "functions": "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2';\nDROP FUNCTION f()",
    "renames": "ALTER TABLE gone RENAME TO here;\nALTER INDEX old_d RENAME TO old_e",
    "views": "CREATE VIEW w AS SELECT * FROM old;\nDROP VIEW seen",
    "grants": "GRANT SELECT ON old TO PUBLIC;\nALTER TABLE old ENABLE ROW LEVEL SECURITY",
    "dynamic": "SELECT 1;\nDO $$ BEGIN EXECUTE 'CREATE TABLE made (c int)'; END $$",
    "schemas": "CREATE SCHEMA s;\nCREATE TABLE s.x (c int)",
}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", sorted(OWN))
def test_what_the_file_changes_itself_is_not_told(
    applier: Applier,
    connection: Connection,
    journal: Journal,
    tmp_path: Path,
    name: str,
    several: bool,
) -> None:
    connection.execute(THERE)
    more = ";\nVACUUM old;\nCREATE INDEX CONCURRENTLY indexed ON mine (c)" if several else ""
    assert foreign(applier, journal, tmp_path, f"{OWN[name]}{more}") == []


def test_what_the_plan_took_apart_is_not_told(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(THERE)
    sql = (
        "CREATE INDEX mine_c ON mine (c);\nINSERT INTO mine VALUES (2);\n"
        "ALTER TABLE mine ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES old (c)"
    )
    assert foreign(applier, journal, tmp_path, sql, split=Split((1,), (3,))) == []


def test_a_change_between_two_files_is_told_with_the_second(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(THERE)
    guard = Guard(
        applier.database, applier.policy, journal.emit, Journal(tmp_path / "traffic.jsonl")
    )
    with guard:
        guarded = replace(applier, guard=guard)
        guarded.migrate(migration_of(tmp_path / "a", FILE, "0001_a"))
        until(lambda: "public.ours" in (guard.schema or ""))
        connection.execute("DROP TABLE gone")
        guarded.migrate(migration_of(tmp_path / "b", "SELECT 1", "0002_b"))
    (event,) = events(journal, "foreign")
    assert (event["step"], event["objects"]) == ("0002_b", ["relation public.gone was dropped"])
    assert catalog.relations(connection) >= {"public.ours"}


# --- the target's health ------------------------------------------------------------------------


def health(
    target: Database, journal: Journal, latency: Any = lambda: None, **bounds: Any
) -> HealthGate:
    policy = Policy(health=Health(**{"disk_free": 0, **bounds}))
    return HealthGate(SideSession(target), policy, (journal.path.parent,), latency, journal.emit)


def test_a_target_that_is_well_is_not_waited_for(target: Database, journal: Journal) -> None:
    health(target, journal, lambda: 0.01, disk_free=1).check("step")
    assert list(journal.lines()) == []


def test_the_runbook_pauses_while_sessions_wait_for_locks_and_then_goes_on(
    target: Database, connection: Connection, journal: Journal
) -> None:
    connection.execute("CREATE TABLE t (c int)")

    def blocked() -> None:
        with holding(target, "LOCK TABLE t IN SHARE MODE"):
            pass

    gate = health(target, journal, waiting_sessions=1, wait=PATIENCE)
    with ExitStack() as stack, holding(target, "INSERT INTO t VALUES (1)") as other:
        for _ in range(2):
            stack.enter_context(beside(blocked))
        until(lambda: waiting(connection) == 2)
        checked = stack.enter_context(beside(lambda: gate.check("step")))
        until(lambda: events(journal, "paused"))
        assert not checked.done()
        other.rollback()
        assert checked.exception(PATIENCE) is None
    assert [line["event"] for line in journal.lines()] == ["paused", "resumed"]
    assert events(journal, "paused")[0]["reasons"] == ["2 sessions wait for locks (policy: 1)"]
    assert events(journal, "resumed")[0]["seconds"] > 0


def test_it_pauses_while_writes_are_slow(target: Database, journal: Journal) -> None:
    measured = iter([3.0, 3.0, 0.1])
    health(target, journal, lambda: next(measured), write_latency=1.0, wait=9.0).check("s")
    (reason,) = events(journal, "paused")[0]["reasons"]
    assert reason.startswith("a tiny write took 3")
    assert len(events(journal, "resumed")) == 1


def test_after_the_longest_pause_it_stops_and_says_why(target: Database, journal: Journal) -> None:
    gate = health(target, journal, lambda: 3.0, write_latency=1.0, disk_free=10**9, wait=0.6)
    with pytest.raises(GateError) as caught:
        gate.check("step")
    assert "a tiny write took 3" in caught.value.message
    assert f"MB are free under {journal.path.parent} (policy: 1,000,000,000)" in str(caught.value)
    assert events(journal, "resumed") == []


def test_between_two_transactions_of_a_file_the_target_is_asked_and_the_file_goes_on_later(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(THERE)
    traffic = Journal(tmp_path / "traffic.jsonl")
    unwell = changed(applier.policy, health={"wait": 0.2, "disk_free": 0, "waiting_sessions": 0})
    guard = Guard(applier.database, unwell, journal.emit, traffic)
    migration = migration_of(
        tmp_path, "BEGIN; SELECT pg_sleep(0.7); COMMIT;\nBEGIN; DROP TABLE gone; COMMIT;"
    )

    def block() -> None:
        with holding(applier.database, "LOCK TABLE mine IN SHARE MODE"):
            pass

    held, blocked = ExitStack(), ExitStack()

    def act() -> None:
        held.enter_context(holding(applier.database, "INSERT INTO mine VALUES (5)"))
        blocked.enter_context(beside(block))
        until(lambda: waiting(connection))

    acting = Acting(journal, 1, act)
    with blocked, held, pytest.raises(GateError, match="1 sessions wait for locks"):
        replace(applier, guard=guard, emit=acting.emit).migrate(migration)
    assert connection.value("SELECT to_regclass('gone')") == "gone"
    replace(applier, guard=guard).migrate(migration, journal.own_rows)
    assert connection.value("SELECT to_regclass('gone')") is None
    assert [x["number"] for x in events(journal, "started")].count(2) == 1


def test_a_guard_holds_no_more_sessions_than_the_prechecks_count(
    applier: Applier, journal: Journal, connection: Connection, tmp_path: Path
) -> None:
    seen = list[int]()

    def count() -> None:
        end = time.monotonic() + 2 * PAUSE  # the watch of lock waits opens its session by then
        while time.monotonic() < end:
            seen.append(connection.value(SESSIONS))
            time.sleep(0.02)

    acting = Acting(journal, 2, count)
    traffic = Journal(tmp_path / "traffic.jsonl")
    with Guard(applier.database, applier.policy, acting.emit, traffic) as guard:
        replace(applier, emit=acting.emit, guard=guard).migrate(migration_of(tmp_path, FILE))
    # Health, schema, lock waits and writes; builds have a watch of their own.
    assert max(seen) == 1 + WATCHERS - 2
    until(lambda: connection.value(SESSIONS) == 0)
