"""The words of what is planned: targets, releases, statements and plans, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from runbook_lib.findings import Finding, Severity
from runbook_lib.release.model import (
    Acceptance,
    Criterion,
    Declaration,
    IndexEstimate,
    Role,
    Threshold,
    Variable,
)


class StepKind(StrEnum):
    """Name what one step of a plan does to the target."""

    BASELINE = "baseline"
    APPLY = "apply"
    DEMO_ROWS = "demo rows"


@dataclass(frozen=True)
class Phase:
    """Name one part of a run and the notebook that does it."""

    name: str
    title: str
    notebook: str


PHASES = (
    Phase("brief", "Release brief", "00_brief"),
    Phase("prechecks", "Prechecks", "10_prechecks"),
    Phase("backup", "Backup", "20_backup"),
    Phase("rehearsal", "Rehearsal", "30_rehearsal"),
    Phase("migrate", "Migration", "40_migrate"),
    Phase("index_timing", "Index timing", "50_index_timing"),
    Phase("verify", "Verification", "60_verify"),
    Phase("monitor", "Monitoring", "70_monitor"),
    Phase("signoff", "Sign-off", "80_signoff"),
)
ROLLBACK = Phase("rollback", "Rollback", "90_rollback")


@dataclass(frozen=True)
class Target:
    """Identify the database that answered, as it described itself."""

    environment: str
    host: str
    port: int
    dbname: str
    user: str
    server_version: int
    system_identifier: str
    in_recovery: bool
    embedded: bool

    @property
    def version(self) -> str:
        """Return the server version as people write it, for example ``17.10``."""
        return f"{self.server_version // 10000}.{self.server_version % 10000}"

    @property
    def major(self) -> int:
        """Return the major version, for example ``17``."""
        return self.server_version // 10000


@dataclass(frozen=True, order=True)
class DbObject:
    """Name one database object. ``table`` is set for what belongs to a table."""

    kind: str
    schema: str
    name: str
    table: str = ""

    def __str__(self) -> str:
        prefix = "" if self.schema in {"", "public"} else f"{self.schema}."
        if self.kind == "column":
            return f"{prefix}{self.table}.{self.name}"
        return f"{prefix}{self.name}"


@dataclass(frozen=True)
class Reference:
    """Point at an object that a statement needs, and where it says so."""

    object: DbObject
    line: int


@dataclass(frozen=True)
class Relation:
    """Describe one foreign key. ``target_columns`` is empty where the primary key is meant."""

    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        to = ",".join(self.target_columns) or "id"
        return f"{self.table}.{','.join(self.columns)} -> {self.target}.{to}"


class LockMode(StrEnum):
    """Name a table-level lock as pg_locks does, weakest first (PostgreSQL manual, 13.3.1)."""

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def words(self) -> str:
        """Return the name the manual uses, for example ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    @property
    def stops_writes(self) -> bool:
        """Tell whether INSERT, UPDATE and DELETE of others wait for it."""
        return list(LockMode).index(self) >= list(LockMode).index(LockMode.SHARE)

    @property
    def stops_reads(self) -> bool:
        """Tell whether SELECT of others waits for it."""
        return self is LockMode.ACCESS_EXCLUSIVE


@dataclass(frozen=True, order=True)
class Lock:
    """Hold one table-level lock that a statement takes."""

    relation: DbObject
    mode: LockMode


@dataclass(frozen=True)
class Statement:
    """Hold one SQL statement as the parser read it. ``line`` counts from 1 in its file.

    ``locks`` are the strongest on each relation that is named; ``rewrites`` and ``scans`` are the
    tables whose every row is written anew or read, as far as reading alone can tell. ``inner`` are
    the statements in the body of a DO block, a function or a procedure, ``calls`` the functions
    that are called, as ``schema.name``. ``number`` is its place in the file, from 1.
    """

    path: str
    line: int
    sql: str
    kind: str
    label: str
    creates: tuple[DbObject, ...] = ()
    removes: tuple[DbObject, ...] = ()
    references: tuple[Reference, ...] = ()
    relations: tuple[Relation, ...] = ()
    transactional: bool = True
    control: str = ""
    opaque: bool = False
    locks: tuple[Lock, ...] = ()
    rewrites: tuple[DbObject, ...] = ()
    scans: tuple[DbObject, ...] = ()
    inner: tuple["Statement", ...] = ()
    calls: tuple[str, ...] = ()
    number: int = 0

    @property
    def place(self) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Unit:
    """Hold statements that are committed together, ``transactional`` in one transaction.

    ``opens`` and ``closes`` are the file's own BEGIN and COMMIT, where it has them. ``builds`` says
    that the statements are concurrent index builds, which may run side by side.
    """

    statements: tuple[Statement, ...]
    transactional: bool = True
    opens: Statement | None = None
    closes: Statement | None = None
    builds: bool = False

    @property
    def rolls_back(self) -> bool:
        """Tell whether the file itself takes the unit back."""
        return self.closes is not None and self.closes.control == "rollback"


@dataclass(frozen=True)
class Migration:
    """Hold one migration file: its bytes' digest and its statements.

    ``down`` are the statements of the ``down.sql`` beside it, which take it back.
    """

    name: str
    path: Path
    checksum: str
    statements: tuple[Statement, ...]
    declared: Declaration = field(default_factory=Declaration)
    down: tuple[Statement, ...] = ()

    @property
    def creates(self) -> tuple[DbObject, ...]:
        """Return every object the file creates, in order."""
        return tuple(item for statement in self.statements for item in statement.creates)


@dataclass(frozen=True)
class Check:
    """Hold one verification query read from a file."""

    name: str
    why: str
    severity: Severity
    expect: str
    remedy: str
    sql: str
    path: Path


@dataclass(frozen=True)
class Release:
    """Hold an ordered set of migrations and what its manifest says."""

    name: str
    title: str
    root: Path
    migrations: tuple[Migration, ...]
    digest: str
    checks: tuple[Check, ...] = ()
    demo_before: str = ""
    demo_files: tuple[Path, ...] = ()
    production_today: tuple[str, ...] = ()
    index_estimates: tuple[IndexEstimate, ...] = ()
    variables: tuple[Variable, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    roles: tuple[Role, ...] = ()
    accepts: tuple[Acceptance, ...] = ()
    defects: tuple[Finding, ...] = ()

    def migration(self, name: str) -> Migration:
        """Return the migration of that name; raises ``KeyError``."""
        return {item.name: item for item in self.migrations}[name]


@dataclass(frozen=True)
class Moved:
    """Say why a migration is not at the place where the release lists it."""

    migration: str
    behind: str
    reason: str


@dataclass(frozen=True)
class Order:
    """Hold the migrations' names in the order they apply, and what was moved."""

    names: tuple[str, ...]
    moved: tuple[Moved, ...]
    requires: Mapping[str, tuple[str, ...]]
    defects: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Split:
    """Say which statements, by their number, a plan takes out of their file's transaction.

    ``concurrent`` are index builds that must not stop writes; ``apart`` are foreign keys that are
    added NOT VALID and then validated, each in a short transaction.
    """

    concurrent: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.concurrent or self.apart)


@dataclass(frozen=True)
class Step:
    """Hold one step of a plan: a migration to apply or to baseline, or rows to add."""

    name: str
    kind: StepKind
    checksum: str
    why: str
    split: Split = Split()


@dataclass(frozen=True)
class Plan:
    """Hold what is going to be done to one target, and the digest that binds it."""

    release: str
    release_digest: str
    target: Target
    order: tuple[str, ...]
    moved: tuple[Moved, ...]
    applied: tuple[str, ...]
    steps: tuple[Step, ...]
    schema_fingerprint: str
    defects: tuple[Finding, ...] = ()
    digest: str = ""

    @property
    def splits(self) -> dict[str, Split]:
        """Return what is taken out of each file's transaction, by step."""
        return {step.name: step.split for step in self.steps if step.split}
