"""Verification reads the server back; monitoring says what it cannot see."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.checks import verify
from runbook_lib.checks.query_checks import run_checks
from runbook_lib.checks.verify import Comparison
from runbook_lib.evidence.records import Metric, Status
from runbook_lib.findings import Severity
from runbook_lib.performance.monitor import measure
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.targets import build_schema
from runbook_lib.release.model import Check, Release, Threshold
from tests.support.prechecks import as_plain_role
from tests.support.releases import release_of
from tests.support.snapshots import identified

FILES = {
    "0001_a": """
CREATE TYPE "Mood" AS ENUM ('good');
CREATE TABLE users (id int PRIMARY KEY, "mood" "Mood");
CREATE TABLE "ConsentLog" (id int PRIMARY KEY, "userId" int, up int REFERENCES "ConsentLog");
CREATE INDEX "ConsentLog_userId_idx" ON "ConsentLog" ("userId");
ALTER TABLE "ConsentLog" ADD CONSTRAINT fk FOREIGN KEY ("userId") REFERENCES users (id);
"""
}
CHECK = Check("one", "Why.", Severity.ERROR, "no rows", "Mend it.", "SELECT 1", Path("one.sql"))


@pytest.fixture
def release(tmp_path: Path, connection: Connection) -> Release:
    found = release_of(tmp_path, FILES)
    build_schema(connection, found.migrations)
    return found


def compared(target: Database, connection: Connection, release: Release) -> list[Comparison]:
    return list(verify.compare_objects(target, connection, release))


def missing(target: Database, connection: Connection, release: Release) -> list[str]:
    found = compared(target, connection, release)
    return [f"{item.kind}: {name}" for item in found for name in item.missing]


def left(target: Database, connection: Connection, directory: Path, sql: str) -> list[str]:
    """Apply a release that takes back part of what it made; return what is held against it."""
    release = release_of(directory / "left", {"0001_a": sql})
    build_schema(connection, release.migrations)
    return missing(target, connection, release)


# --- declared against found ---------------------------------------------------------------------


def test_what_was_declared_is_found(
    target: Database, connection: Connection, release: Release
) -> None:
    found = compared(target, connection, release)
    assert [(item.kind, item.declared, item.found) for item in found] == [
        ("tables", 2, 2),
        ("columns", 5, 5),
        ("enums", 1, 1),
        ("indexes, valid and ready", 1, 1),
        ("foreign keys, validated", 2, 2),
    ]
    assert {item.status for item in found} == {Status.PASS}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE users RENAME TO people", "tables: users"),
        ("ALTER TABLE users DROP mood", "columns: users.mood"),
        ('DROP TYPE "Mood" CASCADE', "enums: Mood"),
        ('DROP INDEX "ConsentLog_userId_idx"', "indexes, valid and ready: ConsentLog_userId_idx"),
        (
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = '\"ConsentLog_userId_idx\"'::regclass",
            "indexes, valid and ready: ConsentLog_userId_idx",
        ),
        (
            'ALTER TABLE "ConsentLog" DROP CONSTRAINT fk',
            "foreign keys, validated: ConsentLog.userId -> users.id",
        ),
        (
            'ALTER TABLE "ConsentLog" DROP CONSTRAINT fk, ADD CONSTRAINT fk '
            'FOREIGN KEY ("userId") REFERENCES users (id) NOT VALID',
            "foreign keys, validated: ConsentLog.userId -> users.id",
        ),
    ],
)
def test_what_is_missing_is_named(
    target: Database, connection: Connection, release: Release, change: str, named: str
) -> None:
    connection.execute(change)
    assert named in missing(target, connection, release)


def test_a_foreign_key_that_is_checked_is_not_mistaken_for_a_namesake_that_is_not(
    target: Database, connection: Connection, release: Release
) -> None:
    connection.execute("CREATE TABLE other (id int CONSTRAINT c REFERENCES users)")
    connection.execute(
        "ALTER TABLE other ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES users NOT VALID"
    )
    assert missing(target, connection, release) == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (x int); CREATE INDEX i ON a (x); DROP TABLE a",
        "CREATE TABLE a (x int, y int); ALTER TABLE a DROP x",
        "CREATE TABLE a (x int); ALTER TABLE a RENAME x TO y",
        "CREATE TABLE a (x int PRIMARY KEY); ALTER TABLE a RENAME TO b",
        "CREATE TYPE e AS ENUM (); ALTER TYPE e RENAME TO f",
        "CREATE TEMP TABLE a (x int)",
        "CREATE SCHEMA s; CREATE TABLE s.a (x int); CREATE INDEX i ON s.a (x)",
        "CREATE TABLE a (x int) PARTITION BY RANGE (x)",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
        "CREATE TABLE a (x int PRIMARY KEY); CREATE TABLE b (y int REFERENCES a (x));"
        "ALTER TABLE b DROP y",
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (y int REFERENCES a);"
        "ALTER TABLE a RENAME TO c",
        "CREATE TABLE a (key int PRIMARY KEY); CREATE TABLE b (y int REFERENCES a)",
    ],
)
def test_what_a_release_takes_back_itself_is_not_held_against_it(
    target: Database, connection: Connection, tmp_path: Path, sql: str
) -> None:
    assert left(target, connection, tmp_path, sql) == []


def test_what_a_copy_does_not_have_after_the_plan_is_not_wanted(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    release = release_of(
        tmp_path,
        {
            "0001_a": "CREATE TABLE a (x int PRIMARY KEY);"
            "CREATE TABLE b (x int CONSTRAINT k REFERENCES a); ALTER TABLE b DROP CONSTRAINT k"
        },
    )
    build_schema(connection, release.migrations)
    absent = verify.find_absent(target, connection, release)
    assert absent == {"foreign keys, validated": ("b.x -> a.id",)}
    connection.execute("DROP TABLE b")
    found = verify.compare_objects(target, connection, release, absent)
    assert {item.kind: item.missing for item in found if item.missing} == {
        "tables": ("b",),
        "columns": ("b.x",),
    }


def test_what_a_release_moves_to_another_schema_is_found_there(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    sql = "CREATE SCHEMA s; CREATE TABLE a (x int); ALTER TABLE a SET SCHEMA s"
    assert left(target, connection, tmp_path, sql) == []


def test_statistics_are_refreshed(connection: Connection, release: Release) -> None:
    connection.execute("INSERT INTO users SELECT n FROM generate_series(1, 7) n")
    assert verify.analyze(connection, release, Connection.execute) == 2
    assert connection.value("SELECT reltuples FROM pg_class WHERE oid = 'users'::regclass") == 7


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE older ALTER id TYPE bigint",
        "INSERT INTO older SELECT n FROM generate_series(1, 5) n",
        "UPDATE older SET id = id + 1",
        "DELETE FROM older WHERE id > 5",
        "WITH gone AS (DELETE FROM older WHERE id > 5 RETURNING id) SELECT count(*) FROM gone",
        "DO $$ BEGIN UPDATE older SET id = id + 1; END $$",
    ],
)
def test_statistics_of_what_is_rewritten_or_changed_in_bulk_are_refreshed(
    sql: str, connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE older (id int); CREATE TABLE other (id int)")
    connection.execute("INSERT INTO older SELECT generate_series(1, 10); ANALYZE older")
    connection.execute(sql)
    changed = release_of(tmp_path / "changes", {"0001_a": sql})
    assert verify.analyze(connection, changed, Connection.execute) == 1
    found = connection.rows("SELECT attname FROM pg_stats WHERE tablename = 'older'")
    rows = connection.value("SELECT count(*) FROM older")
    said = connection.value("SELECT reltuples::int FROM pg_class WHERE relname = 'older'")
    assert (len(found), said) == (1, rows)


# --- checks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "sql", "status", "observed"),
    [
        ("no rows", "SELECT 1 WHERE false", Status.PASS, "none found"),
        ("no rows", "SELECT 1 AS a, 'x' AS b", Status.FAIL, "1 x"),
        ("no rows", "SELECT generate_series(1, 7)", Status.FAIL, "1; 2; 3; 4; 5 and 2 more"),
        ("= 3", "SELECT count(*) FROM generate_series(1, 3)", Status.PASS, "3"),
        ("= 3", "SELECT 4", Status.FAIL, "4"),
        ("= 3", "SELECT 3 UNION ALL SELECT 3", Status.FAIL, "2 rows"),
        ("= 0", "SELECT 1 WHERE false", Status.FAIL, "0 rows"),
        (">= 3", "SELECT 3", Status.PASS, "3"),
        (">= 3", "SELECT 2", Status.FAIL, "2"),
        (">= 3", "SELECT 2.9", Status.FAIL, "2.9"),
        (">= 3", "SELECT NULL::int", Status.FAIL, "None"),
        (">= 3", "SELECT 'many'", Status.FAIL, "many"),
    ],
)
def test_a_check_says_what_it_saw(
    connection: Connection, expect: str, sql: str, status: Status, observed: str
) -> None:
    (result,) = run_checks(connection, [replace(CHECK, expect=expect, sql=sql)])
    words = {"no rows": "none", "= 3": "3", "= 0": "0", ">= 3": "3 or more"}[expect]
    assert (result.status, result.observed, result.expected) == (status, observed, words)
    assert bool(result.remedy) == (status is Status.FAIL)


@pytest.mark.parametrize(
    ("severity", "status"),
    [
        (Severity.ERROR, Status.FAIL),
        (Severity.WARNING, Status.WARN),
        (Severity.INFO, Status.PASS),
    ],
)
def test_a_check_that_does_not_hold_is_as_bad_as_its_severity(
    connection: Connection, severity: Severity, status: Status
) -> None:
    (result,) = run_checks(connection, [replace(CHECK, severity=severity)])
    assert result.status is status


def test_a_check_by_hand_is_not_measured(connection: Connection) -> None:
    (result,) = run_checks(connection, [replace(CHECK, expect="by hand", sql="")])
    assert (result.status, result.remedy) == (Status.NOT_MEASURED, "Mend it.")


def test_a_check_that_cannot_run_has_failed_and_the_next_one_runs(connection: Connection) -> None:
    broken, next_one = run_checks(
        connection, [replace(CHECK, sql="SELECT * FROM nowhere"), replace(CHECK, expect="= 1")]
    )
    assert (broken.status, "42P01" in broken.observed) == (Status.FAIL, True)
    assert next_one.status is Status.PASS


def test_a_check_may_not_write(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (c int)")
    sql = "WITH w AS (INSERT INTO t VALUES (1) RETURNING c) SELECT * FROM w"
    (result,) = run_checks(connection, [replace(CHECK, sql=sql)])
    assert "25006" in result.observed
    assert connection.value("SELECT count(*) FROM t") == 0


# --- monitoring ---------------------------------------------------------------------------------


def measured(target: Database, *thresholds: Threshold, embedded: bool = False) -> dict[str, Metric]:
    who = replace(identified(target), embedded=embedded)
    with target.connect() as connection:
        return {item.name: item for item in measure(connection, who, thresholds, samples=1)}


def test_a_threshold_that_is_exceeded_warns(target: Database) -> None:
    found = measured(target, Threshold("connection_pool", "database", 0.001, "%"))
    metric = found["connection_pool"]
    assert metric.status is Status.WARN
    assert metric.value is not None
    assert metric.value > 0.001


def test_a_threshold_that_is_kept_passes(target: Database) -> None:
    found = measured(target, Threshold("connection_pool", "database", 100, "%"))
    assert found["connection_pool"].status is Status.PASS


@pytest.mark.parametrize(
    "name",
    ["cpu_usage", "memory_usage", "error_rate", "response_time_p95", "query_time_p95", "new"],
)
def test_what_cannot_be_seen_has_no_value_and_says_where_to_look(
    target: Database, name: str
) -> None:
    metric = measured(target, Threshold(name, "application", 1, "%"))[name]
    assert (metric.value, metric.status) == (None, Status.NOT_MEASURED)
    assert "visible" in metric.source or "look at" in metric.source


HIDDEN = {
    "": {"longest_query"},
    "pg_stat_activity": {"longest_query", "connection_pool"},
    "pg_locks": {"longest_query", "waiting_sessions"},
    "pg_stat_database": {"longest_query", "cache_hits", "deadlocks"},
}


@pytest.mark.parametrize("closed", HIDDEN)
def test_what_a_role_may_not_see_is_not_measured_and_says_so(
    closed: str, target: Database, connection: Connection
) -> None:
    if closed:
        connection.execute(f"REVOKE SELECT ON {closed} FROM PUBLIC")
    who, limits = identified(target), [Threshold("connection_pool", "database", 100, "%")]
    with target.connect(), as_plain_role(connection):
        found = measure(connection, who, limits, samples=1)
    hidden = {item.name: item for item in found if item.value is None}
    assert hidden.keys() == HIDDEN[closed]
    assert all(item.status is Status.NOT_MEASURED for item in hidden.values())
    assert {item.source for item in hidden.values()} == {
        "not visible to this role: GRANT pg_monitor to it"
    }


def test_the_machine_of_an_embedded_server_is_measured(target: Database) -> None:
    found = measured(target, Threshold("memory_usage", "system", 100, "%"), embedded=True)
    value = found["memory_usage"].value
    assert value is not None
    assert 0 < value <= 100


def test_any_metric_that_is_measured_may_have_a_threshold(target: Database) -> None:
    found = measured(target, Threshold("waiting_sessions", "database", 5, "sessions"))
    assert found["waiting_sessions"].status is Status.PASS


def test_a_session_that_waits_is_seen(target: Database, connection: Connection) -> None:
    connection.execute("CREATE TABLE t ()")
    assert measured(target)["waiting_sessions"].value is not None


def test_no_metric_is_named_twice(target: Database) -> None:
    who = identified(target)
    with target.connect() as connection:
        threshold = Threshold("deadlocks", "database", 5, "deadlocks")
        names = [item.name for item in measure(connection, who, [threshold], samples=1)]
    assert len(names) == len(set(names))
