"""A rehearsal restores, applies, observes and takes back, and leaves the target alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.config.environments import Environment
from runbook_lib.errors import ToolError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Backup, Outcome
from runbook_lib.evidence.run import Run
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.catalog import identify
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.rehearsal.observe import held_locks, held_long
from runbook_lib.rehearsal.rehearse import Rehearsal, rehearse
from runbook_lib.release.model import Migration, Release
from runbook_lib.release.plan import Order, make_plan
from tests.support.policies import changed
from tests.support.releases import migration_of
from tests.support.snapshots import MIGRATION, POLICY, SHOP, back_up, cut, state


@pytest.fixture
def backup(target: Database, connection: Connection, tmp_path: Path) -> Backup:
    connection.execute(SHOP)
    return back_up(target, tmp_path / "backups")


class Stage:
    """Rehearse migrations on the restored backup."""

    def __init__(self, target: Database, backup: Backup, journal: Journal, root: Path) -> None:
        self.target, self.backup, self.journal, self.root = target, backup, journal, root

    def rehearse(
        self,
        *migrations: Migration,
        data: str = "full",
        backup: Backup | None = None,
    ) -> Rehearsal:
        policy = changed(POLICY, rehearsal={"data": data})
        environment = Environment("test", self.target.dbname, embedded=False, policy=policy)
        release = Release("test", "Test", self.root, migrations, {})
        with self.target.connect() as connection:
            target = identify(connection, environment)
            found = snapshot.take_snapshot(connection).fingerprint
        ordered = Order(tuple(item.name for item in migrations), (), {})
        planned = make_plan(
            release, target, frozenset(), {}, ordered, found, demo_rows=False, settings={}
        )
        directory = RunDirectory(self.root)
        run = Run(
            root=self.root,
            environment=environment,
            release=release,
            database=self.target,
            target=target,
            plan=planned,
            directory=directory,
            journal=self.journal,
            phase="rehearsal",
            given="",
        )
        return rehearse(run, backup or self.backup, self.journal.emit)

    def names(self) -> set[str]:
        with self.target.connect() as connection:
            found = {row["datname"] for row in connection.rows("SELECT datname FROM pg_database")}
        return {name for name in found if self.target.dbname in name}


@pytest.fixture
def stage(target: Database, backup: Backup, journal: Journal, shared_root: Path) -> Stage:
    return Stage(target, backup, journal, shared_root)


def test_a_plan_that_applies_passes_and_is_taken_back(
    stage: Stage, backup: Backup, tmp_path: Path
) -> None:
    seen = stage.rehearse(migration_of(tmp_path, MIGRATION))
    assert (seen.passed, seen.same_schema, seen.same_rows, seen.same_contents) == (True,) * 4
    assert seen.taken_back
    assert [(x.way, x.failed, x.unproven, dict(x.stays)) for x in seen.ways] == [
        (way, "", "", {}) for way in ("revert", "restore")
    ]
    assert seen.fingerprint_after != backup.schema_fingerprint


def test_the_target_is_left_alone(stage: Stage, connection: Connection, tmp_path: Path) -> None:
    before = state(connection)
    stage.rehearse(migration_of(tmp_path, MIGRATION))
    assert state(connection) == before


def test_nothing_of_a_rehearsal_stays_on_the_server(stage: Stage, tmp_path: Path) -> None:
    before = stage.names()
    sql = "CREATE ROLE left_behind_role; GRANT SELECT ON users TO left_behind_role"
    seen = stage.rehearse(migration_of(tmp_path, sql))
    assert seen.passed
    assert stage.names() == before
    with stage.target.connect() as connection:
        roles = {row["rolname"] for row in connection.rows("SELECT rolname FROM pg_roles")}
    assert "left_behind_role" not in roles


def test_every_statement_that_fails_is_a_finding_and_the_others_run(
    stage: Stage, tmp_path: Path
) -> None:
    migration = migration_of(
        tmp_path,
        "ALTER TABLE users\n  ADD UNIQUE (nothing);\n"
        "ALTER TABLE orders ADD UNIQUE (user_id);\n"
        "CREATE TABLE fine (id int);\n"
        "SELECT 1 / 0;",
    )
    seen = stage.rehearse(migration)
    assert not seen.passed
    assert [(item.line, item.sqlstate) for item in seen.findings] == [
        (1, "42703"),
        (3, "23505"),
        (5, "22012"),
    ]
    assert [run.outcome for run in seen.runs].count(Outcome.DONE) == 1


def test_a_file_of_several_transactions_goes_on_behind_the_failing_one(
    stage: Stage, tmp_path: Path
) -> None:
    sql = (
        "BEGIN; ALTER TABLE users ADD a int; ALTER TABLE users ADD a int; COMMIT;\n"
        "CREATE INDEX CONCURRENTLY users_b ON users (b);\n"
        "BEGIN; CREATE TABLE late (id int); COMMIT;"
    )
    seen = stage.rehearse(migration_of(tmp_path, sql))
    assert [(item.line, item.sqlstate) for item in seen.findings] == [(1, "42701"), (2, "42703")]
    assert {run.label for run in seen.runs if run.outcome is Outcome.DONE} >= {"create table late"}


def test_what_was_made_in_a_file_that_cannot_commit_is_missed_with_the_cause(
    stage: Stage, tmp_path: Path
) -> None:
    deferred = (
        "CREATE TABLE p (id int PRIMARY KEY);"
        "CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO c VALUES (1);"
    )
    first = migration_of(tmp_path / "1", deferred, "0001_a")
    second = migration_of(tmp_path / "2", "ALTER TABLE c ADD x int", "0002_b")
    seen = stage.rehearse(first, second)
    found = {item.rule: item for item in seen.findings}
    assert found["file-failed"].sqlstate == "23503"
    assert found["statement-failed"].follows == found["file-failed"].place


@pytest.mark.parametrize(
    "other",
    [
        {"schema_fingerprint": "0" * 64},
        {"rows": {"public.users": 19, "public.orders": 50}},
        {"checksums": {"public.users": "1", "public.orders": "2"}},
    ],
)
def test_a_backup_of_something_else_does_not_pass(
    stage: Stage, backup: Backup, tmp_path: Path, other: dict[str, object]
) -> None:
    changed = replace(backup, **other)  # type: ignore[arg-type]
    assert not stage.rehearse(migration_of(tmp_path, MIGRATION), backup=changed).passed


def test_a_schema_alone_says_that_rows_were_not_compared(stage: Stage, tmp_path: Path) -> None:
    unique = migration_of(tmp_path, "ALTER TABLE orders ADD UNIQUE (user_id)")
    seen = stage.rehearse(unique, data="schema")
    assert (seen.passed, seen.same_rows, seen.same_contents) == (True, None, None)


def test_a_backup_that_was_cut_does_not_restore(
    stage: Stage, backup: Backup, tmp_path: Path
) -> None:
    before = stage.names()
    cut(backup)
    with pytest.raises(ToolError, match="pg_restore"):
        stage.rehearse(migration_of(tmp_path, MIGRATION))
    assert stage.names() == before


def test_what_a_statement_did_is_observed(stage: Stage, tmp_path: Path) -> None:
    sql = (
        "ALTER TABLE users ALTER id TYPE bigint;"
        "CREATE INDEX orders_user ON orders (user_id);"
        "CREATE TABLE fresh (id int);"
    )
    seen = stage.rehearse(migration_of(tmp_path, sql))
    rewritten, indexed, fresh = (run.observed for run in seen.runs)
    assert rewritten is not None
    assert indexed is not None
    assert fresh is not None
    assert "AccessExclusiveLock" in rewritten.locks["public.users"]
    assert rewritten.rewrites == ("public.users",)
    assert rewritten.scanned >= 20
    assert rewritten.wal > 0
    assert indexed.locks["public.orders"] == ("ShareLock",)
    assert indexed.growth > 0
    assert (fresh.locks, fresh.rewrites, fresh.scanned) == ({}, (), 0)
    assert not any(run.observed.differs for run in seen.runs[1:] if run.observed)


def test_temporary_files_are_observed(stage: Stage, tmp_path: Path) -> None:
    sql = "SET LOCAL work_mem = '64kB'; SELECT g FROM generate_series(1, 50000) g ORDER BY 1 DESC"
    seen = stage.rehearse(migration_of(tmp_path, sql))
    assert seen.runs[1].observed is not None
    assert seen.runs[1].observed.temporary > 100_000


def test_a_lock_is_held_until_its_transaction_ends(stage: Stage, tmp_path: Path) -> None:
    sql = "CREATE INDEX orders_user ON orders (user_id); SELECT pg_sleep(0.3)"
    seen = stage.rehearse(migration_of(tmp_path, sql))
    (held,) = held_locks(seen.runs)
    assert (held.table, held.mode) == ("public.orders", "ShareLock")
    assert held.seconds >= 0.3
    (finding,) = held_long(seen.runs, {"public.orders": 50}, 0.2)
    assert (finding.rule, finding.blocks) == ("writes-wait", True)
    assert list(held_long(seen.runs, {"public.orders": 50}, 60)) == []
    assert list(held_long(seen.runs, {"public.orders": 0}, 0.2)) == []
