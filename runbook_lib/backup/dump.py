"""Take a backup with pg_dump and read it back."""

import time
from pathlib import Path
from typing import Any

from runbook_lib.backup import dumping, files, offsite
from runbook_lib.errors import ToolError
from runbook_lib.evidence.records import ARCHIVES, Backup
from runbook_lib.parser.statement import Target
from runbook_lib.policy import Policy
from runbook_lib.postgres import catalog, tools
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.process import Runner, globals_argv, list_argv
from runbook_lib.postgres.queries import load


def take_backup(
    database: Database,
    target: Target,
    directory: Path,
    run: Runner,
    policy: Policy,
    say: dumping.Say,
) -> Backup:
    """Dump the database into ``migration_backup_YYYYMMDD_HHMMSS/``, readable by its owner alone.

    Schema, row counts, checksums and LSN are those of the dump's own snapshot. The directory has
    its name only once it is complete and ``pg_restore --list`` has read the archive. Then it is
    copied away, and older ones go, as the policy says. Raises GateError before the dump where it
    cannot succeed, ToolError where it or the copy failed.
    """
    begin = time.perf_counter()
    with database.connect() as connection, files.whole_or_nothing(directory) as place:
        known = _dump(database, connection, target, place.partial, policy, run, say)
        known["taken_at"] = place.taken_at
        known["without_globals"] = _dump_globals(database, target, place.partial, run)
        known["restore_point"] = ""
        if policy.restore_point:
            mark = {"name": place.path.name}
            known["restore_point"] = connection.value(load("restore_point"), mark)
        server = files.server_identity(target)
        sha256 = files.seal(place.partial, {"server": server, **known})
    copied_to = ""
    if policy.backup_copy:
        say("copying to another place and reading back")
        # The manifest, which makes the copy a backup, is last.
        sent = {**files.digests(place.path), files.MANIFEST: sha256}
        copied_to = offsite.copy(place.path, sent, policy.backup_copy)
    removed = files.remove_older(place.path, policy.backups_kept) if policy.backups_kept else []
    return Backup(
        path=place.path,
        sha256=sha256,
        size=dumping.bytes_of(place.path / ARCHIVES[known["format"]]),
        seconds=time.perf_counter() - begin,
        dbname=target.dbname,
        copied_to=copied_to,
        removed=removed,
        **known,
    )


def _dump(
    database: Database,
    connection: Connection,
    target: Target,
    partial: Path,
    policy: Policy,
    run: Runner,
    say: dumping.Say,
) -> dict[str, Any]:
    """Write archive and schema of one moment; return what is known of that moment."""
    pg_dump = tools.find_program("pg_dump", server_major=target.major)
    form = dumping.choose_form(connection, pg_dump, policy)
    tables = connection.rows(load("dump_tables"))
    dumping.check_disk(partial, tables, policy)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (moment,) = connection.rows(load("dump_moment"))
        held = moment["snapshot"]
        dumping.dump(database, pg_dump, form, held, partial, tables, policy, run, say)
        say(f"reading the contents of {len(tables)} tables")
        contents = catalog.contents_here(connection, catalog.tables_by_size(connection))
        size = connection.value("SELECT pg_database_size(current_database())")
        snapshot = catalog.snapshot_here(connection)
    files.write_json(partial / catalog.SCHEMA_FILE, snapshot.objects)
    rows, checksums = catalog.rows_and_checksums(contents)
    return {
        "lsn": moment["lsn"],
        "schema_fingerprint": snapshot.fingerprint,
        "rows": rows,
        "checksums": checksums,
        "database_size": size,
        "tool": f"pg_dump {tools.version(pg_dump)}",
        **vars(form),
        "entries": _read_back(partial / ARCHIVES[form.format], pg_dump, run),
    }


def _read_back(archive: Path, pg_dump: Path, run: Runner) -> int:
    """Count the entries of the table of contents; in a directory each table has its own file."""
    listing = run(list_argv(pg_dump.with_name("pg_restore"), archive)).stdout
    entries = [line for line in listing.splitlines() if line and not line.startswith(";")]
    tables = sum(" TABLE DATA " in line for line in entries)
    found = sum(path.stat().st_size > 0 for path in archive.rglob("[0-9]*.dat*"))
    if "; Archive created at" not in listing or (archive.is_dir() and found < tables):
        message = "pg_restore --list did not read the backup back."
        raise ToolError(message, path=archive, remedy="Take the backup again.")
    return len(entries)


def _dump_globals(database: Database, target: Target, partial: Path, run: Runner) -> str:
    """Write roles and tablespaces, without passwords; return why not where that is not allowed."""
    pg_dumpall = tools.find_program("pg_dumpall", server_major=target.major)
    path = partial / files.GLOBALS
    try:
        run(
            globals_argv(pg_dumpall, database.conninfo(), target.dbname, path),
            env=database.tool_environment(),
        )
    except ToolError as error:
        path.unlink(missing_ok=True)
        return f"The roles are not in it: {error.message.rstrip('.')}."
    return ""


def still_whole(backup: Backup) -> bool:
    """Tell whether every file is there with the bytes that were written, and no other."""
    return files.unchanged(backup.path, backup.sha256)
