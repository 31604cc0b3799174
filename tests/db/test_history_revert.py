"""A long history is taken back, file by file and in long stretches, but for what it changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runbook_lib import catalog
from runbook_lib.catalog import Snapshot
from runbook_lib.database import Connection, Database
from runbook_lib.errors import StatementError
from runbook_lib.sandbox import Sandbox
from tests.db.snapshots import RIGHTS
from tests.db.test_history import run_files
from tests.db.test_revert import seen, undo
from tests.history import FILES, write_history

# One worker: the history is applied once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("history")]
EVERY = 36  # of the files one is taken back alone; 13 of 25 kinds come up
STRETCHES = (FILES, 50, 10)  # files, counted from the last
GRANTS, CHANGES = 16, {12, 21}  # kinds of files: a grant on an older table; an enum, a move
# Statements of ordinary files that change what is older.
CHANGING = ("COMMENT ON", "CREATE OR REPLACE")


@dataclass(frozen=True)
class Taken:
    """Hold what taking one file back came to."""

    number: int
    text: str
    made: int
    changed: tuple[str, ...]
    stays: tuple[str, ...]
    rights: bool


@dataclass(frozen=True)
class History:
    """Hold a database after all files, and the schema before each stretch and single file."""

    database: Database
    before: dict[int, Snapshot]
    alone: list[Taken]


def take_back(database: Database, connection: Connection, before: Snapshot) -> Taken:
    """Drop what came since, what was changed aside, and tell what differs then."""
    diagnosis = seen(connection, before, catalog.take_snapshot(connection))
    undo(database, replace(diagnosis, changed=()), **diagnosis.data)
    left = catalog.difference(before, catalog.take_snapshot(connection))
    stays = tuple(item.key for item in left)
    return Taken(0, "", len(diagnosis.made), diagnosis.changed, stays, rights=True)


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
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Apply all files; of some take each back before it is applied for good.

    The server is its own: a long revert uses up the locks of all.
    """
    with Sandbox(tmp_path_factory.mktemp("server")) as server:
        database = Database(server.conninfo("history"))
        database.create(database.dbname)
        yield _history(database, tmp_path_factory)


def _history(database: Database, tmp_path_factory: pytest.TempPathFactory) -> History:
    before, alone = dict[int, Snapshot](), list[Taken]()
    files = write_history(tmp_path_factory.mktemp("history"))
    for number, (path, single) in enumerate(files.items(), start=1):
        if FILES - number + 1 in STRETCHES:
            with database.connect() as connection:
                before[FILES - number + 1] = catalog.take_snapshot(connection)
        if number % EVERY == 0:
            with copied(database) as copy:
                alone.append(_alone(copy, number, path, single))
        run_files(database, {path: single})
    return History(database, before, alone)


def _alone(database: Database, number: int, path: Path, single: bool) -> Taken:
    with database.connect() as connection:
        before, rights = catalog.take_snapshot(connection), connection.rows(RIGHTS)
        run_files(database, {path: single})
        done = take_back(database, connection, before)
        text, same = path.read_text(encoding="utf-8-sig"), connection.rows(RIGHTS) == rights
        return Taken(number, text, done.made, done.changed, done.stays, same)


def test_a_single_file_leads_back_but_for_what_it_is_said_to_have_changed(history: History) -> None:
    assert len(history.alone) == FILES // EVERY
    for taken in history.alone:
        assert taken.stays == taken.changed, taken.number


def test_a_file_that_only_adds_is_never_said_to_have_changed_anything(history: History) -> None:
    for taken in history.alone:
        changes = any(word in taken.text for word in CHANGING) or taken.number % 25 in CHANGES
        assert bool(taken.changed) <= changes, (taken.number, taken.changed)
    kept = [taken for taken in history.alone if not taken.changed]
    assert len(kept) > 5
    assert sum(taken.made for taken in kept) > 20


def test_a_grant_on_an_older_table_is_all_that_a_revert_leaves_of_rights(history: History) -> None:
    for taken in history.alone:
        if taken.number % 25 != GRANTS:
            # What was moved away and dropped took its rights along.
            assert taken.rights or any("table " in key for key in taken.changed), taken.number


@pytest.mark.parametrize("files", STRETCHES[1:])
def test_a_stretch_leads_back_but_for_what_it_is_said_to_have_changed(
    history: History, files: int
) -> None:
    with copied(history.database) as copy, copy.connect() as connection:
        taken = take_back(copy, connection, history.before[files])
    assert taken.made > 2 * files
    assert taken.changed
    assert taken.stays == taken.changed


def test_a_stretch_with_more_objects_than_the_server_has_locks_for_changes_nothing(
    history: History,
) -> None:
    with copied(history.database) as copy, copy.connect() as connection:
        all_of_it = catalog.take_snapshot(connection)
        with pytest.raises(StatementError, match="max_locks_per_transaction") as stopped:
            take_back(copy, connection, history.before[FILES])
        assert stopped.value.sqlstate == "53200"
        assert catalog.take_snapshot(connection).objects == all_of_it.objects
