"""The types of the records: what is read back is held to them, and their schemas are published.

``python -m runbook_lib.evidence.schemas DIRECTORY`` writes the schemas.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from runbook_lib.config.setting import adapter
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.answers import Line, Seat
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.records import Backup, CheckResult, Metric
from runbook_lib.findings import Finding
from runbook_lib.postgres.server_wide import ServerState
from runbook_lib.postgres.snapshot import Change
from runbook_lib.release.model import Acceptance
from runbook_lib.release.plan import Plan

_T = TypeVar("_T")
FORMATS = 5
"""Raised when a record, the journal or the fingerprint of a schema comes to mean something else."""
_REMEDY = "Bring back the file as it was written, or begin a new run."


@dataclass(frozen=True, kw_only=True)
class Record:
    """Hold what the record of each phase says: how it ended, and for which plan."""

    status: Literal["passed", "failed"]
    plan: str


@dataclass(frozen=True, kw_only=True)
class Review(Record):
    """Record what reading the release found, and trying it on the target's schema.

    ``absent`` names what reading wrongly takes to be there afterwards.
    """

    findings: tuple[Finding, ...]
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Accepted(Record):
    """Record what was accepted when the release was reviewed."""

    accepts: tuple[Acceptance, ...]


@dataclass(frozen=True, kw_only=True)
class Checked(Record):
    """Record what the checks of a phase observed; ``failed`` names those that do not hold."""

    failed: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    schema_fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class BackupTaken(Record):
    """Record the backup of a run; its path begins at the project's directory."""

    backup: Backup


@dataclass(frozen=True, kw_only=True)
class Watched(Record):
    """Record the metrics of the target; ``over`` names those above their thresholds."""

    metrics: tuple[Metric, ...]
    over: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SignedOff:
    """Record where a sign-off stands; ``open`` names what waits for people, ``left`` counts it."""

    status: Literal["passed", "open", "failed"]
    plan: str
    criteria: tuple[Line, ...]
    approvals: tuple[Seat, ...]
    open: tuple[str, ...]
    left: str
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """Say whose database a backup holds."""

    version: str
    system_identifier: str
    host: str
    port: int
    dbname: str


@dataclass(frozen=True)
class BackupManifest:
    """Describe a backup's moment, with the SHA-256 of each of its files by name."""

    server: Server
    lsn: str
    schema_fingerprint: str
    rows: Mapping[str, int]
    checksums: Mapping[str, str]
    database_size: int
    tool: str
    format: str
    compression: str
    jobs: int
    entries: int
    taken_at: datetime
    without_globals: str
    restore_point: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Version:
    """Say which version of the runbook made a run, and that of its formats."""

    product: str
    formats: int

    def __str__(self) -> str:
        return f"version {self.product} (formats {self.formats})"


@dataclass(frozen=True)
class Touched:
    """Record what a migration notebook's steps touched.

    ``addresses`` are those of objects, by what was set on them, empty for the objects themselves.
    """

    addresses: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, marks: Iterable[str]) -> "Touched":
        """Return the record of these marks."""
        found: dict[str, list[str]] = {}
        for mark in sorted(marks):
            address, _, what = mark.partition(" ")
            found.setdefault(what, []).append(address)
        return cls({what: tuple(addresses) for what, addresses in found.items()})

    @property
    def marks(self) -> frozenset[str]:
        """Return the marks: an address, and behind a space what was set."""
        named = ((at, what) for what, addresses in self.addresses.items() for at in addresses)
        return frozenset(f"{address} {what}" if what else address for address, what in named)


VERSION = "version"
RECORDS: Mapping[str, type] = {
    VERSION: Version,
    "plan": Plan,
    "10_review": Review,
    "10_prechecks": Checked,
    "20_backup": BackupTaken,
    "60_verify": Checked,
    "70_monitor": Watched,
    "80_signoff": SignedOff,
    "acceptances": Accepted,
    "schema_before": Change,
    "schema_touched": Touched,
    "server_before": ServerState,
}
"""The type of each record by its name; there is a ``schema_before`` for each migration notebook."""
MANIFEST = "backup_manifest"


def typed(kind: type[_T], content: Any, path: Path) -> _T:
    """Return what a record holds as its type; raises EvidenceError where that does not fit."""
    from pydantic_core import ValidationError  # noqa: PLC0415  with the adapter

    try:
        found: _T = adapter(cast(Any, kind)).validate_json(
            json.dumps(content), strict=True, extra="forbid"
        )
    except ValidationError as error:
        first = error.errors()[0]
        keys = ".".join(str(key) for key in first["loc"])
        said = first["msg"][:1].lower() + first["msg"][1:]
        message = f"The record was edited, or another version wrote it: {keys or 'it'}: {said}."
        raise EvidenceError(message, path=path, remedy=_REMEDY) from None
    return found


def read_record(directory: RunDirectory, name: str, kind: type[_T]) -> _T | None:
    """Return a record of a run as its type, None where there is none; raises EvidenceError."""
    content = directory.read(name)
    if content is None:
        return None
    content.pop("recorded_at", None)
    return typed(kind, content, directory.path / f"{name}.json")


def this_version() -> Version:
    """Return the version of this runbook."""
    return Version(version("migration-runbook"), FORMATS)


def unreadable(directory: RunDirectory) -> str:
    """Say why this version cannot go on with a run, empty where it can.

    Raises EvidenceError where the run's own version cannot be read.
    """
    made_by, ours = read_record(directory, VERSION, Version), this_version()
    if made_by is None:
        return "an older version made it, which does not say which"
    if made_by.formats != ours.formats:
        return f"{made_by} made it, and this is {ours}"
    for name, kind in RECORDS.items() if made_by != ours else ():
        try:
            read_record(directory, name, kind)
        except EvidenceError:
            return f"{made_by} made it, and this is {ours}, which cannot read {name}.json"
    return ""


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each record, by its name."""
    recorded = {"type": "string", "format": "date-time", "title": "Recorded At"}
    found = {}
    for name, kind in {**RECORDS, MANIFEST: BackupManifest}.items():
        schema = adapter(kind).json_schema(mode="serialization")
        if name != MANIFEST:
            schema["properties"] = {"recorded_at": recorded, **schema["properties"]}
            schema["required"] = ["recorded_at", *schema.get("required", ())]
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return found


def write_schemas(directory: Path) -> None:
    """Write the schema of each record as ``<its name>.json``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (directory / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
