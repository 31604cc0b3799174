"""The words of what was seen: checks, backups and statements, as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

ARCHIVES = {"directory": "archive", "custom": "archive.dump"}
"""What a backup's archive is named, by pg_dump's format."""


class Status(StrEnum):
    """Name the outcome of a check; the order is worst first."""

    FAIL = "fail"
    WARN = "warn"
    OPEN = "open"
    NOT_MEASURED = "not measured"
    PASS = "pass"  # noqa: S105  an outcome, not a password


class Outcome(StrEnum):
    """Name how a statement or a step ended."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ALREADY_DONE = "already done"


@dataclass(frozen=True)
class CheckResult:
    """Hold what one check observed beside what it expected."""

    name: str
    status: Status
    observed: str
    expected: str
    remedy: str = ""


@dataclass(frozen=True)
class Backup:
    """Describe one backup and the moment it holds. Sizes are in bytes, times in seconds.

    ``path`` is its directory, ``sha256`` that of its manifest, which holds those of all other
    files; ``size`` is the archive's. ``rows`` and ``checksums`` are by table, as ``schema.name``.
    ``without_globals`` says why the roles are not in it; ``restore_point`` is the WAL position
    that was marked after the dump. ``removed`` are the older backups that went for it.
    """

    path: Path
    sha256: str
    size: int
    seconds: float
    entries: int
    lsn: str
    taken_at: datetime
    dbname: str
    tool: str
    schema_fingerprint: str
    rows: Mapping[str, int]
    checksums: Mapping[str, str]
    database_size: int
    format: str
    compression: str
    jobs: int
    without_globals: str
    restore_point: str
    copied_to: str
    removed: Sequence[str]

    @property
    def archive(self) -> Path:
        """Return what pg_restore reads: a directory, or a file in pg_dump's custom format."""
        return self.path / ARCHIVES[self.format]


@dataclass(frozen=True)
class Loss:
    """Hold what a release takes from what was there, as a rehearsal counted it.

    ``gone`` and ``changed`` are rows of the ``rows`` of ``table``, or where ``column`` is named
    values of that column. ``table`` is the name that it had before the release, as ``schema.name``,
    or what else is counted, such as large objects.
    """

    rule: str
    table: str
    column: str
    gone: int
    changed: int
    rows: int

    @property
    def object(self) -> str:
        """Return what it is of, as an acceptance names it."""
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def count(self) -> int:
        """Return how many rows or values are lost."""
        return self.gone + self.changed


@dataclass(frozen=True)
class Taken:
    """Hold what one transaction of a step did to a table that was there before the release.

    ``whole`` is the table that it is a partition of, else itself. ``renewed`` says what leaves no
    count of rows: it was dropped, truncated or written anew, or lost a column.
    """

    step: str
    transaction: int
    table: str
    whole: str
    inserted: int
    deleted: int
    updated: int
    renewed: bool


@dataclass(frozen=True)
class Observation:
    """Hold what a statement did on the server, by table as ``schema.name``.

    ``locks`` are the modes of pg_locks on tables that were there before its transaction, those
    that an earlier statement of the transaction took left out; ``rewrites`` are the tables with a
    new file, ``scanned`` counts rows read by sequential scans. ``wal``, ``growth`` (of the tables
    it locked) and ``temporary`` (files) are in bytes. ``differs`` says where the server did
    something else than reading predicted. ``complete`` is false for a statement whose locks were
    gone before they could be read.
    """

    locks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    scanned: int = 0
    wal: int = 0
    growth: int = 0
    temporary: int = 0
    differs: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class StatementRun:
    """Hold what one statement did. ``seconds`` is wall time seen by the client.

    ``statement`` is the line where it begins, ``number`` its place in the file, ``line`` where the
    server saw an error, else where it begins. ``transaction`` counts those of its file.
    """

    step: str
    path: str
    line: int
    label: str
    outcome: Outcome
    seconds: float
    started_at: datetime
    transaction: int = 1
    statement: int = 0
    number: int = 0
    sqlstate: str = ""
    error: str = ""
    observed: Observation | None = None


@dataclass(frozen=True)
class WayBack:
    """Hold what came of carrying a way back out in the rehearsal, as it will be run.

    ``failed`` is what kept it from leading to the start, ``unproven`` what could not be compared;
    both are empty where it led there. ``stays`` counts, by name, what was then still as the release
    left it: rows of older tables, and what else holds data. ``checksums`` are those of the tables
    as the release left them: in a way that keeps nothing they tell what was written since.
    ``seconds`` is how long it took, 0 where that was not measured.
    """

    way: str
    failed: str = ""
    unproven: str = ""
    stays: Mapping[str, int] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Metric:
    """Hold one metric beside its threshold; ``value`` is None where it cannot be seen from here."""

    name: str
    scope: str
    value: float | None
    above: float | None
    unit: str
    status: Status
    source: str
