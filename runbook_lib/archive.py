"""Restore a pg_dump archive into a database of its own, and put databases in place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib import programs
from runbook_lib.database import Database, quote
from runbook_lib.errors import StatementError
from runbook_lib.queries import load
from runbook_lib.shell import Runner, restore_argv

_SWAP_TRIES = 10
_IN_USE = "55006"


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


@contextmanager
def scratch_database(maintenance: Database, name: str) -> Iterator[Database]:
    """Hold an empty database for the block, and drop it afterwards."""
    maintenance.drop(name)
    maintenance.create(name)
    try:
        yield maintenance.on(name)
    finally:
        maintenance.drop(name)


def swap(database: Database, fresh: str, kept: str) -> None:
    """Put ``fresh`` in the place of ``database``, which is kept under another name.

    Both are renamed in one transaction, so that no moment has neither name. A session that connects
    between the ending of the others and the rename makes the server refuse with 55006: the whole
    step is tried again.
    """
    with database.maintenance().connect() as connection:
        for attempt in range(1, _SWAP_TRIES + 1):
            connection.rows(load("end_sessions"), {"dbname": database.dbname})
            try:
                with connection.transaction():
                    old, new = quote(database.dbname), quote(fresh)
                    connection.execute(f"ALTER DATABASE {old} RENAME TO {quote(kept)}")
                    connection.execute(f"ALTER DATABASE {new} RENAME TO {old}")
                return
            except StatementError as error:
                if error.sqlstate != _IN_USE or attempt == _SWAP_TRIES:
                    raise
