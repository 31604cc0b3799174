"""A rollback restores beside and swaps the names; the brief's own procedure does not roll back."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from runbook_lib.backup.archive import swap
from runbook_lib.errors import GateError, RunbookError, StatementError, TargetError, ToolError
from runbook_lib.evidence.records import Backup
from runbook_lib.postgres import process, snapshot, tools
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.ledger import take_runner_lock
from runbook_lib.postgres.process import Completed, Runner
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.rollback import restore
from runbook_lib.rollback.in_place import restore_in_place
from runbook_lib.rollback.restore import Restorer, Rollback
from tests.support.senders import unheard
from tests.support.snapshots import (
    MIGRATION,
    POLICY,
    SHOP,
    back_up,
    contents,
    cut,
    everything,
    identified,
    state,
)


@pytest.fixture
def backup(target: Database, tmp_path: Path) -> Backup:
    """Back the shop up, then migrate it."""
    with target.connect() as connection:
        connection.execute(SHOP)
        made = back_up(target, tmp_path / "backups")
        connection.execute(MIGRATION)
    return made


@pytest.fixture(autouse=True)
def leftovers(target: Database) -> Iterator[None]:
    """Drop the databases that a rollback keeps."""
    yield
    for name in databases(target):
        if name != target.dbname:
            target.drop(name)


def databases(target: Database) -> list[str]:
    """Return the databases whose name begins like the target's."""
    with target.maintenance().connect() as connection:
        rows = connection.rows(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %(name)s) ORDER BY 1",
            {"name": target.dbname},
        )
    return [row["datname"] for row in rows]


def rolled_back(target: Database, backup: Backup) -> Rollback:
    return Restorer(target, identified(target).major, backup, POLICY, unheard()).beside()


def test_a_rollback_returns_to_the_schema_and_the_rows_of_the_backup(
    target: Database, backup: Backup
) -> None:
    rolled_back(target, backup)
    with target.connect() as connection:
        assert state(connection) == (backup.schema_fingerprint, dict(backup.rows))
        assert len(contents(connection)) == 50


def test_a_rollback_keeps_the_old_database(target: Database, backup: Backup) -> None:
    with target.connect() as connection:
        before = state(connection)
    done = rolled_back(target, backup)
    assert databases(target) == sorted([target.dbname, done.kept_as])
    with target.on(done.kept_as).connect() as connection:
        assert state(connection) == before


def test_sessions_that_are_connected_do_not_stop_a_rollback(
    target: Database, backup: Backup
) -> None:
    with target.connect() as idle, target.connect() as busy:
        idle.value("SELECT 1")
        busy.execute("BEGIN")
        busy.execute("UPDATE users SET name = 'x'")
        rolled_back(target, backup)
        with pytest.raises(RunbookError, match="connection to the server was lost"):
            idle.value("SELECT 1")
    with target.connect() as connection:
        assert state(connection)[0] == backup.schema_fingerprint


@contextmanager
def reconnecting(target: Database, clients: int = 8) -> Iterator[None]:
    """Hold sessions that are never at rest, and open anew the moment they are lost."""
    over = Event()

    def work() -> None:
        while not over.is_set():
            with suppress(TargetError), target.connect() as connection:
                while not over.is_set():
                    connection.value("SELECT 1")

    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(work) for _ in range(clients)]
        try:
            yield
        finally:
            over.set()
    for each in working:
        each.result()


def test_clients_that_reconnect_at_once_do_not_stop_a_rollback(
    target: Database, backup: Backup
) -> None:
    with reconnecting(target):
        started = time.monotonic()
        done = rolled_back(target, backup)
        assert time.monotonic() - started < 15
    with target.connect() as connection:
        assert state(connection)[0] == backup.schema_fingerprint
    assert databases(target) == sorted([target.dbname, done.kept_as])


@pytest.fixture
def fresh(target: Database) -> Database:
    """Create what takes the place of the target."""
    target.create(f"{target.dbname}_fresh")
    with target.connect() as connection:
        connection.execute("CREATE TABLE old (id int)")
    return target.on(f"{target.dbname}_fresh")


def is_old(database: Database) -> bool:
    with database.connect() as connection:
        return bool(connection.value("SELECT to_regclass('old') IS NOT NULL"))


def test_a_transaction_may_end_before_its_session_is_ended(
    target: Database, fresh: Database
) -> None:
    kept = target.on(f"{target.dbname}_kept")
    with target.connect() as busy, ThreadPoolExecutor(1) as pool:
        busy.execute("BEGIN; INSERT INTO old VALUES (1)")
        working = pool.submit(busy.execute, "SELECT pg_sleep(0.7); COMMIT")
        swap(target, fresh.dbname, kept.dbname)
        working.result()
    with kept.connect() as connection:
        assert connection.value("SELECT count(*) FROM old") == 1
    assert not is_old(target)


def test_a_swap_that_is_cut_off_leaves_the_target_open(target: Database, fresh: Database) -> None:
    renaming = (
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = objid AND datname = %(dbname)s "
        "WHERE classid = 'pg_database'::regclass AND mode = 'AccessExclusiveLock' AND granted"
    )
    kept = f"{target.dbname}_kept"
    with (
        ThreadPoolExecutor(2) as pool,
        target.maintenance().connect() as observer,
        target.connect() as busy,
    ):
        busy.execute("BEGIN; INSERT INTO old VALUES (1)")
        swapping = pool.submit(swap, target, fresh.dbname, kept)
        while not (found := observer.rows(renaming, {"dbname": target.dbname})):
            assert not swapping.done()
        connecting = pool.submit(is_old, target)
        assert not wait([connecting], timeout=0.3).done  # the door is closed ...
        observer.value("SELECT pg_terminate_backend(%(pid)s)", found[0])
        with pytest.raises(TargetError):
            swapping.result()
        # ... and opens by itself; who came while it was closed may still be ended with the others.
        assert isinstance(connecting.exception(timeout=5), TargetError) or connecting.result()
    assert is_old(target)
    swap(target, fresh.dbname, kept)
    assert (is_old(target), is_old(target.on(kept))) == (False, True)


def test_a_session_that_may_not_be_ended_stops_the_swap_and_is_named(
    target: Database, fresh: Database, connection: Connection
) -> None:
    role, kept = f"owner_{target.dbname}", f"{target.dbname}_kept"
    connection.execute(f"CREATE ROLE {role} LOGIN CREATEDB")
    try:
        for each in (target, fresh):
            connection.execute(f"ALTER DATABASE {each.dbname} OWNER TO {role}")
        owner = Database({**target.parameters, "user": role})
        with pytest.raises(StatementError, match=r"accessed by other users.*ended: Permission"):
            swap(owner, fresh.dbname, kept)
        assert is_old(target)
        connection.close()
        swap(owner, fresh.dbname, kept)
        assert not is_old(target)
    finally:
        with target.maintenance().connect() as session:
            for name in (target.dbname, fresh.dbname, kept):
                session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            session.execute(f"DROP ROLE {role}")


def test_the_owner_the_encoding_and_the_locale_are_kept(target: Database, backup: Backup) -> None:
    options = (
        "SELECT pg_get_userbyid(datdba), encoding, datcollate, datctype FROM pg_database "
        "WHERE datname = current_database()"
    )
    with target.connect() as connection:
        before = connection.rows(options)
    rolled_back(target, backup)
    with target.connect() as connection:
        assert connection.rows(options) == before


@pytest.mark.parametrize(
    "setting",
    [
        "SET statement_timeout = '7s'",
        'SET search_path = "$user", public, "o\'dd, one"',
        "SET application_name = 'a = b, ''c'''",
        "CONNECTION LIMIT 7",
    ],
)
def test_what_is_set_on_the_database_is_kept(
    target: Database, backup: Backup, setting: str
) -> None:
    shown = (
        "SELECT datconnlimit, (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        " FROM pg_database d WHERE datname = current_database()"
    )
    with target.connect() as connection:
        connection.execute(f'ALTER DATABASE "{target.dbname}" {setting}')
        before = connection.rows(shown)
    rolled_back(target, backup)
    with target.connect() as connection:
        assert connection.rows(shown) == before


@pytest.mark.parametrize(
    "act",
    [
        "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
        "REVOKE ALL ON DATABASE {} FROM PUBLIC; GRANT CONNECT ON DATABASE {} TO pg_monitor",
        "GRANT CREATE ON DATABASE {} TO pg_monitor WITH GRANT OPTION",
        "COMMENT ON DATABASE {} IS 'the shop''s 100 %'",
        "ALTER ROLE CURRENT_USER IN DATABASE {} SET work_mem = '7MB'",
    ],
)
def test_grants_comment_and_roles_settings_of_the_database_are_kept(
    target: Database, backup: Backup, act: str
) -> None:
    shown = (
        "SELECT datacl::text, shobj_description(d.oid, 'pg_database') AS comment, array(SELECT"
        " (setrole::regrole, setconfig)::text FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        " FROM pg_database d WHERE datname = current_database()"
    )
    with target.connect() as connection:
        plain = connection.rows(shown)
        connection.execute(act.replace("{}", f'"{target.dbname}"'))
        before = connection.rows(shown)
    assert before != plain
    rolled_back(target, backup)
    with target.connect() as connection:
        assert connection.rows(shown) == before


def test_what_is_not_what_the_backup_recorded_is_not_put_in_place(
    target: Database, backup: Backup
) -> None:
    with target.connect() as connection:
        before = state(connection)
    with pytest.raises(GateError, match="not what the backup recorded"):
        rolled_back(target, replace(backup, rows={**backup.rows, "public.users": 21}))
    assert databases(target) == [target.dbname]
    with target.connect() as connection:
        assert state(connection) == before


def test_other_contents_are_not_put_in_place(target: Database, backup: Backup) -> None:
    with pytest.raises(GateError, match="not what the backup recorded"):
        rolled_back(target, replace(backup, checksums={**backup.checksums, "public.users": "1"}))
    assert databases(target) == [target.dbname]


def test_a_backup_that_was_cut_leaves_the_target_alone(target: Database, backup: Backup) -> None:
    cut(backup)
    with pytest.raises(ToolError):
        rolled_back(target, backup)
    assert databases(target) == [target.dbname]


def test_a_runner_at_work_stops_a_rollback(target: Database, backup: Backup) -> None:
    with target.connect() as runner:
        take_runner_lock(runner, 0)
        with pytest.raises(GateError, match="Another runner"):
            rolled_back(target, backup)
        assert runner.value("SELECT 1") == 1
    assert databases(target) == [target.dbname]


def test_what_a_killed_restore_left_is_dropped_by_the_next(
    target: Database, backup: Backup
) -> None:
    left, others = f"{target.dbname}_restored_20260101_000000_000", f"{target.dbname}_restored_mine"
    target.create(left)
    target.create(others)
    done = rolled_back(target, backup)
    assert databases(target) == sorted([target.dbname, others, done.kept_as])


def test_a_second_rollback_finds_no_name_taken(target: Database, backup: Backup) -> None:
    first = rolled_back(target, backup)
    second = rolled_back(target, backup)
    assert len({first.kept_as, second.kept_as, target.dbname}) == 3
    assert len(databases(target)) == 3


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_the_longest_name_leaves_room_for_the_time(
    target: Database, backup: Backup, letter: str
) -> None:
    room = 63 - len(target.dbname.encode())
    long = target.dbname + letter * (room // len(letter.encode()))
    with target.maintenance().connect() as connection:
        connection.execute(f'CREATE DATABASE "{long}" TEMPLATE "{target.dbname}"')
    done = rolled_back(target.on(long), backup)
    assert (done.dbname, done.kept_as != long) == (long, True)
    assert sorted(databases(target)) == sorted([target.dbname, long, done.kept_as])


def test_what_a_rollback_would_lose_is_counted(target: Database, backup: Backup) -> None:
    with target.connect() as connection:
        connection.execute("INSERT INTO users VALUES (21, 'new'); DELETE FROM orders WHERE id < 6")
        lost = {
            item.table: (item.at_backup, item.now) for item in restore.losses(connection, backup)
        }
    assert lost == {
        "public.users": (20, 21),
        "public.orders": (50, 45),
        "public.organizations": (None, 1),
    }


def test_the_procedure_of_the_brief_fails_where_ours_succeeds(
    target: Database, backup: Backup
) -> None:
    pg_restore = tools.find_program("pg_restore", server_major=identified(target).major)
    argv = [str(pg_restore), "--clean", "--if-exists", f"--dbname={target.conninfo()}"]
    done = process.run([*argv, str(backup.archive)], check=False)
    assert done.returncode != 0
    assert "cannot drop" in done.stderr
    with target.connect() as connection:
        assert state(connection)[0] != backup.schema_fingerprint
        assert connection.value("SELECT count(*) FROM organizations") == 1
    rolled_back(target, backup)
    with target.connect() as connection:
        assert state(connection) == (backup.schema_fingerprint, dict(backup.rows))


def test_a_database_with_an_odd_name_is_rolled_back(
    target: Database, backup: Backup, connection: Connection
) -> None:
    odd = target.on(f"{target.dbname} \"ü\" 'x' %s")
    connection.execute("SELECT 1")
    target.create(odd.dbname)
    rolled_back(odd, backup)
    with odd.connect() as session:
        assert state(session)[0] == backup.schema_fingerprint


# --- in place -----------------------------------------------------------------------------------


@pytest.fixture
def before(target: Database) -> Snapshot:
    """Return the schema of the shop as it was at the backup."""
    other = target.on(f"{target.dbname}_before")
    target.create(other.dbname)
    with other.connect() as connection:
        connection.execute(SHOP)
        found = snapshot.take_snapshot(connection, settings=True)
    target.drop(other.dbname)
    return found


def replaced(
    target: Database, backup: Backup, before: Snapshot, accepted: Mapping[str, int], run: Runner
) -> None:
    major = identified(target).major
    restorer = Restorer(target, major, backup, POLICY, unheard(), run)
    restore_in_place(restorer, before, accepted)


LOST = {"public.users": 21, "public.organizations": 1}


def test_a_restore_in_place_returns_to_the_backup_and_keeps_the_database(
    target: Database, backup: Backup, before: Snapshot
) -> None:
    with target.connect() as connection:
        connection.execute("INSERT INTO users VALUES (21, 'new')")
        connection.execute("ALTER TABLE users ALTER name DROP NOT NULL; DROP INDEX orders_user")
        oid = connection.value("SELECT oid FROM pg_database WHERE datname = current_database()")
    replaced(target, backup, before, LOST, process.run)
    with target.connect() as connection:
        assert state(connection) == (backup.schema_fingerprint, dict(backup.rows))
        assert len(contents(connection)) == 50
        now = connection.value("SELECT oid FROM pg_database WHERE datname = current_database()")
    assert now == oid


@pytest.mark.parametrize("accepted", [{}, {"public.users": 21}, {**LOST, "public.users": 20}])
def test_a_restore_in_place_loses_nothing_that_was_not_accepted(
    target: Database, backup: Backup, before: Snapshot, accepted: dict[str, int]
) -> None:
    with target.connect() as connection:
        connection.execute("INSERT INTO users VALUES (21, 'new')")
        was = state(connection)
        with pytest.raises(GateError, match="would lose what was written since"):
            replaced(target, backup, before, accepted, process.run)
        assert state(connection) == was


def test_a_restore_in_place_that_fails_moves_back_what_it_moved_aside(
    target: Database, backup: Backup, before: Snapshot
) -> None:
    def killed(*_: object, **__: object) -> Completed:
        raise ToolError("pg_restore was ended by SIGKILL.")

    with target.connect() as connection:
        connection.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC"
        )
        was = everything(connection)
    with pytest.raises(ToolError, match="The database is as it was"):
        replaced(target, backup, before, {"public.organizations": 1}, killed)
    with target.connect() as connection:
        assert everything(connection) == was
    replaced(target, backup, before, {"public.organizations": 1}, process.run)
    with target.connect() as connection:
        assert state(connection) == (backup.schema_fingerprint, dict(backup.rows))


def test_a_restore_in_place_drops_whatever_the_archive_does_not_know(
    target: Database, backup: Backup, before: Snapshot
) -> None:
    with target.connect() as connection:
        connection.execute("CREATE SCHEMA theirs; CREATE TABLE theirs.t (id int)")
        connection.execute("CREATE DOMAIN d AS int; CREATE VIEW v AS SELECT id FROM users")
    replaced(target, backup, before, {"public.organizations": 1, "theirs.t": 0}, process.run)
    with target.connect() as connection:
        assert state(connection) == (backup.schema_fingerprint, dict(backup.rows))


def test_a_restore_in_place_is_not_done_where_it_is_not_what_the_backup_recorded(
    target: Database, backup: Backup, before: Snapshot
) -> None:
    other = replace(backup, checksums={**backup.checksums, "public.users": "1"})
    with pytest.raises(GateError, match="not what the backup recorded"):
        replaced(target, other, before, {"public.organizations": 1}, process.run)


@pytest.mark.parametrize("in_place", [False, True], ids=["beside", "in place"])
def test_no_sequence_hands_out_again_what_it_handed_out_since(
    target: Database, connection: Connection, tmp_path: Path, in_place: bool
) -> None:
    connection.execute("CREATE TABLE t (id serial PRIMARY KEY); CREATE SEQUENCE falls INCREMENT -1")
    connection.execute("INSERT INTO t DEFAULT VALUES; CREATE SEQUENCE still")
    made, was = back_up(target, tmp_path), snapshot.take_snapshot(connection, settings=True)
    connection.rows("SELECT nextval('t_id_seq'), nextval('falls') FROM generate_series(1, 3)")
    connection.close()
    if in_place:
        replaced(target, made, was, {}, process.run)
    else:
        rolled_back(target, made)
    with target.connect() as session:
        (found,) = session.rows(
            "SELECT nextval('t_id_seq') AS t, nextval('falls') AS falls, nextval('still') AS still"
        )
    assert found == {"t": 5, "falls": -4, "still": 1}


FAR = """CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nowhere');
CREATE USER MAPPING FOR PUBLIC SERVER far; CREATE TABLE near (id int);
CREATE FOREIGN TABLE far_child () INHERITS (near) SERVER far; INSERT INTO near VALUES (1)"""


def test_a_server_that_is_not_reached_stops_no_restore(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(FAR)
    made = back_up(target, tmp_path)
    connection.execute("DELETE FROM ONLY near")
    connection.close()
    rolled_back(target, made)
    with target.connect() as session:
        assert session.value("SELECT count(*) FROM ONLY near") == 1
