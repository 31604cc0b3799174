"""However long others hold their locks, the application's writes wait no longer than allowed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Outcome
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard, describe_blockers, read_blockers
from runbook_lib.postgres.connection import Connection, Database
from tests.support.applying import failed, values
from tests.support.policies import changed
from tests.support.prechecks import as_plain_role
from tests.support.releases import migration_of
from tests.support.sessions import PATIENCE, Acting, Writer, beside, events, holding, until

TABLES = "CREATE TABLE a (c int); CREATE TABLE b (c int)"
SHOWN = "INSERT INTO shown SELECT current_setting('lock_timeout')"


def with_policy(applier: Applier, **parts: Any) -> Applier:
    return replace(applier, policy=changed(applier.policy, **parts))


@contextmanager
def held_for(database: Database, table: str, seconds: float) -> Iterator[None]:
    """Hold a lock that lets writes through for so long."""
    taken = threading.Event()

    def hold() -> None:
        with holding(database, f"LOCK TABLE {table} IN ACCESS SHARE MODE"):
            taken.set()
            time.sleep(seconds)

    with beside(hold):
        assert taken.wait(PATIENCE)
        yield


# --- the application ----------------------------------------------------------------------------


def test_a_writer_waits_no_longer_than_allowed_while_a_lock_is_tried_again_and_again(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    patient = with_policy(applier, locks={"timeout": 0.5, "tries": 50, "pause": 0.2})
    migration = migration_of(tmp_path, "ALTER TABLE a ADD d int")

    def act() -> object:
        return patient.migrate(migration)

    with Writer(target, "INSERT INTO a (c) VALUES (1)") as writer:
        with holding(target, "SELECT FROM a") as other, beside(act) as ours:
            until(lambda: len(events(journal, "retried")) > 3)
            other.rollback()
            assert ours.result(PATIENCE) is Outcome.DONE
        before = writer.written
        until(lambda: writer.written > before)
    assert 0.1 < writer.longest <= 0.5 + 0.5  # it did wait: the lock was queued for


def test_a_writer_waits_no_longer_where_one_transaction_waits_for_two_locks(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    bound = 1.6
    patient = with_policy(applier, locks={"timeout": bound, "tries": 20, "pause": 0.2})
    migration = migration_of(tmp_path, "ALTER TABLE a ADD d int;\nALTER TABLE b ADD d int")
    with (
        Writer(target, "INSERT INTO a (c) VALUES (1)") as writer,
        held_for(target, "a", 0.85 * bound),
        held_for(target, "b", 1.7 * bound),
    ):
        assert patient.migrate(migration) is Outcome.DONE
    assert events(journal, "retried")[0]["line"] == 2  # cut short on the second table
    assert writer.longest <= bound + 0.5


# --- the bound ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 200),
        ("SET lock_timeout = 0", 200),
        ("SET lock_timeout = '1h'", 200),
        ("SET LOCAL lock_timeout = 0", 200),
        ("SET LOCK_TIMEOUT TO DEFAULT", 200),
        ("RESET lock_timeout", 200),
        ("RESET ALL", 200),
        ("SELECT set_config('lock_timeout', '0', false)", 200),
        ("SET lock_timeout = '50ms'", 50),
        ("SET LOCAL lock_timeout = 50", 50),
    ],
)
def test_a_file_may_lower_the_policys_bound_and_not_raise_it(
    applier: Applier, connection: Connection, tmp_path: Path, before: str, after: int
) -> None:
    connection.execute("CREATE TABLE shown (c text)")
    applier.migrate(migration_of(tmp_path, f"{before};{SHOWN}"))
    # A statement before it takes its time off.
    shown: int = connection.value("SELECT replace(c, 'ms', '')::int FROM shown")
    assert 0 < shown <= after


@pytest.mark.parametrize(
    "before",
    [
        "SET idle_in_transaction_session_timeout = 0",
        "SELECT set_config('idle_in_transaction_session_timeout', '1h', true)",
        "RESET ALL",
        "DISCARD ALL; SELECT 1",
    ],
)
def test_a_file_does_not_keep_its_locks_from_a_runner_that_is_gone(
    applier: Applier, connection: Connection, tmp_path: Path, before: str
) -> None:
    connection.execute("CREATE TABLE shown (c text)")
    idle = "SELECT current_setting('idle_in_transaction_session_timeout')"
    applier.migrate(migration_of(tmp_path, f"{before}; INSERT INTO shown {idle}"))
    assert values(connection, "SELECT c FROM shown") == ["10s"]


def test_a_bound_that_the_file_lowered_is_not_raised_by_the_time_it_has_left(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(f"{TABLES}; CREATE TABLE shown (c text)")
    patient = with_policy(applier, locks={"timeout": 2.0})
    sql = f"ALTER TABLE a ADD d int; SET lock_timeout = '60ms'; SELECT pg_sleep(0.3); {SHOWN}"
    patient.migrate(migration_of(tmp_path, sql))
    assert values(connection, "SELECT c FROM shown") == ["60ms"]


def test_the_bound_holds_when_a_file_goes_on_behind_its_own_set(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE shown (c text)")
    sql = f"SET lock_timeout = 0; VACUUM shown; SELECT FROM later; {SHOWN}"
    migration = migration_of(tmp_path, sql)
    failed(applier, migration)
    connection.execute("CREATE TABLE later ()")
    applier.migrate(migration, journal.own_rows)
    assert values(connection, "SELECT c FROM shown") == ["200ms"]


# --- the tries ----------------------------------------------------------------------------------


def test_the_tries_and_their_pauses_are_bounded_and_told(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    bounded = with_policy(applier, locks={"timeout": 0.05, "tries": 4, "pause": 0.15})
    with holding(target, "SELECT FROM b"):
        sql = "INSERT INTO a VALUES (1);\nALTER TABLE b ADD d int"
        error = failed(bounded, migration_of(tmp_path, sql))
    assert (error.sqlstate, error.line) == ("55P03", 2)
    told = events(journal, "retried")
    assert [(item["attempt"], item["line"]) for item in told] == [(1, 2), (2, 2), (3, 2)]
    assert all(0 <= item["pause"] <= 0.15 for item in told)
    assert all("55P03" in item["error"] for item in told)
    assert len([x for x in events(journal, "started") if x["line"] == 1]) == 4  # whole, each time
    assert values(connection, "SELECT c FROM a") == []


def test_a_deadlock_is_tried_again(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    patient = with_policy(applier, locks={"timeout": 15.0, "tries": 3})
    migration = migration_of(tmp_path, "ALTER TABLE a ADD d int;\nALTER TABLE b ADD d int")
    with holding(target, "SET LOCAL deadlock_timeout = '1min'; INSERT INTO b VALUES (1)") as other:
        # The runner holds a when this begins, and then waits for b: it is the one to notice.
        crossing = threading.Thread(target=lambda: other.execute("INSERT INTO a VALUES (1)"))
        watched = replace(patient, emit=Acting(journal, 2, crossing.start).emit)
        with beside(lambda: watched.migrate(migration)) as ours:
            until(lambda: events(journal, "retried"))
            crossing.join()
            other.execute("COMMIT")
            assert ours.result(PATIENCE) is Outcome.DONE
    assert ["40P01" in item["error"] for item in events(journal, "retried")] == [True]
    assert values(connection, "SELECT c FROM a") == [1]


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("INSERT INTO a VALUES (1); SELECT 1 / 0", "22012"),
        ("SELECT nothing", "42703"),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$", "40001"),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$", "57014"),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55006'; END $$", "55006"),
    ],
)
def test_nothing_else_is_tried_again(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path, sql: str, state: str
) -> None:
    connection.execute(TABLES)
    assert failed(applier, migration_of(tmp_path, sql)).sqlstate == state
    assert events(journal, "retried") == []
    sent = [line["number"] for line in events(journal, "started")]
    assert len(sent) == len(set(sent))


def test_a_transaction_of_a_file_of_several_is_tried_again_alone(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    patient = with_policy(applier, locks={"tries": 100})
    sql = "BEGIN; INSERT INTO a VALUES (1); COMMIT;\nBEGIN; ALTER TABLE b ADD d int; COMMIT;"
    migration = migration_of(tmp_path, sql)
    with (
        holding(target, "SELECT FROM b") as other,
        beside(lambda: patient.migrate(migration)) as ours,
    ):
        until(lambda: events(journal, "retried"))
        other.rollback()
        assert ours.result(PATIENCE) is Outcome.DONE
    assert values(connection, "SELECT c FROM a") == [1]


# --- who is in the way --------------------------------------------------------------------------


def test_who_is_waited_for_is_named_while_the_wait_lasts(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    patient = with_policy(applier, locks={"timeout": 10.0})
    guard = Guard(target, patient.policy, journal.emit, Journal(tmp_path / "traffic.jsonl"))
    guarded = replace(patient, guard=guard)
    migration = migration_of(tmp_path, "ALTER TABLE a ADD d int")
    with (
        guard,
        holding(target, "SELECT FROM a", "till") as other,
        beside(lambda: guarded.migrate(migration)) as ours,
    ):
        until(lambda: events(journal, "waiting"))
        pid = other.pid
        other.rollback()
        assert ours.result(PATIENCE) is Outcome.DONE
    (event,) = events(journal, "waiting")
    (blocker,) = event["blockers"]
    user = connection.value("SELECT current_user")
    assert event["step"] == migration.name
    assert (blocker["pid"], blocker["user"], blocker["application"]) == (pid, user, "till")
    assert (blocker["state"], blocker["age"] > 0) == ("idle in transaction", True)
    assert datetime.fromisoformat(blocker["query_start"]).tzinfo
    assert blocker["table"] == "public.a"


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ("", "pid {} (postgres, till, not visible to this role)"),
        ("REVOKE SELECT ON pg_stat_activity FROM PUBLIC", "pid {} (not visible to this role)"),
    ],
    ids=["hidden", "closed"],
)
def test_of_a_blocker_is_told_what_the_role_may_see(
    closed: str, said: str, connection: Connection, target: Database
) -> None:
    connection.execute(f"{TABLES}; {closed}")
    with (
        as_plain_role(connection),
        target.connect() as waiting,
        holding(target, "SELECT FROM a", "till") as other,
        beside(lambda: waiting.execute("ALTER TABLE a ADD d int")),
    ):
        until(lambda: read_blockers(connection, [waiting.pid]))
        told = describe_blockers(read_blockers(connection, [waiting.pid]))
        pid = other.pid
        other.rollback()
    assert told == said.format(pid)


def test_a_lock_that_never_comes_is_an_error_and_leaves_nothing(
    applier: Applier, connection: Connection, target: Database, tmp_path: Path
) -> None:
    connection.execute(TABLES)
    with holding(target, "SELECT FROM a"), pytest.raises(StatementError, match="55P03"):
        applier.migrate(migration_of(tmp_path, "CREATE TABLE x (); ALTER TABLE a ADD d int"))
    assert connection.value("SELECT to_regclass('x')") is None
