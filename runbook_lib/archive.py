"""Restore a pg_dump archive into a database of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib import programs
from runbook_lib.database import Database
from runbook_lib.shell import Runner, restore_argv


def restore(
    database: Database, server_major: int, path: Path, run: Runner, *, with_owners: bool
) -> None:
    """Fill an empty database from an archive; raises ToolError at the first thing that fails.

    Without owners the archive goes into a server that does not know the source's roles.
    """
    pg_restore = programs.find_program("pg_restore", server_major=server_major)
    argv = restore_argv(pg_restore, database.conninfo(), path, jobs=os.cpu_count() or 1)
    if not with_owners:
        argv[1:1] = ["--no-owner", "--no-privileges"]
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
