"""The words of a release and its manifest, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runbook_lib.findings import Finding, Severity
from runbook_lib.parser.statement import DbObject, Statement


@dataclass(frozen=True)
class Declaration:
    """Hold what the manifest says of one migration."""

    number: int = 0
    purpose: str = ""
    risk: str = ""
    estimate: str = ""
    estimate_minutes: tuple[float, float] | None = None
    requires: tuple[str, ...] = ()
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class IndexEstimate:
    """Hold one row of the brief's table of index creation times."""

    group: str
    tables: tuple[str, ...]
    rows: int
    minutes: tuple[float, float]


@dataclass(frozen=True)
class Variable:
    """Describe an environment variable the release's application needs."""

    name: str
    needed: str
    pattern: str
    meaning: str
    remedy: str
    secret: bool = False


@dataclass(frozen=True)
class Threshold:
    """Hold one alert threshold: a metric that must not go above a value."""

    name: str
    scope: str
    above: float
    unit: str


@dataclass(frozen=True)
class Criterion:
    """Hold one line of the release's checklists and the check that answers it, if one does."""

    section: str
    text: str
    check: str


@dataclass(frozen=True)
class Role:
    """Name a person's role whose approval the release document asks for."""

    name: str
    group: str


@dataclass(frozen=True)
class Acceptance:
    """Silence one hazard rule in one migration, for a reason. ``line`` is the manifest's."""

    rule: str
    migration: str
    reason: str
    line: int


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
