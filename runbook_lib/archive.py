"""Restore a pg_dump archive into a database of its own, and put databases in place."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib import programs
from runbook_lib.database import REPLACER, Connection, Database, quote
from runbook_lib.errors import StatementError
from runbook_lib.queries import load
from runbook_lib.shell import Runner, replace_argv, restore_argv

_SWAP_TRIES = 10
_IN_USE = "55006"
_SESSIONS = """SELECT count(*) FROM pg_stat_activity
WHERE datname = %(dbname)s AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'"""
_LEAVING, _LOOK = 3.0, 0.005  # seconds that sessions get to end, and between two looks


def restore(
    database: Database,
    server_major: int,
    path: Path,
    run: Runner,
    *,
    with_owners: bool,
    with_rows: bool = True,
    jobs: int = os.cpu_count() or 1,
) -> None:
    """Fill an empty database from an archive; raises ToolError at the first thing that fails.

    Without owners the archive goes into a server that does not know the source's roles.
    """
    pg_restore = programs.find_program("pg_restore", server_major=server_major)
    argv = restore_argv(pg_restore, database.conninfo(), path, jobs=jobs)
    if not with_owners:
        argv[1:1] = ["--no-owner", "--no-privileges"]
    if not with_rows:
        argv[1:1] = ["--schema-only"]
    run(argv, env=database.tool_environment())


def replace(
    database: Database, server_major: int, path: Path, run: Runner, may: Callable[[], object]
) -> None:
    """Put an archive in the place of what it holds of a database, in one transaction.

    ``may`` is called before, and about each second meanwhile; what it raises ends pg_restore.
    """
    may()
    # By its name the session is known as a runner's, should it outlive the one that started it.
    named = Database({**database.parameters, "application_name": REPLACER})
    pg_restore = programs.find_program("pg_restore", server_major=server_major)
    argv = replace_argv(pg_restore, named.conninfo(), path)
    run(argv, env=database.tool_environment(), watch=may)


@contextmanager
def scratch_database(maintenance: Database, name: str) -> Iterator[Database]:
    """Hold an empty database for the block, and drop it afterwards."""
    maintenance.drop(name)
    maintenance.create(name)
    try:
        yield maintenance.on(name)
    finally:
        maintenance.drop(name)


def _wait_until_left(connection: Connection, dbname: str) -> None:
    """Wait for sessions that are ending; the server itself would look only every 0.1 s."""
    until = time.monotonic() + _LEAVING
    while connection.value(_SESSIONS, {"dbname": dbname}) and time.monotonic() < until:
        time.sleep(_LOOK)


def swap(database: Database, fresh: str, kept: str) -> None:
    """Put ``fresh`` in the place of ``database``, which is kept under another name.

    Both are renamed in one transaction, so that no moment has neither name. A session that connects
    between the ending of the others and the rename makes the server refuse with 55006: the whole
    step is tried again.
    """
    with database.maintenance().connect() as connection:
        for attempt in range(1, _SWAP_TRIES + 1):
            connection.rows(load("end_sessions"), {"dbname": database.dbname})
            _wait_until_left(connection, database.dbname)
            try:
                with connection.transaction():
                    old, new = quote(database.dbname), quote(fresh)
                    connection.execute(f"ALTER DATABASE {old} RENAME TO {quote(kept)}")
                    connection.execute(f"ALTER DATABASE {new} RENAME TO {old}")
                return
            except StatementError as error:
                if error.sqlstate != _IN_USE or attempt == _SWAP_TRIES:
                    raise
