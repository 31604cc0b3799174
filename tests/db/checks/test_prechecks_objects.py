"""Prechecks see what stands in the way among the target's objects."""

from pathlib import Path

import pytest

from runbook_lib.checks import prechecks
from runbook_lib.evidence.records import Status
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.model import Release
from tests.support.prechecks import checked, identified_on, of_users, planned
from tests.support.releases import release_of


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path, {"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"})


@pytest.mark.parametrize(
    ("name", "sql", "observed"),
    [
        (
            "constraints not valid",
            "ALTER TABLE users ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
            "public.users: positive",
        ),
        (
            "invalid indexes",
            "CREATE INDEX users_id ON users (id);"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_id'::regclass",
            "public.users_id",
        ),
        (
            "statistics",
            "INSERT INTO users SELECT generate_series(1, 2000)",
            "public.users: never analyzed",
        ),
        (
            "event triggers",
            "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION f()",
            "watch at ddl_command_end calls f",
        ),
        ("published tables", "CREATE PUBLICATION p FOR TABLE users", "public.users by p"),
    ],
)
def test_what_stands_in_the_way_warns(
    connection: Connection, target: Database, tmp_path: Path, name: str, sql: str, observed: str
) -> None:
    with target.connect() as before:
        before.execute("CREATE TABLE users (id int)")
        made = planned(before, identified_on(before), of_users(tmp_path))
        assert checked(before, of_users(tmp_path / "again"))[name].status is Status.PASS
        before.execute(sql)
    found = checked(connection, of_users(tmp_path / "last"), made)[name]
    assert (found.status, found.observed) == (Status.WARN, observed)


def test_a_trigger_on_the_ledger_warns(connection: Connection, release: Release) -> None:
    ledger.create(connection, Connection.execute)
    connection.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER g BEFORE INSERT ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE RULE keep AS ON DELETE TO _prisma_migrations DO INSTEAD NOTHING"
    )
    found = checked(connection, release)["triggers on the ledger"]
    assert (found.status, found.observed) == (Status.WARN, "rule keep; trigger g")


def test_old_statistics_warn_where_rows_changed(
    connection: Connection, target: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prechecks, "_STATISTICS_AGE", 0.0)
    with target.connect() as before:
        before.execute("CREATE TABLE users AS SELECT generate_series(1, 2000) AS id")
        # Else its count of changed rows may arrive behind the ANALYZE.
        before.rows("SELECT pg_stat_force_next_flush()")
        before.execute("ANALYZE users")
    release = of_users(tmp_path)
    assert checked(connection, release)["statistics"].status is Status.PASS
    with target.connect() as writer:
        writer.execute("UPDATE users SET id = id + 1")
    found = checked(connection, release)["statistics"]
    assert (found.status, "changed since" in found.observed) == (Status.WARN, True)
