"""A rehearsal restores the backup, carries the plan out there and leaves the target alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import shell
from runbook_lib.apply import Applier
from runbook_lib.archive import scratch_database
from runbook_lib.database import Connection, Database
from runbook_lib.errors import ToolError
from runbook_lib.evidence import Journal
from runbook_lib.model import Migration
from runbook_lib.observed import Backup
from runbook_lib.rehearsal import Rehearsal, rehearse
from tests.db.snapshots import MIGRATION, POLICY, SHOP, back_up, identified, state
from tests.releases import migration_of


@pytest.fixture
def backup(target: Database, connection: Connection, tmp_path: Path) -> Backup:
    connection.execute(SHOP)
    return back_up(target, tmp_path / "backups")


@pytest.fixture
def scratch(target: Database) -> Iterator[Database]:
    with scratch_database(target.maintenance(), f"rehearsal_{target.dbname}") as empty:
        yield empty


def rehearsed(
    scratch: Database, backup: Backup, journal: Journal, migration: Migration
) -> Rehearsal:
    def carry_out(database: Database) -> None:
        Applier(database, POLICY, journal).migrate(migration)

    return rehearse(scratch, identified(scratch).major, backup, shell.run, carry_out)


def test_a_plan_that_applies_passes(
    scratch: Database, backup: Backup, journal: Journal, tmp_path: Path
) -> None:
    seen = rehearsed(scratch, backup, journal, migration_of(tmp_path, MIGRATION))
    assert (seen.passed, seen.same_schema, seen.same_rows, seen.failure) == (True, True, True, "")
    assert seen.fingerprint_after != backup.schema_fingerprint


def test_the_target_is_left_alone(
    scratch: Database, backup: Backup, journal: Journal, connection: Connection, tmp_path: Path
) -> None:
    before = state(connection)
    rehearsed(scratch, backup, journal, migration_of(tmp_path, MIGRATION))
    assert state(connection) == before


def test_a_statement_that_fails_is_what_the_rehearsal_found(
    scratch: Database, backup: Backup, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "ALTER TABLE users\n  ADD UNIQUE (nothing)")
    seen = rehearsed(scratch, backup, journal, migration)
    assert not seen.passed
    assert "42703" in seen.failure
    assert f"{migration.statements[0].path}:1" in seen.failure


def test_rows_that_break_a_constraint_are_found(
    scratch: Database, backup: Backup, journal: Journal, tmp_path: Path
) -> None:
    sql = "ALTER TABLE orders ADD UNIQUE (user_id)"
    seen = rehearsed(scratch, backup, journal, migration_of(tmp_path, sql))
    assert "23505" in seen.failure


@pytest.mark.parametrize(
    "other", [{"schema_fingerprint": "0" * 64}, {"rows": {"public.users": 19, "public.orders": 50}}]
)
def test_a_backup_of_something_else_does_not_pass(
    scratch: Database, backup: Backup, journal: Journal, tmp_path: Path, other: dict[str, object]
) -> None:
    changed = replace(backup, **other)  # type: ignore[arg-type]
    assert not rehearsed(scratch, changed, journal, migration_of(tmp_path, MIGRATION)).passed


def test_a_backup_that_was_cut_does_not_restore(
    scratch: Database, backup: Backup, journal: Journal, tmp_path: Path
) -> None:
    data = backup.path.read_bytes()
    backup.path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(ToolError, match="pg_restore"):
        rehearsed(scratch, backup, journal, migration_of(tmp_path, MIGRATION))


def test_the_scratch_database_is_gone_whatever_happens(target: Database) -> None:
    name = f"rehearsal_{target.dbname}"
    with pytest.raises(RuntimeError), scratch_database(target.maintenance(), name):
        raise RuntimeError
    with target.connect() as connection:
        assert not connection.rows(
            "SELECT FROM pg_database WHERE datname = %(name)s", {"name": name}
        )
