"""Where a migration stands is read from the server and the journal, whatever came before."""

from pathlib import Path

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.evidence.journal import Journal, started
from runbook_lib.evidence.run import Position, read_position
from runbook_lib.migrate.execute import Applier
from runbook_lib.parser.statement import Split
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.model import Migration
from runbook_lib.release.plan import Step, StepKind
from tests.support.applying import CONCURRENT, failed, valid
from tests.support.releases import migration_of
from tests.support.sessions import PATIENCE, beside, holding, until

PLAIN = "CREATE TABLE t (c int);\nCREATE INDEX i ON t (c);\n"
WHOLE = Split()


def position(
    connection: Connection, migration: Migration, journal: Journal, split: Split = WHOLE
) -> Position:
    step = Step(migration.name, StepKind.APPLY, migration.checksum, "pending", split)
    return read_position(connection, step, migration, journal)


def test_an_untouched_file(connection: Connection, journal: Journal, tmp_path: Path) -> None:
    found = position(connection, migration_of(tmp_path, PLAIN), journal)
    assert found == Position("0001_a", False, 0, 1, 0, (), ())
    assert str(found) == "no part of 0001_a is applied"


def test_a_file_that_was_taken_back_is_not_in(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, f"{PLAIN}SELECT nothing")
    failed(applier, migration)
    assert str(position(connection, migration, journal)) == "no part of 0001_a is applied"


def test_an_applied_file(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, PLAIN)
    applier.migrate(migration)
    found = position(connection, migration, journal)
    assert (found.applied, str(found)) == (True, "0001_a is applied")


def test_a_file_that_is_half_way(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, CONCURRENT)
    failed(applier, migration)
    found = position(connection, migration, journal)
    assert (found.committed, found.transactions, found.line) == (2, 4, 0)
    assert str(found) == "2 of 4 transactions of 0001_a are committed"


def test_the_transactions_of_a_split_file_are_those_of_its_plan(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE t (c int); CREATE TABLE r (id int PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (1)")
    sql = (
        "CREATE INDEX i ON t (c);\nSELECT 1;\n"
        "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES r (id)"
    )
    migration, split = migration_of(tmp_path, sql), Split((1,), (3,))
    with pytest.raises(StatementError, match="23503"):
        applier.migrate(migration, split=split)
    found = position(connection, migration, journal, split)
    assert str(found) == "3 of 4 transactions of 0001_a are committed"  # the validation is missing
    connection.execute("INSERT INTO r VALUES (1)")
    applier.migrate(migration, journal.own_rows, split)
    assert position(connection, migration, journal, split).applied


def test_an_index_that_a_build_left_invalid(
    connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE t (c int); INSERT INTO t VALUES (1), (1)")
    migration = migration_of(tmp_path, "CREATE UNIQUE INDEX CONCURRENTLY i ON t (c)")
    with pytest.raises(StatementError):
        connection.execute(migration.statements[0].sql)
    found = position(connection, migration, journal)
    assert (found.invalid, found.building) == (("public.i",), ())
    assert str(found) == "no part of 0001_a is applied; invalid and to be rebuilt: public.i"


def test_an_index_that_the_server_still_builds(
    connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE t (c int); INSERT INTO t VALUES (1)")
    migration = migration_of(tmp_path, "CREATE INDEX CONCURRENTLY i ON t (c)")
    with target.connect() as orphan, holding(target, "UPDATE t SET c = 2") as other:
        with beside(lambda: orphan.execute(migration.statements[0].sql)) as build:
            until(lambda: valid(connection) is False)
            until(lambda: position(connection, migration, journal).building)
            found = position(connection, migration, journal)
            other.rollback()
            build.result(PATIENCE)
        assert (found.invalid, found.building) == ((), (("public.i", orphan.pid),))
        assert str(found).endswith(f"; pid {orphan.pid} still builds public.i")
    assert position(connection, migration, journal).building == ()


def test_the_line_at_which_a_killed_try_stopped(
    connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, f"{PLAIN}\n\nSELECT 1")
    other = migration_of(tmp_path / "other", "SELECT 1;\nSELECT 2", "0002_b")
    journal.emit(started("0002_b", other.statements[1]))
    journal.emit(started("0001_a", migration.statements[2]))
    found = position(connection, migration, journal)
    assert found.line == 5
    assert str(found) == "no part of 0001_a is applied; it was stopped at line 5"


def test_a_line_is_forgotten_when_a_later_try_ends_elsewhere(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "SELECT 1;\nSELECT nothing;\nSELECT 3")
    journal.emit(
        started("0001_a", migration.statements[2])
    )  # a kill, before the release was mended
    failed(applier, migration)
    assert position(connection, migration, journal).line == 0


def test_a_lost_session_is_named_with_its_line(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "SELECT 1;\nSELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Exception, match="lost"):
        applier.migrate(migration)
    assert position(connection, migration, journal).line == 2
