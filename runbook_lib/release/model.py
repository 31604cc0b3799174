"""The words of a release and its manifest, as frozen values."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated

from runbook_lib.config.setting import Setting, Text, no_pattern
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


Minutes = Annotated[float, Setting(unit="minutes", least=0, most=100_000)]


@dataclass(frozen=True)
class IndexEstimate:
    """Hold one row of the brief's table of index creation times."""

    group: Text
    tables: tuple[Text, ...]
    rows: Annotated[int, Setting(unit="rows", least=0, most=10**12)]
    minutes: tuple[Minutes, Minutes]


@dataclass(frozen=True)
class Variable:
    """Describe an environment variable the release's application needs."""

    name: Text
    needed: Text
    pattern: Annotated[str, Setting(check=no_pattern)]
    meaning: Text
    remedy: Text
    secret: Annotated[bool, Setting()] = False


@dataclass(frozen=True)
class Threshold:
    """Hold one alert threshold: a metric that must not go above a value."""

    name: Text
    scope: Text
    above: Annotated[float, Setting(least=-1e15, most=1e15)]
    unit: str


@dataclass(frozen=True)
class Criterion:
    """Hold one line of the release's checklists and what answers it, if anything is measured.

    It is a check of 60_verify, or metrics of 70_monitor, none of them over its threshold, or both.
    """

    section: Text
    text: Text
    check: str
    metrics: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Role:
    """Name a person's role whose approval the release document asks for."""

    name: Text
    group: Text


@dataclass(frozen=True)
class Acceptance:
    """Go on in spite of one hazard, or of one loss, named and for a reason.

    ``rule`` is the hazard's, or the kind of the loss. It is accepted in one ``migration``, of one
    ``object``, or of that object in that migration, and where rows are counted of ``at_most`` so
    many. ``path`` and ``line`` are where it stands.
    """

    rule: Annotated[Text, Setting("the hazard's rule, or the kind of the loss")]
    reason: Annotated[Text, Setting("why it is accepted")]
    migration: Annotated[str, Setting("the migration that it is accepted in")] = ""
    object: Annotated[str, Setting("the table or other object that it is accepted of")] = ""
    at_most: Annotated[int, Setting("so many rows, no more", "rows", 0, 10**12)] | None = None
    who: Annotated[str, Setting("who accepts it")] = ""
    when: Annotated[datetime, Setting("when it was accepted")] | None = None
    path: Annotated[str, Setting(given=True)] = ""
    line: Annotated[int, Setting(given=True)] = 0

    @property
    def place(self) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{self.line}"

    def covers(self, rule: str, migration: str, of: str = "") -> bool:
        """Tell whether it accepts a rule in a migration, of a table or a column of one.

        ``of`` is ``schema.table`` or ``schema.table.column``; what is accepted of a table is of its
        columns, and one in ``public`` goes without the schema, too.
        """
        here = self.migration in {"", migration}
        parts = of.split(".")
        names = {".".join(parts[:size]) for size in range(2, len(parts) + 1)} | {of}
        names |= {name.removeprefix("public.") for name in names}
        return rule == self.rule and here and (not self.object or self.object in names)


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
    """Hold one verification query read from a file; ``seen`` says what it looked at in one text."""

    name: str
    why: str
    severity: Severity
    expect: str
    remedy: str
    sql: str
    path: Path
    seen: str = ""


@dataclass(frozen=True)
class Release:
    """Hold an ordered set of migrations and what its manifest says.

    ``files`` is the SHA-256 of each file that is executed or decides, by its path from ``root`` on.
    """

    name: str
    title: str
    root: Path
    migrations: tuple[Migration, ...]
    files: Mapping[str, str]
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

    @property
    def digest(self) -> str:
        """Return the SHA-256 over all of its files: the same on every target, at every place."""
        listed = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(self.files.items()))
        return hashlib.sha256(listed.encode()).hexdigest()

    @property
    def statements(self) -> Iterator[Statement]:
        """Yield the statements of all files, in the order of the files."""
        return (item for migration in self.migrations for item in migration.statements)

    def migration(self, name: str) -> Migration:
        """Return the migration of that name; raises ``KeyError``."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Migration]:
        return {item.name: item for item in reversed(self.migrations)}
