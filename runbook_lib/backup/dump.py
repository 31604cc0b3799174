"""Take a backup with pg_dump and read it back."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_lib.backup import files
from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError, RunbookError, ToolError
from runbook_lib.evidence.records import ARCHIVES, Backup
from runbook_lib.formatting import duration, size
from runbook_lib.postgres import tools
from runbook_lib.postgres.blockers import describe_blockers
from runbook_lib.postgres.connection import DUMPER, Connection, Database, Row, SideSession
from runbook_lib.postgres.locks import bound_locks, longest_silence
from runbook_lib.postgres.process import Runner
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.snapshot import (
    contents_here,
    rows_and_checksums,
    snapshot_here,
    tables_by_size,
)
from runbook_lib.postgres.tools import dump_argv, globals_argv, list_argv
from runbook_lib.release.plan import Target

Say = Callable[[str], object]

# Measured on three million rows beside --compress=9 (benchmarks/backup.py): zstd:1 is the quickest
# and as small; of gzip's levels the first is worth its time.
_BEST = ("zstd:1", "lz4", "gzip:1")
_OTHERS = 2  # sessions besides those that copy: pg_dump's own, and the one that shows progress
_IDLE = "idle_in_transaction_session_timeout"
_MEGABYTE = 1024 * 1024


def take_backup(
    database: Database,
    target: Target,
    directory: Path,
    run: Runner,
    policy: Policy,
    say: Say,
) -> Backup:
    """Dump the database into ``migration_backup_YYYYMMDD_HHMMSS/``, readable by its owner alone.

    Schema, row counts, checksums and LSN are those of the dump's own snapshot. The directory has
    its name only once it is complete and ``pg_restore --list`` has read the archive. Then it is
    copied away, and older ones go, as the policy says. Raises GateError before the dump where it
    cannot succeed, ToolError where it or the copy failed.
    """
    begin = time.perf_counter()
    with database.runner_session() as connection, files.whole_or_nothing(directory) as place:
        known = _Dump(database, target, policy, run, say).write(connection, place.partial)
        known["taken_at"] = place.taken_at
        known["without_globals"] = _dump_globals(database, target, place.partial, run, policy)
        known["restore_point"] = ""
        if policy.backup.restore_point:
            mark = {"name": place.path.name}
            known["restore_point"] = connection.value(load("restore_point"), mark)
        server = vars(files.server_identity(target))
        sha256 = files.seal(place.partial, {"server": server, **known})
    copied_to = ""
    if policy.backup.copy:
        say("copying to another place and reading back")
        # The manifest, which makes the copy a backup, is last.
        sent = {**files.digests(place.path), files.MANIFEST: sha256}
        copied_to = files.copy(place.path, sent, policy.backup.copy)
    removed = files.remove_older(place.path, policy.backup.kept) if policy.backup.kept else []
    return Backup(
        path=place.path,
        sha256=sha256,
        size=bytes_of(place.path / ARCHIVES[known["format"]]),
        seconds=time.perf_counter() - begin,
        dbname=target.dbname,
        copied_to=copied_to,
        removed=removed,
        **known,
    )


@dataclass(frozen=True)
class _Dump:
    """Write what is dumped of one database; ``say`` is told how far it is."""

    database: Database
    target: Target
    policy: Policy
    run: Runner
    say: Say

    def write(self, connection: Connection, partial: Path) -> dict[str, Any]:
        """Write archive and schema of one moment; return what is known of that moment."""
        bound_locks(connection, self.policy)
        pg_dump = tools.find_program("pg_dump", server_major=self.target.major)
        form = choose_form(connection, pg_dump, self.policy)
        tables = connection.rows(load("dump_tables"))
        check_disk(partial, tables, self.policy)
        archive = partial / ARCHIVES[form.format]
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            bound = {"name": _IDLE, "bound": str(round(longest_silence(self.policy) * 1000))}
            connection.rows("SELECT set_config(%(name)s, %(bound)s, true)", bound)
            position = connection.seen(load("wal_position")) or [{"lsn": ""}]
            shared = connection.value(load("export_snapshot"))
            argv = self._argv(pg_dump, form, archive, shared)
            self._archive(connection, [*argv, *_without(connection)], archive, tables)
            self.say(f"reading the contents of {len(tables)} tables")
            contents = contents_here(connection, tables_by_size(connection))
            size = connection.value("SELECT pg_database_size(current_database())")
            snapshot = snapshot_here(connection, settings=True)
        files.write_snapshot(partial, snapshot)
        rows, checksums = rows_and_checksums(contents)
        return {
            "lsn": position[0]["lsn"],
            "schema_fingerprint": snapshot.fingerprint,
            "rows": rows,
            "checksums": checksums,
            "database_size": size,
            "tool": f"pg_dump {tools.version(pg_dump)}",
            **vars(form),
            "entries": _read_back(archive, pg_dump, self.run),
        }

    def _argv(self, pg_dump: Path, form: "Form", archive: Path, snapshot: str) -> list[str]:
        # By their name those that keep them waiting are found.
        named = self.database.having(application_name=DUMPER)
        return dump_argv(
            pg_dump,
            named.conninfo(),
            archive,
            form=form.format,
            compress=tools.compression_word(pg_dump, form.compression),
            jobs=form.jobs,
            snapshot=snapshot,
        )

    def _archive(
        self, connection: Connection, argv: list[str], archive: Path, tables: list[Row]
    ) -> None:
        """Run pg_dump, watched; raises ToolError, and TargetError where the server falls silent."""
        with closing(SideSession(self.database)) as session:
            rows = {row["relid"]: row["rows"] for row in tables}
            watch = Watch(archive, session, rows, self.policy, self.say)

            def look() -> None:
                connection.value("SELECT 1")  # the snapshot's session is heard of, or all ends
                watch.look()

            self.run(argv, env=self.database.tool_environment(), watch=look)


def dump_schema(
    database: Database, server_major: int, archive: Path, run: Runner, policy: Policy
) -> None:
    """Write the schema alone into an archive; raises ToolError where that is not possible."""
    pg_dump = tools.find_program("pg_dump", server_major=server_major)
    named = database.having(application_name=DUMPER)
    argv = dump_argv(pg_dump, named.conninfo(), archive, form="custom", compress="0")
    argv[1:1] = ["--schema-only", f"--lock-wait-timeout={round(policy.locks.timeout * 1000)}"]
    run(argv, env=database.tool_environment(), timeout=policy.statements.timeout)


def _without(connection: Connection) -> list[str]:
    """Return what lets pg_dump leave large objects alone where it may not look, and none is."""
    (found,) = connection.rows(load("large_objects"))
    return [] if found["readable"] or found["there"] else ["-B"]


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


def _dump_globals(
    database: Database, target: Target, partial: Path, run: Runner, policy: Policy
) -> str:
    """Write roles and tablespaces, without passwords; return why not where that is not allowed."""
    pg_dumpall = tools.find_program("pg_dumpall", server_major=target.major)
    path = partial / files.GLOBALS
    try:
        run(
            globals_argv(pg_dumpall, database.conninfo(), target.dbname, path),
            env=database.tool_environment(),
            timeout=policy.statements.timeout,
        )
    except ToolError as error:
        path.unlink(missing_ok=True)
        return f"The roles are not in it: {error.message.rstrip('.')}."
    return ""


def still_whole(backup: Backup) -> bool:
    """Tell whether every file is there with the bytes that were written, and no other."""
    return files.unchanged(backup.path, backup.sha256)


@dataclass(frozen=True)
class Form:
    """Say how a dump is written."""

    format: str
    compression: str
    jobs: int


def choose_form(connection: Connection, pg_dump: Path, policy: Policy) -> Form:
    """Choose what pg_dump supports and the connection limits allow.

    Raises GateError where the policy wants a restore point that cannot be made, ToolError where it
    wants a compression that is not supported.
    """
    if policy.backup.restore_point and not connection.value(load("may_mark")):
        message = "The policy wants a restore point, and this role cannot make one here."
        remedy = "It needs EXECUTE on pg_create_restore_point, a primary and wal_level = replica."
        raise GateError(message, remedy=remedy)
    compression = _compression(pg_dump, policy.backup.compression)
    several = policy.backup.format == "directory"
    wanted = (policy.backup.jobs or os.cpu_count() or 1) if several else 1
    # Who does not see how many are left takes no more than one.
    room = connection.seen(load("session_room")) or [{"sessions": 0}]
    jobs = max(1, min(wanted, room[0]["sessions"] - _OTHERS))
    return Form(policy.backup.format, compression, jobs)


def _compression(pg_dump: Path, wanted: str) -> str:
    for word in [wanted] if wanted else _BEST:
        if tools.compression_word(pg_dump, word):
            return word
    message = f"pg_dump {tools.version(pg_dump)} does not support {wanted or 'compression'}."
    raise ToolError(message, remedy="Leave backup.compression empty: the best there is, is taken.")


def check_disk(directory: Path, tables: list[Row], policy: Policy) -> None:
    """Refuse a dump that the disk is not likely to hold; raises GateError."""
    free = shutil.disk_usage(directory).free
    needed = policy.health.disk_free * _MEGABYTE + sum(row["size"] for row in tables) // 2
    if free < needed:
        message = (
            f"{size(free)} are free under {directory}; a backup needs {size(needed)}: half of the "
            f"tables' bytes, and the {policy.health.disk_free:,} MB that the policy keeps free."
        )
        raise GateError(message, remedy="Make room, or mount another disk there.")


@dataclass
class Watch:
    """Look at a dump while it runs: say how far it is, and stop it before the disk is full."""

    path: Path
    session: SideSession
    rows: Mapping[int, float]
    policy: Policy
    say: Say
    _seen: set[int] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)
    _moved: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """Say how far it is.

        Raises ToolError where too little of the disk is left, or a lock is not let go of in time.
        """
        free, least = shutil.disk_usage(self.path.parent).free // _MEGABYTE, self.policy.health
        if free < least.disk_free:
            message = f"The dump was stopped: {free:,} MB are left under {self.path.parent.parent}."
            remedy = f"Make room: the policy keeps {least.disk_free:,} MB free. Nothing was kept."
            raise ToolError(message, remedy=remedy)
        self._refuse_wait(self._asked("dump_blockers", {"dumper": DUMPER}))
        self.say(self._progress())

    def _refuse_wait(self, blockers: Sequence[Row]) -> None:
        """Stop pg_dump, which itself waits without bound, once a lock was waited for too long."""
        if not blockers:
            self._moved = time.monotonic()
        elif time.monotonic() - self._moved >= self.policy.locks.timeout:
            message = f"The dump was stopped: it waited for {describe_blockers(blockers)}."
            remedy = "Let that end, or end it; then take the backup again. Nothing was kept."
            raise ToolError(message, remedy=remedy)

    def _asked(self, query: str, parameters: Mapping[str, str] | None = None) -> Sequence[Row]:
        try:
            return self.session.rows(load(query), parameters)
        except RunbookError:  # before PostgreSQL 14, or no session left: the dump itself goes on
            return ()

    def _progress(self) -> str:
        found = self._asked("dump_progress")
        now = {row["relid"]: row["rows"] for row in found if row["relid"] in self.rows}
        self._seen |= now.keys()
        files = [path for path in self.path.rglob("*.dat*") if path.name != "toc.dat"]
        # Tables that came and went between two looks were not seen; a directory has their files.
        done = max(len(self._seen - now.keys()), len(files) - len(now))
        words = [f"{size(bytes_of(self.path))} written", f"{done} of {len(self.rows)} tables"]
        return ", ".join(words + self._left(now))

    def _left(self, now: Mapping[int, float]) -> list[str]:
        """Estimate the time that is left from the rows that were copied."""
        copied = sum(self.rows[relid] for relid in self._seen - now.keys())
        copied += sum(min(rows, self.rows[relid]) for relid, rows in now.items())
        if not copied:
            return []
        took = time.monotonic() - self._began
        return [f"about {duration(took * (sum(self.rows.values()) / copied - 1))} left"]


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of all files of a directory."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(item.stat().st_size for item in files if item.is_file())
