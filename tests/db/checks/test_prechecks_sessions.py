"""Prechecks see who else works on the target."""

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from runbook_lib.evidence.records import Status
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.watching import WATCHERS
from runbook_lib.release.model import Release
from tests.support.prechecks import (
    POLICY,
    checked,
    identified_on,
    looked_at_as_plain_role,
    planned,
)
from tests.support.releases import release_of


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path, {"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"})


def test_a_long_transaction_warns_and_is_named(
    connection: Connection, target: Database, release: Release
) -> None:
    with target.connect() as forgotten, forgotten.transaction():
        pid = forgotten.value("SELECT pg_backend_pid()")
        time.sleep(2 * POLICY.locks.long_transaction)
        found = checked(connection, release)["long transactions"]
    assert found.status is Status.WARN
    assert f"pid {pid} (postgres, migration runbook, idle in transaction)" in found.observed


def test_a_session_that_sleeps_in_its_transaction_warns(
    connection: Connection, target: Database, release: Release
) -> None:
    with target.connect() as forgotten, forgotten.transaction():
        pid = forgotten.value("SELECT pg_backend_pid()")
        time.sleep(2 * POLICY.locks.timeout)
        found = checked(connection, release)["idle in transaction"]
    assert (found.status, f"pid {pid}" in found.observed) == (Status.WARN, True)


@pytest.mark.parametrize(
    ("user", "grants", "named"),
    [
        ("", "", ["those of postgres"]),
        ("", "GRANT pg_signal_backend TO {role}", ["those of postgres"]),  # a superuser's
        ("till", "", ["those of till_"]),
        ("till", "GRANT pg_signal_backend TO {role}", []),
        ("till", "GRANT till_{name} TO {role}", []),
    ],
)
def test_sessions_that_a_restore_could_not_end_warn(
    user: str,
    grants: str,
    named: list[str],
    connection: Connection,
    target: Database,
    release: Release,
) -> None:
    name = f"till_{target.dbname}"
    connection.execute(f"CREATE ROLE {name} LOGIN")
    there = target.having(user=name) if user else target
    given = grants.replace("{name}", target.dbname)
    with there.connect():
        found = looked_at_as_plain_role(connection, release, given)["may end sessions"]
    connection.execute(f"DROP ROLE {name}")
    assert (found.status is Status.WARN) == bool(named), found
    assert all(text in found.observed for text in named)


def test_sessions_that_the_role_may_not_see_are_not_measured(
    connection: Connection, target: Database, release: Release
) -> None:
    with target.connect():
        found = looked_at_as_plain_role(connection, release)
    for name in ("long transactions", "idle in transaction"):
        assert (found[name].status, "pg_monitor" in found[name].remedy) == (
            Status.NOT_MEASURED,
            True,
        )


def test_a_session_that_waits_for_a_lock_warns_and_is_named(
    connection: Connection, target: Database, release: Release
) -> None:
    connection.execute("CREATE TABLE t ()")
    with target.connect() as holder, target.connect() as waiter:
        held, pid = (item.value("SELECT pg_backend_pid()") for item in (holder, waiter))
        holder.execute("BEGIN; LOCK TABLE t")
        thread = threading.Thread(target=waits, args=(waiter,))
        thread.start()
        try:
            until = time.monotonic() + 10
            blocked = f"SELECT cardinality(pg_blocking_pids({pid})) > 0"
            while not connection.value(blocked) and time.monotonic() < until:
                time.sleep(0.01)
            found = checked(connection, release)["blocked sessions"]
        finally:
            holder.execute("ROLLBACK")
            thread.join()
    assert (found.status, found.observed) == (Status.WARN, f"pid {pid} waits for pid {held}")


def waits(waiter: Connection) -> None:
    waiter.rows("SELECT count(*) FROM t")


@pytest.mark.parametrize(
    ("application", "name", "status"),
    [("shop web", "other sessions", Status.PASS), ("pg_dump", "running dump", Status.WARN)],
)
def test_other_sessions_are_named(
    connection: Connection,
    target: Database,
    release: Release,
    application: str,
    name: str,
    status: Status,
) -> None:
    with target.connect() as other:
        other.execute(f"SET application_name = '{application}'")
        found = checked(connection, release)[name]
    assert (found.status, application in found.observed) == (status, True)


@pytest.mark.parametrize(
    ("sql", "builds"),
    [
        ("ALTER TABLE users ADD name text", False),
        ("CREATE INDEX CONCURRENTLY i ON users (id)", True),
    ],
    ids=["without builds", "with builds"],
)
def test_too_few_free_connections_fail(
    sql: str, builds: bool, connection: Connection, target: Database, tmp_path: Path
) -> None:
    release = release_of(tmp_path, {"0001_a": sql})
    needed = WATCHERS + (os.cpu_count() or 1) * builds
    connection.execute(f"ALTER DATABASE {target.dbname} CONNECTION LIMIT {1 + needed}")
    assert checked(connection, release)["connection headroom"].status is Status.PASS
    with ExitStack() as held:
        for _ in range(2):  # one is too many already
            held.enter_context(target.connect())
        found = checked(connection, release)["connection headroom"]
    assert found.status is Status.FAIL
    limits = f"database: 3 of {1 + needed} connections are in use"
    assert found.observed == f"{limits}, and the migration needs {needed} more"


def test_connections_that_are_nearly_used_up_warn(
    connection: Connection, target: Database, release: Release
) -> None:
    connection.execute(f"ALTER DATABASE {target.dbname} CONNECTION LIMIT 2")
    assert checked(connection, release)["connections in use"].status is Status.PASS
    with target.connect():
        found = checked(connection, release)["connections in use"]
    assert (found.status, "2 of 2" in found.observed) == (Status.WARN, True)


def test_a_table_that_is_locked_fails_and_does_not_hang(
    connection: Connection, target: Database, release: Release
) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    made = planned(connection, identified_on(connection), release)
    with target.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE t")
        found = checked(connection, release, made)["schema as planned"]
    assert (found.status, "55P03" in found.observed) == (Status.FAIL, True)
    assert checked(connection, release, made)["schema as planned"].status is Status.PASS
