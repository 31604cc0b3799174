"""A check that finds nothing says what it looked at, with counts from the server."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.checks import prechecks
from runbook_lib.checks.query_checks import run_checks
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.findings import Severity
from runbook_lib.postgres.connection import Connection
from runbook_lib.release import plan
from runbook_lib.release.model import Check
from runbook_lib.release.reader import read_checks, read_release
from tests.support.prechecks import checked, of_users
from tests.support.projects import REPOSITORY

WAITS = Check(
    "one", "Why.", Severity.ERROR, "no rows", "Mend it.", "SELECT 1 WHERE false", Path("1.sql")
)


def run_one(connection: Connection, check: Check) -> CheckResult:
    (result,) = run_checks(connection, [check], {"limit": 60})
    return result


def test_what_was_looked_at_is_said_with_the_limit(connection: Connection) -> None:
    seen = "SELECT count(*) || ' of ' || %(limit)s || ', 100 %%' FROM generate_series(1, 3)"
    found = run_one(connection, replace(WAITS, seen=seen))
    assert (found.status, found.observed, found.expected) == (Status.PASS, "3 of 60, 100 %", "none")


def test_where_that_cannot_be_read_nothing_was_found_all_the_same(connection: Connection) -> None:
    found = run_one(connection, replace(WAITS, seen="SELECT no_such_column"))
    assert (found.status, found.observed.startswith("none found; ")) == (Status.PASS, True)
    assert "42703" in found.observed


def test_a_check_that_finds_something_names_that(connection: Connection) -> None:
    found = run_one(connection, replace(WAITS, sql="SELECT 'pid 7' AS a", seen="SELECT 'none'"))
    assert (found.status, found.observed) == (Status.FAIL, "pid 7")


def test_every_precheck_that_finds_nothing_says_what_it_looked_at(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE users (id int)")
    found = checked(connection, of_users(tmp_path))
    for check in read_checks(prechecks.QUERIES):
        assert "none found" not in found[check.name].observed, check.name
    assert found["wal_level"].observed.startswith("wal_level is")
    assert "limit 0.05 s" in found["long transactions"].observed


@pytest.fixture
def migrated(connection: Connection) -> Connection:
    release = read_release(REPOSITORY / "sql")
    for name in plan.order(release, frozenset()).names:
        connection.execute(release.migration(name).path.read_text(encoding="utf-8"))
    connection.execute(
        "CREATE TABLE _prisma_migrations (migration_name text PRIMARY KEY, started_at timestamptz,"
        " finished_at timestamptz, rolled_back_at timestamptz, logs text)"
    )
    return connection


def test_every_check_of_the_release_that_finds_nothing_says_what_it_looked_at(
    migrated: Connection,
) -> None:
    checks = [item for item in read_checks(REPOSITORY / "sql" / "checks") if item.sql]
    found = {item.name: item for item in run_checks(migrated, checks)}
    assert {name for name, item in found.items() if item.status is not Status.PASS} == {
        "ledger_finished"
    }
    assert [name for name, item in found.items() if "none found" in item.observed] == []
    assert found["indexes_valid"].observed.endswith(" indexes, all valid")
