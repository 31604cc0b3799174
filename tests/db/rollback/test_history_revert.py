"""A long history is taken back, file by file, in long stretches, and as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.snapshot import Snapshot
from tests.support.history import FILES, run_files, write_history
from tests.support.memory import MakeDirectory
from tests.support.reverts import seen, state, undo
from tests.support.servers import hurry
from tests.support.snapshots import RIGHTS

# One worker: the history is applied once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("history")]
EVERY = 36  # of the files one is taken back alone; 13 of 25 kinds come up
STRETCHES = (FILES, 50, 10)  # files, counted from the last
LOCKS = 512  # for each session; 64 is what a server has of itself


@dataclass(frozen=True)
class Taken:
    """Hold what taking one file back came to."""

    number: int
    made: int
    changed: tuple[str, ...]
    stays: tuple[str, ...]
    rights: bool


@dataclass(frozen=True)
class History:
    """Hold a database after all files, and the schema before each stretch and single file."""

    server: Sandbox
    database: Database
    before: dict[int, Snapshot]
    alone: list[Taken]


def take_back(database: Database, connection: Connection, before: Snapshot) -> Taken:
    """Take back what came since, and tell what differs then."""
    diagnosis = seen(connection, before, state(connection))
    undo(database, diagnosis, **diagnosis.data)
    left = snapshot.difference(before, state(connection))
    stays = tuple(item.key for item in left)
    return Taken(0, len(diagnosis.made), diagnosis.changed, stays, rights=True)


def in_copy(before: Snapshot, now: Snapshot) -> Snapshot:
    """Return a schema of long ago with what is set on the copy itself: that is not copied."""
    settings = {mark: back for mark, back in before.settings.items() if not of_database(mark)}
    here = {mark: back for mark, back in now.settings.items() if of_database(mark)}
    return replace(before, settings=settings | here)


def of_database(mark: str) -> bool:
    """Tell whether something is set on a database, not on what is in it."""
    return mark.startswith("pg_database/")


@contextmanager
def copied(database: Database) -> Iterator[Database]:
    """Hold a copy of a database."""
    copy = database.on(f"{database.dbname}_copy")
    with database.maintenance().connect() as session:
        session.execute(f'CREATE DATABASE "{copy.dbname}" TEMPLATE "{database.dbname}"')
    try:
        yield copy
    finally:
        database.drop(copy.dbname)


@pytest.fixture(scope="module")
def history(
    tmp_path_factory: pytest.TempPathFactory, in_memory: MakeDirectory
) -> Iterator[History]:
    """Apply all files; of some take each back before it is applied for good.

    The server is its own: a long revert uses up the locks of all.
    """
    with Sandbox(in_memory("server")) as server:
        hurry(server)
        database = Database(server.conninfo("history"))
        database.create(database.dbname)
        yield _history(server, database, tmp_path_factory)


def _history(
    server: Sandbox, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> History:
    before, alone = dict[int, Snapshot](), list[Taken]()
    files = write_history(tmp_path_factory.mktemp("history"))
    waits = dict[Path, bool]()  # not run yet: psql is started once for many
    for number, (path, single) in enumerate(files.items(), start=1):
        stretch = FILES - number + 1
        if stretch in STRETCHES or number % EVERY == 0:
            run_files(database, waits)
            waits.clear()
        if stretch in STRETCHES:
            with database.connect() as connection:
                before[stretch] = state(connection)
        if number % EVERY == 0:
            alone.append(_alone(database, number, path, single))
        waits[path] = single
    run_files(database, waits)
    return History(server, database, before, alone)


def _alone(database: Database, number: int, path: Path, single: bool) -> Taken:
    with database.connect() as connection:
        before, rights = state(connection), connection.rows(RIGHTS)
        run_files(database, {path: single})
        done = take_back(database, connection, before)
        same = connection.rows(RIGHTS) == rights
        return Taken(number, done.made, done.changed, done.stays, same)


def test_a_single_file_leads_back(history: History) -> None:
    assert len(history.alone) == FILES // EVERY
    for taken in history.alone:
        assert (taken.stays, taken.rights) == ((), True), taken.number
    assert sum(taken.made for taken in history.alone) > 20
    assert sum(bool(taken.changed) for taken in history.alone) > 5


@pytest.mark.parametrize("files", STRETCHES[1:])
def test_a_stretch_leads_back(history: History, files: int) -> None:
    with copied(history.database) as copy, copy.connect() as connection:
        before = in_copy(history.before[files], state(connection))
        taken = take_back(copy, connection, before)
    assert taken.made > 2 * files
    assert taken.changed
    assert taken.stays == ()


def test_more_objects_than_the_server_has_locks_for_are_taken_back_once_it_has_them(
    history: History,
) -> None:
    with copied(history.database) as copy:
        with copy.connect() as connection:
            all_of_it = snapshot.take_snapshot(connection)
            before = in_copy(history.before[FILES], state(connection))
            with pytest.raises(StatementError, match="max_locks_per_transaction") as stopped:
                take_back(copy, connection, before)
            assert stopped.value.sqlstate == "53200"
            assert snapshot.take_snapshot(connection).objects == all_of_it.objects
            connection.execute(f"ALTER SYSTEM SET max_locks_per_transaction = {LOCKS}")
        history.server.stop()
        history.server.use()
        with copy.connect() as connection:
            taken = take_back(copy, connection, before)
    assert taken.made > 2 * FILES
    assert taken.stays == ()
