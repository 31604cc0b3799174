"""The ledger is Prisma's own, row for row, and lets one runner work at a time."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.checks import prechecks
from runbook_lib.checks.review import ledger_findings
from runbook_lib.errors import GateError
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.findings import Finding, Severity
from runbook_lib.parser.parse import fingerprint
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.model import Migration, Release
from tests.support.releases import migration_of, release_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def migration(tmp_path: Path) -> Migration:
    return migration_of(tmp_path, "SELECT 1")


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path / "two", {"0001_a": "SELECT 1", "0002_b": "SELECT 2"})


def compared(connection: Connection, release: Release) -> dict[str, CheckResult]:
    return {item.name: item for item in prechecks.compare(release, ledger.read(connection))}


def test_the_table_is_prismas_column_for_column(connection: Connection) -> None:
    ledger.create(connection, Connection.execute)
    rows = connection.rows(
        "SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull,"
        " pg_get_expr(adbin, adrelid) AS value"
        " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE attrelid = 'public._prisma_migrations'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("id", "character varying(36)", True, None),
        ("checksum", "character varying(64)", True, None),
        ("finished_at", "timestamp with time zone", False, None),
        ("migration_name", "character varying(255)", True, None),
        ("logs", "text", False, None),
        ("rolled_back_at", "timestamp with time zone", False, None),
        ("started_at", "timestamp with time zone", True, "now()"),
        ("applied_steps_count", "integer", True, "0"),
    ]


def test_the_id_is_the_primary_key(connection: Connection) -> None:
    ledger.create(connection, Connection.execute)
    keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid ="
    assert connection.value(f"{keys} 'public._prisma_migrations'::regclass") == "PRIMARY KEY (id)"


def test_a_database_without_a_ledger_has_no_rows(connection: Connection) -> None:
    assert ledger.read(connection) == ()


def test_a_success_is_a_finished_row_of_one_step(
    connection: Connection, migration: Migration
) -> None:
    ledger.record_applied(connection, Connection.execute, migration, NOON)
    (row,) = ledger.read(connection)
    assert (row.name, row.checksum) == (migration.name, migration.checksum)
    assert (row.started_at, row.applied_steps, row.logs) == (NOON, 1, "")
    assert row.finished
    assert connection.value("SELECT logs FROM _prisma_migrations") is None


def test_a_baseline_is_a_row_as_migrate_resolve_writes_it(
    connection: Connection, migration: Migration
) -> None:
    ledger.record_baseline(connection, Connection.execute, migration)
    (row,) = ledger.read(connection)
    assert (row.started_at, row.applied_steps) == (row.finished_at, 0)
    assert connection.value("SELECT logs FROM _prisma_migrations") == ""


def test_a_start_is_an_unfinished_row_that_is_finished_later(
    connection: Connection, migration: Migration
) -> None:
    row_id = ledger.record_started(connection, Connection.execute, migration)
    (row,) = ledger.read(connection)
    assert (row.id, row.failed, row.applied_steps) == (row_id, True, 0)
    ledger.record_progress(connection, Connection.execute, row_id, 3, finished=True)
    (row,) = ledger.read(connection)
    assert (row.finished, row.applied_steps, row.logs) == (True, 3, "")


def test_a_failure_keeps_its_words(connection: Connection, migration: Migration) -> None:
    row_id = ledger.record_started(connection, Connection.execute, migration)
    ledger.record_progress(connection, Connection.execute, row_id, 1, logs="no such table")
    (row,) = ledger.read(connection)
    assert (row.failed, row.applied_steps, row.logs) == (True, 1, "no such table")


def test_a_row_that_was_resolved_neither_blocks_nor_counts(
    connection: Connection, migration: Migration
) -> None:
    ledger.record_started(connection, Connection.execute, migration)
    connection.execute("UPDATE _prisma_migrations SET rolled_back_at = now()")
    (row,) = ledger.read(connection)
    assert (row.failed, row.finished) == (False, False)
    assert ledger.applied([row]) == frozenset()


# --- the ledger against the files ---------------------------------------------------------------


def test_what_is_pending_and_what_is_applied_is_named(
    connection: Connection, release: Release
) -> None:
    ledger.record_applied(connection, Connection.execute, release.migrations[0], NOON)
    found = compared(connection, release)
    assert found["applied migrations"].observed == "1 of 2: 0001_a"
    assert found["pending migrations"].observed == "1 of 2: 0002_b"
    assert {item.status for item in found.values()} == {Status.PASS}


def found(
    connection: Connection, release: Release, *own: str, prints: Mapping[str, str] | None = None
) -> dict[str, Finding]:
    """Return what the ledger and the files disagree on, by rule."""
    rows = ledger.read(connection)
    order = [item.name for item in release.migrations]
    findings = ledger_findings(release, order, rows, own, prints or {}, lambda _: "")
    return {item.rule: item for item in findings}


@pytest.mark.parametrize(
    ("before", "severity", "said"),
    [
        (b"\xef\xbb\xbf%s", Severity.WARNING, "line endings"),
        (b"%s\r\n", Severity.WARNING, "line endings"),
        (b"-- a note\n%s", Severity.WARNING, "comments and white space"),
        (b"%s; SELECT 1", Severity.ERROR, "statements differ"),
    ],
)
def test_a_file_edited_after_it_was_applied_is_found_with_how_it_differs(
    connection: Connection, release: Release, before: bytes, severity: Severity, said: str
) -> None:
    migration = release.migrations[0]
    old = before % migration.path.read_bytes()
    changed = replace(migration, checksum=hashlib.sha256(old).hexdigest())
    ledger.record_applied(connection, Connection.execute, changed, NOON)
    prints = {changed.checksum: fingerprint(old.decode("utf-8-sig"))}
    edited = found(connection, release, prints=prints)["edited-after-applied"]
    assert (edited.severity, edited.path) == (severity, migration.statements[0].path)
    assert said in edited.cause


def test_without_evidence_an_edited_file_is_held_to_be_another(
    connection: Connection, release: Release
) -> None:
    changed = replace(release.migrations[0], checksum="0" * 64)
    ledger.record_applied(connection, Connection.execute, changed, NOON)
    edited = found(connection, release)["edited-after-applied"]
    assert edited.blocks
    assert "no evidence" in edited.cause


def test_a_migration_of_another_release_warns(connection: Connection, release: Release) -> None:
    stranger = replace(release.migrations[0], name="0000_stranger")
    ledger.record_applied(connection, Connection.execute, stranger, NOON)
    unknown = found(connection, release)["applied-unknown"]
    assert unknown.severity is Severity.WARNING
    assert "0000_stranger" in unknown.cause


def test_a_row_that_was_never_finished_blocks_unless_it_is_the_runs_own(
    connection: Connection, release: Release
) -> None:
    own = ledger.record_started(connection, Connection.execute, release.migrations[1])
    assert found(connection, release)["failed-row-blocks"].blocks
    assert found(connection, release, own) == {}


def test_an_older_migration_that_slips_in_is_found(
    connection: Connection, release: Release
) -> None:
    ledger.record_applied(connection, Connection.execute, release.migrations[1], NOON)
    late = found(connection, release)["slips-in"]
    assert "0001_a" in late.cause


# --- one runner at a time -----------------------------------------------------------------------


def test_a_second_runner_is_refused_and_told_who_holds_the_lock(
    connection: Connection, target: Database
) -> None:
    ledger.take_runner_lock(connection, 0)
    pid = connection.value("SELECT pg_backend_pid()")
    with target.connect() as second, pytest.raises(GateError) as caught:
        ledger.take_runner_lock(second, 0.2)
    assert f"pid {pid}, postgres, migration runbook" in caught.value.message


def test_the_lock_is_the_one_that_prisma_takes(connection: Connection, target: Database) -> None:
    ledger.take_runner_lock(connection, 0)
    with target.connect() as prisma:
        assert prisma.value("SELECT pg_try_advisory_lock(72707369)") is False


def test_the_lock_is_free_when_its_session_ends(target: Database) -> None:
    with target.connect() as first:
        ledger.take_runner_lock(first, 0)
    with target.connect() as second:
        ledger.take_runner_lock(second, 5)


def test_runners_of_different_databases_do_not_meet(
    connection: Connection, target: Database
) -> None:
    ledger.take_runner_lock(connection, 0)
    with target.maintenance().connect() as other:
        ledger.take_runner_lock(other, 0)
