"""Prechecks see what a server must be configured for: slots, standbys, prepared transactions."""

import os
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import pq
from psycopg.pq.abc import PGconn

from runbook_lib.checks import prechecks
from runbook_lib.evidence.records import Status
from runbook_lib.postgres import embedded
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.release.model import Release
from tests.support.memory import MakeDirectory
from tests.support.prechecks import checked, looked_at_as_plain_role, of_users
from tests.support.servers import database_on

pytestmark = pytest.mark.xdist_group("prechecks_server")

SETTINGS = {
    "fsync": "off",
    "max_prepared_transactions": "5",
    "wal_level": "logical",
    "archive_mode": "on",
    "archive_command": "true",
    "autovacuum_naptime": "1s",
}


def configure(server: Sandbox, settings: dict[str, str]) -> None:
    """Write settings and restart the server."""
    with Database(server.conninfo()).connect() as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.stop()
    server.use()


@pytest.fixture(scope="module")
def own(in_memory: MakeDirectory) -> Iterator[Sandbox]:
    """Run a server of this module's own."""
    with Sandbox(in_memory("own")) as server:
        configure(server, SETTINGS)
        yield server
        server.stop()


@pytest.fixture
def target(own: Sandbox) -> Iterator[Database]:
    """Create a database on it for the test."""
    with database_on(own) as made:
        yield Database(made)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return of_users(tmp_path)


@pytest.fixture
def users(connection: Connection) -> Connection:
    connection.execute("CREATE TABLE users (id int PRIMARY KEY)")
    return connection


def until(connection: Connection, condition: str) -> None:
    """Wait until the server says so."""
    end = time.monotonic() + 60
    while not connection.value(f"SELECT {condition}"):
        assert time.monotonic() < end, f"never: {condition}"
        time.sleep(0.05)


def reload(connection: Connection, name: str, value: str) -> None:
    connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    connection.rows("SELECT pg_reload_conf()")
    until(connection, f"current_setting('{name}') = '{value}'")


def test_a_prepared_transaction_warns(
    users: Connection, target: Database, release: Release
) -> None:
    with target.connect() as manager:
        manager.execute("BEGIN; LOCK TABLE users IN SHARE MODE; PREPARE TRANSACTION 'order 7'")
    found = checked(users, release)["prepared transactions"]
    users.execute("ROLLBACK PREPARED 'order 7'")
    assert (found.status, "'order 7' of postgres since" in found.observed) == (Status.WARN, True)
    assert checked(users, release)["prepared transactions"].status is Status.PASS


def test_a_slot_that_nobody_reads_warns(users: Connection, release: Release) -> None:
    users.rows("SELECT pg_create_physical_replication_slot('forgotten', true)")
    found = checked(users, release)
    users.rows("SELECT pg_drop_replication_slot('forgotten')")
    assert found["inactive replication slots"].status is Status.WARN
    assert "forgotten keeps" in found["inactive replication slots"].observed
    assert found["WAL kept for slots"].status is Status.WARN
    found = checked(users, release)
    assert found["inactive replication slots"].status is Status.PASS
    assert found["WAL kept for slots"].status is Status.PASS


def stream(target: Database) -> PGconn:
    """Be a standby that received what is there now and replays nothing more."""
    words = {**target.parameters, "replication": "true", "application_name": "standby_2"}
    standby = pq.PGconn.connect(" ".join(f"{k}={v}" for k, v in words.items()).encode())
    assert standby.status == pq.ConnStatus.OK, standby.error_message
    position = (standby.exec_(b"IDENTIFY_SYSTEM").get_value(0, 2) or b"").decode()
    started = standby.exec_(f"START_REPLICATION PHYSICAL {position}".encode())
    assert started.status == pq.ExecStatus.COPY_BOTH, started.error_message
    high, low = (int(half, 16) for half in position.split("/"))
    lsn = (high << 32) + low
    standby.put_copy_data(b"r" + struct.pack("!QQQQB", lsn, lsn, lsn, 0, 0))
    standby.flush()
    return standby


def test_a_standby_that_lags_warns(
    users: Connection, target: Database, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby = stream(target)
    try:
        until(users, "EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn IS NOT NULL)")
        users.execute("INSERT INTO users SELECT generate_series(1, 1000)")
        assert checked(users, release)["replication lag"].status is Status.PASS
        monkeypatch.setattr(prechecks, "_REPLICATION_LAG", 0)
        found = checked(users, release)["replication lag"]
        hidden = looked_at_as_plain_role(users, release)["replication lag"]
    finally:
        standby.finish()
    assert (found.status, "standby_2 is" in found.observed) == (Status.WARN, True)
    assert hidden.status is Status.NOT_MEASURED


def test_a_synchronous_standby_that_is_not_there_fails(
    users: Connection, target: Database, release: Release
) -> None:
    reload(users, "synchronous_standby_names", "standby_2")
    try:
        found = checked(users, release)["synchronous standbys"]
        standby = stream(target)
        until(users, "EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
        there = checked(users, release)["synchronous standbys"]
        standby.finish()
    finally:
        reload(users, "synchronous_standby_names", "")
    assert (found.status, found.observed) == (Status.FAIL, "standby_2 is not connected")
    assert there.status is Status.PASS


def test_archiving_that_fails_warns(users: Connection, release: Release) -> None:
    assert checked(users, release)["WAL archiving"].status is Status.PASS
    reload(users, "archive_command", "false")
    try:
        users.execute("INSERT INTO users VALUES (-1)")
        users.rows("SELECT pg_switch_wal()")
        until(users, "(SELECT failed_count > 0 FROM pg_stat_archiver)")
        found = checked(users, release)["WAL archiving"]
    finally:
        reload(users, "archive_command", "true")
    assert (found.status, "failures, the last of" in found.observed) == (Status.WARN, True)


def test_a_table_that_a_subscription_fills_warns(
    users: Connection, target: Database, release: Release
) -> None:
    name = f"{target.dbname}_source"
    target.create(name)
    with target.on(name).connect() as source:
        source.execute(
            "CREATE TABLE users (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE users"
        )
        source.rows("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    users.execute(
        f"CREATE SUBSCRIPTION s CONNECTION '{target.on(name).conninfo()}' PUBLICATION p "
        "WITH (create_slot = false, slot_name = 's', enabled = false, copy_data = false)"
    )
    found = checked(users, release)["subscribed tables"]
    users.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
    users.execute("DROP SUBSCRIPTION s")
    users.rows("SELECT pg_drop_replication_slot('s')")
    target.drop(name)
    assert (found.status, found.observed) == (Status.WARN, "public.users by s")
    assert checked(users, release)["subscribed tables"].status is Status.PASS


def test_an_autovacuum_against_wraparound_warns(
    users: Connection, target: Database, release: Release
) -> None:
    with target.connect() as writer:
        writer.execute(
            "ALTER TABLE users SET (autovacuum_freeze_max_age = 100000,"
            " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
        )
        writer.execute(
            "DO $$ BEGIN FOR i IN 1..100100 LOOP BEGIN INSERT INTO users VALUES (i);"
            " EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$"
        )
    until(
        users,
        "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
        " AND query LIKE '%public.users (to prevent wraparound)')",
    )
    found = checked(users, release)["autovacuum against wraparound"]
    hidden = looked_at_as_plain_role(users, release)["autovacuum against wraparound"]
    assert (found.status, "on public.users" in found.observed) == (Status.WARN, True)
    assert (hidden.status, "is hidden" in hidden.observed) == (Status.NOT_MEASURED, True)


@pytest.mark.skipif(sys.platform == "darwin", reason="one loopback address only")
def test_a_connection_over_the_network_without_tls_warns(
    own: Sandbox, target: Database, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel connects from 127.0.0.1: to the server that is another host's address.
    address = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.2"
    monkeypatch.setitem(embedded.SETTINGS, "listen_addresses", address)
    configure(own, {})
    try:
        over_tcp = Database({**own.conninfo(target.dbname), "host": address})
        with over_tcp.connect() as connection:
            found = checked(connection, release)["TLS"]
    finally:
        monkeypatch.undo()
        configure(own, {})
    assert (found.status, found.observed) == (
        Status.WARN,
        f"no TLS between 127.0.0.1 and {address}",
    )


def test_a_server_without_wal_for_recovery_warns(
    own: Sandbox, target: Database, release: Release
) -> None:
    minimal = {"wal_level": "minimal", "max_wal_senders": "0", "archive_mode": "off"}
    configure(own, minimal)
    try:
        with target.connect() as connection:
            found = checked(connection, release)["wal_level"]
    finally:
        configure(own, {**SETTINGS, "max_wal_senders": "10"})
    assert (found.status, found.observed) == (Status.WARN, "wal_level is minimal")
    with target.connect() as connection:
        assert checked(connection, release)["wal_level"].status is Status.PASS
