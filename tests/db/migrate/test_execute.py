"""A file is applied whole or not at all, or transaction by transaction, and never twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.errors import GateError, StatementError
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Outcome
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import catalog, ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.ledger import LedgerRow
from runbook_lib.release.model import Migration
from tests.support.applying import CONCURRENT, failed, valid, values
from tests.support.policies import changed
from tests.support.releases import migration_of


def row_of(connection: Connection) -> LedgerRow:
    (row,) = ledger.read(connection)
    return row


# --- one file, one transaction ------------------------------------------------------------------


def test_a_file_is_applied_with_its_ledger_row(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "CREATE TABLE t (c int); INSERT INTO t VALUES (1)")
    assert applier.migrate(migration) is Outcome.DONE
    assert values(connection) == [1]
    assert (row_of(connection).finished, row_of(connection).checksum) == (True, migration.checksum)


def test_the_file_and_its_ledger_row_are_one_transaction(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    applier.migrate(migration_of(tmp_path, "CREATE TABLE t (c int); INSERT INTO t VALUES (1)"))
    of_the_row = connection.value("SELECT xmin::text FROM _prisma_migrations")
    assert connection.value("SELECT xmin::text FROM t") == of_the_row


def test_a_statement_that_fails_leaves_nothing_behind(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    before = snapshot.take_snapshot(connection).fingerprint
    error = failed(applier, migration_of(tmp_path, "CREATE TABLE t (); SELECT nothing"))
    assert error.sqlstate == "42703"
    assert snapshot.take_snapshot(connection).fingerprint == before
    assert ledger.read(connection) == ()


def test_an_error_names_the_line_inside_its_statement(applier: Applier, tmp_path: Path) -> None:
    migration = migration_of(tmp_path, "-- é\nCREATE TABLE t (c int);\n\nSELECT 'ü',\n\n  nothing")
    assert failed(applier, migration).place == f"{migration.statements[0].path}:6"


def test_an_error_without_a_position_names_the_line_of_its_statement(
    applier: Applier, tmp_path: Path
) -> None:
    migration = migration_of(
        tmp_path, "CREATE TABLE t (c int CHECK (c > 0));\nINSERT INTO t\nVALUES (0)"
    )
    error = failed(applier, migration)
    assert (error.sqlstate, error.place) == ("23514", f"{migration.statements[0].path}:2")


def test_a_constraint_that_fails_at_the_commit_names_the_file(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = (
        "CREATE TABLE t (c int PRIMARY KEY REFERENCES t DEFERRABLE INITIALLY DEFERRED, d int"
        " REFERENCES t DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1, 2)"
    )
    migration = migration_of(tmp_path, sql)
    error = failed(applier, migration)
    assert (error.sqlstate, error.path) == ("23503", migration.statements[0].path)
    assert ledger.read(connection) == ()


def test_what_is_applied_is_not_applied_twice(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "CREATE TABLE t (c int); INSERT INTO t VALUES (1)")
    applier.migrate(migration)
    assert applier.migrate(migration) is Outcome.ALREADY_DONE
    assert values(connection) == [1]


def test_a_set_does_not_leak_into_the_next_file(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "CREATE SCHEMA other; SET search_path = other; SET lock_timeout = 0"
    applier.migrate(migration_of(tmp_path / "a", sql, "0001_a"))
    sql = "CREATE TABLE t AS SELECT current_setting('lock_timeout') AS c"
    applier.migrate(migration_of(tmp_path / "b", sql, "0002_b"))
    assert values(connection, "SELECT c FROM public.t") == ["200ms"]


def test_a_file_as_pg_dump_writes_it_is_applied(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.t (c int)"
    applier.migrate(migration_of(tmp_path, sql))
    assert row_of(connection).finished


def test_a_file_may_begin_with_its_isolation_level(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = (
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;"
        "CREATE TABLE t AS SELECT current_setting('transaction_isolation') AS c"
    )
    applier.migrate(migration_of(tmp_path, sql))
    assert values(connection) == ["serializable"]


def test_a_percent_sign_stays_what_it_is(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "CREATE TABLE t (c text); INSERT INTO t VALUES ('100%'), ('%s %(a)s %%')"
    applier.migrate(migration_of(tmp_path, sql))
    assert values(connection) == ["%s %(a)s %%", "100%"]


@pytest.mark.parametrize("name", ["0001_x'; --", '0001_"quoted"', "0001 ünï"])
def test_any_name_of_a_file_goes_into_the_ledger(
    applier: Applier, connection: Connection, tmp_path: Path, name: str
) -> None:
    applier.migrate(migration_of(tmp_path, "SELECT 1", name))
    assert row_of(connection).name == name


def test_a_failed_row_from_elsewhere_blocks(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "CREATE TABLE t ()")
    ledger.record_started(connection, Connection.execute, migration)
    with pytest.raises(GateError, match="says whose it is"):
        applier.migrate(migration)
    assert catalog.relations(connection) == {"public._prisma_migrations"}


def test_a_failed_row_that_was_resolved_does_not_block(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, "CREATE TABLE t ()")
    ledger.record_started(connection, Connection.execute, migration)
    connection.execute("UPDATE _prisma_migrations SET rolled_back_at = now()")
    assert applier.migrate(migration) is Outcome.DONE


def test_another_runner_blocks(applier: Applier, connection: Connection, tmp_path: Path) -> None:
    ledger.take_runner_lock(connection, 0)
    with pytest.raises(GateError, match="Another runner"):
        applier.migrate(migration_of(tmp_path, "CREATE TABLE t ()"))


def test_a_baseline_runs_nothing(applier: Applier, connection: Connection, tmp_path: Path) -> None:
    migration = migration_of(tmp_path, "CREATE TABLE t ()")
    assert applier.baseline(migration) is Outcome.DONE
    assert applier.baseline(migration) is Outcome.ALREADY_DONE
    assert applier.migrate(migration) is Outcome.ALREADY_DONE
    assert catalog.relations(connection) == {"public._prisma_migrations"}


# --- bounds -------------------------------------------------------------------------------------


def test_the_bounds_inside_are_those_of_the_policy(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = (
        "CREATE TABLE t AS SELECT current_setting('lock_timeout') AS a,"
        " current_setting('statement_timeout') AS b, current_setting('application_name') AS c,"
        " current_setting('idle_in_transaction_session_timeout') AS d"
    )
    applier.migrate(migration_of(tmp_path, sql))
    (row,) = connection.rows("SELECT * FROM t")
    assert row == {"a": "200ms", "b": "20s", "c": "migration runbook", "d": "10s"}


def test_the_wait_for_a_lock_is_bounded(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE t (c int)")
    with connection.transaction():
        connection.execute("LOCK TABLE t IN ACCESS SHARE MODE")
        error = failed(applier, migration_of(tmp_path, "\nALTER TABLE t ADD d int"))
    assert (error.sqlstate, error.line) == ("55P03", 2)


def test_the_time_of_a_statement_is_bounded(applier: Applier, tmp_path: Path) -> None:
    quick = replace(applier, policy=changed(applier.policy, statements={"timeout": 0.1}))
    assert failed(quick, migration_of(tmp_path, "SELECT pg_sleep(10)")).sqlstate == "57014"


def test_the_bounds_hold_behind_a_concurrent_index_too(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = (
        "CREATE TABLE a (c int); CREATE INDEX CONCURRENTLY i ON a (c);"
        "CREATE TABLE t AS SELECT current_setting('lock_timeout') AS c"
    )
    applier.migrate(migration_of(tmp_path, sql))
    assert values(connection) == ["200ms"]


# --- transaction by transaction -------------------------------------------------------------------


def test_a_file_with_a_concurrent_index_is_applied(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "CREATE TABLE t (c int); CREATE INDEX CONCURRENTLY i ON t (c); INSERT INTO t VALUES (1)"
    applier.migrate(migration_of(tmp_path, sql))
    assert (valid(connection), values(connection)) == (True, [1])
    assert (row_of(connection).finished, row_of(connection).applied_steps) == (True, 3)


def test_a_file_whose_last_statement_is_concurrent_is_finished(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "CREATE TABLE t (c int); CREATE INDEX CONCURRENTLY i ON t (c)"
    applier.migrate(migration_of(tmp_path, sql))
    assert (row_of(connection).finished, row_of(connection).applied_steps) == (True, 2)


def test_a_concurrent_build_that_fails_says_how_far_the_file_came(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    error = failed(applier, migration_of(tmp_path, CONCURRENT))
    assert (error.sqlstate, error.line) == ("23505", 3)
    row = row_of(connection)
    assert (row.failed, row.applied_steps, row.logs) == (True, 2, str(error))
    assert valid(connection) is None  # dropped: nothing invalid stays


@pytest.mark.parametrize("clause", ["", "IF NOT EXISTS "])
def test_a_resumed_file_rebuilds_the_invalid_index_and_does_nothing_twice(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path, clause: str
) -> None:
    sql = CONCURRENT.replace("CONCURRENTLY ", f"CONCURRENTLY {clause}")
    migration = migration_of(tmp_path, sql)
    failed(applier, migration)
    connection.execute("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
    assert applier.migrate(migration, journal.own_rows) is Outcome.DONE
    assert (valid(connection), values(connection)) == (True, [1, 2])
    row = row_of(connection)
    assert (row.finished, row.applied_steps, row.logs) == (True, 4, "")


def test_a_resumed_file_does_not_build_a_finished_index_again(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    sql = "CREATE TABLE t (c int); CREATE INDEX CONCURRENTLY i ON t (c); INSERT INTO t VALUES (1/0)"
    migration = migration_of(tmp_path, sql)
    failed(applier, migration)
    built = connection.value("SELECT 'i'::regclass::oid")
    # As after a kill between the build and its count:
    connection.execute("UPDATE _prisma_migrations SET applied_steps_count = 1")
    with pytest.raises(StatementError, match="22012"):  # the division: it came past the build
        applier.migrate(migration, journal.own_rows)
    assert connection.value("SELECT 'i'::regclass::oid") == built


def test_an_index_of_that_name_on_a_first_try_is_an_error(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE other (c int); CREATE INDEX i ON other (c)")
    migration = migration_of(
        tmp_path, "CREATE TABLE t (c int); CREATE INDEX CONCURRENTLY i ON t (c)"
    )
    assert failed(applier, migration).sqlstate == "42P07"


def test_a_file_that_was_begun_elsewhere_is_not_resumed(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    migration = migration_of(tmp_path, CONCURRENT)
    failed(applier, migration)
    with pytest.raises(GateError, match="from elsewhere"):
        applier.migrate(migration)


def test_the_transactions_of_a_file_are_its_own(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = (
        "BEGIN; CREATE TABLE t (c int); COMMIT;"
        "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO t VALUES (1); COMMIT;"
        "BEGIN; INSERT INTO t VALUES (2); ROLLBACK;"
    )
    applier.migrate(migration_of(tmp_path, sql))
    assert values(connection) == [1]
    assert (row_of(connection).finished, row_of(connection).applied_steps) == (True, 3)


def test_a_file_that_is_one_begin_and_commit_is_applied(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    applier.migrate(migration_of(tmp_path, "BEGIN;\nCREATE TABLE t (c int);\nCOMMIT;"))
    assert (row_of(connection).finished, values(connection)) == (True, [])


def test_a_transaction_of_the_file_that_fails_is_taken_back_and_resumed(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    sql = (
        "BEGIN; CREATE TABLE t (c int); COMMIT;\n"
        "BEGIN; INSERT INTO t VALUES (1);\nINSERT INTO t SELECT c FROM later; COMMIT;"
    )
    migration = migration_of(tmp_path, sql)
    error = failed(applier, migration)
    assert (error.sqlstate, error.line) == ("42P01", 3)
    assert (values(connection), row_of(connection).applied_steps) == ([], 1)
    connection.execute("CREATE TABLE later AS SELECT 7 AS c")
    applier.migrate(migration, journal.own_rows)
    assert values(connection) == [1, 7]


# --- what was seen ------------------------------------------------------------------------------


def test_every_statement_is_journalled_before_and_after(
    applier: Applier, journal: Journal, tmp_path: Path
) -> None:
    failed(applier, migration_of(tmp_path, "CREATE TABLE t ();\nSELECT nothing"))
    seen = [(line["event"], line.get("line"), line.get("outcome")) for line in journal.lines()]
    assert seen == [
        ("began", None, None),
        ("started", 1, None),
        ("ended", 1, "done"),
        ("started", 2, None),
        ("ended", 2, "failed"),
    ]


def test_demo_rows_are_added_once(applier: Applier, connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "rows.sql"
    path.write_text(
        "INSERT INTO t SELECT FROM generate_series(1, (10 * current_setting('runbook.scale')"
        "::float)::int)"
    )
    connection.execute("CREATE TABLE t ()")
    assert applier.demo_rows("demo_rows", [path], 0.5) is Outcome.DONE
    assert applier.demo_rows("demo_rows", [path], 0.5) is Outcome.ALREADY_DONE
    assert connection.value("SELECT count(*) FROM t") == 5


def test_a_database_that_is_not_there_says_so(applier: Applier, target: Database) -> None:
    gone = replace(applier, database=target.on("nowhere"))
    with pytest.raises(Exception, match="'nowhere' does not answer"):
        gone.baseline(Migration("a", Path("a"), "", ()))
