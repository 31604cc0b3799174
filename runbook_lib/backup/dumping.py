"""Run pg_dump: in the form that is possible here, watched while it runs."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from runbook_lib.errors import GateError, RunbookError, ToolError
from runbook_lib.evidence.records import ARCHIVES
from runbook_lib.formatting import duration, size
from runbook_lib.policy import Policy
from runbook_lib.postgres import tools
from runbook_lib.postgres.connection import Connection, Database, Row, SideSession
from runbook_lib.postgres.process import Runner, dump_argv
from runbook_lib.postgres.queries import load

Say = Callable[[str], object]

# Measured on three million rows beside --compress=9 (benchmarks/backup.py): zstd:1 is the quickest
# and as small; of gzip's levels the first is worth its time.
_BEST = ("zstd:1", "lz4", "gzip:1")
_OTHERS = 2  # sessions besides those that copy: pg_dump's own, and the one that shows progress
_MEGABYTE = 1024 * 1024


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
    (room,) = connection.rows(load("backup_room"))
    if policy.restore_point and not room["may_mark"]:
        message = "The policy wants a restore point, and this role cannot make one here."
        remedy = "It needs EXECUTE on pg_create_restore_point, a primary and wal_level = replica."
        raise GateError(message, remedy=remedy)
    compression = _compression(pg_dump, policy.backup_compression)
    several = policy.backup_format == "directory"
    wanted = (policy.backup_jobs or os.cpu_count() or 1) if several else 1
    return Form(policy.backup_format, compression, max(1, min(wanted, room["sessions"] - _OTHERS)))


def _compression(pg_dump: Path, wanted: str) -> str:
    for word in [wanted] if wanted else _BEST:
        if tools.compression_word(pg_dump, word):
            return word
    message = f"pg_dump {tools.version(pg_dump)} does not support {wanted or 'compression'}."
    raise ToolError(message, remedy="Leave backup_compression empty: the best there is, is taken.")


def check_disk(directory: Path, tables: list[Row], policy: Policy) -> None:
    """Refuse a dump that the disk is not likely to hold; raises GateError."""
    free = shutil.disk_usage(directory).free
    needed = policy.disk_free * _MEGABYTE + sum(row["size"] for row in tables) // 2
    if free < needed:
        message = (
            f"{size(free)} are free under {directory}; a backup needs {size(needed)}: half of the "
            f"tables' bytes, and the {policy.disk_free:,} MB that the policy keeps free."
        )
        raise GateError(message, remedy="Make room, or mount another disk there.")


def dump(
    database: Database,
    pg_dump: Path,
    form: Form,
    snapshot: str,
    partial: Path,
    tables: list[Row],
    policy: Policy,
    run: Runner,
    say: Say,
) -> None:
    """Write the archive of an exported snapshot into a backup's directory; raises ToolError."""
    path = partial / ARCHIVES[form.format]
    argv = dump_argv(
        pg_dump,
        database.conninfo(),
        path,
        form=form.format,
        compress=tools.compression_word(pg_dump, form.compression),
        jobs=form.jobs,
        snapshot=snapshot,
    )
    with closing(SideSession(database)) as session:
        rows = {row["relid"]: row["rows"] for row in tables}
        watch = Watch(path, session, rows, policy.disk_free, say)
        run(argv, env=database.tool_environment(), watch=watch.look)


@dataclass
class Watch:
    """Look at a dump while it runs: say how far it is, and stop it before the disk is full."""

    path: Path
    session: SideSession
    rows: Mapping[int, float]
    disk_free: int
    say: Say
    _seen: set[int] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """Say how far it is; raises ToolError where too little of the disk is left."""
        free = shutil.disk_usage(self.path.parent).free // _MEGABYTE
        if free < self.disk_free:
            message = f"The dump was stopped: {free:,} MB are left under {self.path.parent.parent}."
            remedy = f"Make room: the policy keeps {self.disk_free:,} MB free. Nothing was kept."
            raise ToolError(message, remedy=remedy)
        self.say(self._progress())

    def _progress(self) -> str:
        try:
            found = self.session.rows(load("dump_progress"))
        except RunbookError:  # before PostgreSQL 14, or no session left: the dump itself goes on
            found = []
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
