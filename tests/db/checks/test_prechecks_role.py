"""Prechecks see what the role may not do."""

from pathlib import Path

import pytest

from runbook_lib.evidence.records import Status
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.model import Release
from tests.support.prechecks import checked, looked_at_as_plain_role, of_users
from tests.support.releases import release_of


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path, {"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"})


def test_a_role_that_may_not_create_fails(connection: Connection, tmp_path: Path) -> None:
    connection.execute("CREATE TABLE users (id int PRIMARY KEY)")
    sql = "CREATE INDEX i ON users (id); CREATE TABLE o (id int REFERENCES users); CREATE SCHEMA s"
    found = looked_at_as_plain_role(connection, of_users(tmp_path, sql))
    assert found["may create in the schemas"].status is Status.FAIL
    assert "database, for schema s; schema public" in found["may create in the schemas"].observed
    assert found["may write the ledger"].status is Status.FAIL
    assert found["owns the tables it alters"].status is Status.FAIL
    assert found["owns the tables it alters"].observed == "public.users belongs to postgres"
    assert found["may read for the backup"].status is Status.FAIL
    assert found["may create a database"].status is Status.WARN


def test_a_role_that_may_not_reference_fails(connection: Connection, tmp_path: Path) -> None:
    connection.execute("CREATE TABLE users (id int PRIMARY KEY)")
    release = of_users(tmp_path, "CREATE TABLE o (id int REFERENCES users)")
    assert looked_at_as_plain_role(connection, release)["may reference the tables"].status is (
        Status.FAIL
    )


def test_a_role_with_just_the_privileges_passes(connection: Connection, tmp_path: Path) -> None:
    connection.execute("CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE gone ()")
    sql = "CREATE TABLE o (id int REFERENCES users); TRUNCATE gone"
    grants = (
        "GRANT CREATE ON SCHEMA public TO {role};"
        "GRANT REFERENCES, SELECT ON users TO {role}; GRANT TRUNCATE, SELECT ON gone TO {role}"
    )
    found = looked_at_as_plain_role(connection, of_users(tmp_path, sql), grants)
    assert {name for name, item in found.items() if item.status is Status.FAIL} == set()


def test_a_ledger_that_may_not_be_read_fails_and_hides_no_other_finding(
    connection: Connection, release: Release
) -> None:
    ledger.create(connection, Connection.execute)
    found = looked_at_as_plain_role(connection, release)
    assert found["may write the ledger"].observed.startswith("no SELECT on the ledger")
    assert found["schema as planned"].status is Status.FAIL
    assert "42501" in found["schema as planned"].observed


@pytest.mark.parametrize(
    ("extension", "why"),
    [("pg_stat_statements", "not trusted"), ("pg_trgm", "no CREATE on the database")],
)
def test_an_extension_that_the_role_may_not_create_fails(
    connection: Connection, tmp_path: Path, extension: str, why: str
) -> None:
    release = of_users(tmp_path, f"CREATE EXTENSION {extension}")
    found = looked_at_as_plain_role(connection, release)["extensions installable"]
    assert (found.status, found.observed) == (Status.FAIL, f"{extension}: {why}")
    assert checked(connection, release)["extensions installable"].status is Status.PASS


def test_an_extension_that_the_server_does_not_have_fails(
    connection: Connection, tmp_path: Path
) -> None:
    release = of_users(tmp_path, "CREATE EXTENSION no_such_extension")
    found = checked(connection, release)["extensions available"]
    assert (found.status, found.observed) == (Status.FAIL, "no_such_extension")


def test_row_level_security_that_hides_rows_fails(connection: Connection, release: Release) -> None:
    connection.execute("CREATE TABLE users (); ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    found = looked_at_as_plain_role(connection, release)["row level security"]
    assert (found.status, found.observed) == (Status.FAIL, "public.users")
    assert checked(connection, release)["row level security"].status is Status.PASS
