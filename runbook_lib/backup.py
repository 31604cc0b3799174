"""Take a backup with pg_dump and read it back."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib import catalog, programs
from runbook_lib.database import Database
from runbook_lib.errors import ToolError
from runbook_lib.evidence import file_sha256
from runbook_lib.model import Target
from runbook_lib.observed import Backup
from runbook_lib.queries import load
from runbook_lib.shell import Runner, dump_argv, list_argv


def take_backup(database: Database, target: Target, directory: Path, run: Runner) -> Backup:
    """Dump the database to ``migration_backup_YYYYMMDD_HHMMSS.dump``, mode 0600.

    Schema fingerprint, row counts, checksums and LSN are those of the dump's own snapshot. The
    file has its name only once it is complete and ``pg_restore --list`` has read it. Raises
    ToolError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    taken_at, path = _free_name(directory)
    partial = path.with_suffix(".partial")
    pg_dump = programs.find_program("pg_dump", server_major=target.major)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    begin = time.perf_counter()
    try:
        with database.connect() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            (moment,) = connection.rows(load("dump_moment"))
            argv = dump_argv(pg_dump, database.conninfo(), partial, moment["snapshot"])
            run(argv, env=database.tool_environment())
            contents = catalog.contents_here(connection, catalog.tables_by_size(connection))
            size = connection.value("SELECT pg_database_size(current_database())")
            snapshot = catalog.snapshot_here(connection)
        entries = _read_back(partial, pg_dump.with_name("pg_restore"), run)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return Backup(
        path=path,
        sha256=file_sha256(path),
        size=path.stat().st_size,
        seconds=time.perf_counter() - begin,
        entries=entries,
        lsn=moment["lsn"],
        taken_at=taken_at,
        dbname=target.dbname,
        tool=f"pg_dump {programs.version(pg_dump)}",
        schema_fingerprint=snapshot.fingerprint,
        rows={table: item.rows for table, item in contents.items()},
        checksums={table: item.checksum for table, item in contents.items()},
        database_size=size,
    )


def _free_name(directory: Path) -> tuple[datetime, Path]:
    """Return the time and the name that holds it; never the name of an earlier backup."""
    while True:
        now = datetime.now(UTC)
        path = directory / f"migration_backup_{now:%Y%m%d_%H%M%S}.dump"
        if not path.exists():
            return now, path
        time.sleep(0.05)


def _read_back(path: Path, pg_restore: Path, run: Runner) -> int:
    """Count the entries of the archive's table of contents."""
    listing = run(list_argv(pg_restore, path)).stdout
    if "; Archive created at" not in listing:
        message = "pg_restore --list did not read the backup back."
        raise ToolError(message, path=path, remedy="Take the backup again.")
    return sum(1 for line in listing.splitlines() if line and not line.startswith(";"))


def still_whole(backup: Backup) -> bool:
    """Tell whether the file is there with the bytes that were written."""
    return backup.path.is_file() and file_sha256(backup.path) == backup.sha256
