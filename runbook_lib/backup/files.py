"""Lay a backup down as a directory: digests of every file, complete or not there, and copied."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

from runbook_lib.errors import EvidenceError, ToolError
from runbook_lib.evidence.directory import file_sha256
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.schemas import BackupManifest, Server, typed
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.redaction import redact, shown_url
from runbook_lib.release.plan import Target

SCHEMA_FILE = "schema.json"

MANIFEST = "manifest.json"
GLOBALS = "globals.sql"
_UNFINISHED = ".partial"


@dataclass(frozen=True)
class Place:
    """Name a backup that is being made: when it began, where it grows, where it will be."""

    taken_at: datetime
    partial: Path
    path: Path


@contextmanager
def whole_or_nothing(directory: Path) -> Iterator[Place]:
    """Hold a new directory for the block; it gets a backup's name only where the block succeeds."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = _free_place(directory)
    try:
        yield place
        place.partial.rename(place.path)
        _flush(directory)
    except OSError as error:
        message = f"The backup cannot be written: {error.strerror}."
        raise ToolError(message, path=directory, remedy="Make room or give access.") from error
    finally:
        shutil.rmtree(place.partial, ignore_errors=True)  # there only where something failed


def _free_place(directory: Path) -> Place:
    """Make the directory; never under the name of an earlier backup, or of one being made."""
    while True:
        now = datetime.now(UTC)
        path = directory / f"migration_backup_{now:%Y%m%d_%H%M%S}"
        partial = path.with_name(path.name + _UNFINISHED)
        if not path.exists() and not partial.exists():
            partial.mkdir(mode=0o700)
            return Place(now, partial, path)
        time.sleep(0.05)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write one JSON file."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    path.write_text(text + "\n", encoding="utf-8")


def seal(path: Path, content: Mapping[str, Any]) -> str:
    """Write the manifest, make every file private and flush all to disk; return its SHA-256."""
    write_json(path / MANIFEST, {**content, "files": digests(path)})
    for item in (*path.rglob("*"), path):
        item.chmod(0o700 if item.is_dir() else 0o600)
        _flush(item)
    return file_sha256(path / MANIFEST)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a backup but the manifest, by name."""
    files = sorted(item for item in path.rglob("*") if item.is_file() and item.name != MANIFEST)
    with ThreadPoolExecutor(os.cpu_count()) as readers:  # hashing lets go of Python's lock
        found = list(readers.map(file_sha256, files))
    return dict(zip((item.relative_to(path).as_posix() for item in files), found, strict=True))


def read_manifest(path: Path) -> BackupManifest | None:
    """Return a backup's manifest, None where it cannot be read."""
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return typed(BackupManifest, content, path / MANIFEST)
    except (OSError, ValueError, EvidenceError):
        return None


def unchanged(path: Path, sha256: str) -> bool:
    """Tell whether the manifest is there with this digest, and every file with the manifest's."""
    try:
        if file_sha256(path / MANIFEST) != sha256:
            return False
        content = read_manifest(path)
        return content is not None and digests(path) == content.files
    except OSError:
        return False


def server_identity(target: Target) -> Server:
    """Return who the server is, as a manifest says it."""
    return Server(
        version=target.version,
        system_identifier=target.system_identifier,
        host=target.host,
        port=target.port,
        dbname=target.dbname,
    )


def remove_older(newest: Path, kept: int) -> list[str]:
    """Remove the oldest complete backups of the same database; return their names.

    With ``newest``, ``kept`` of them stay. One whose manifest cannot be read, or that lacks a file,
    does not count and stays.
    """
    mine = _database_of(newest)
    older = [
        path
        for path in sorted(newest.parent.glob("migration_backup_*"))
        if path.name < newest.name and path.suffix != _UNFINISHED and _database_of(path) == mine
    ]
    gone = older[: max(len(older) - (kept - 1), 0)]
    for path in gone:
        # Cut short, what is left must not be taken for a backup.
        shutil.rmtree(path.rename(path.with_name(path.name + _UNFINISHED)))
    return [path.name for path in gone]


def _database_of(path: Path) -> tuple[str, str] | None:
    """Return the server and the database of a complete backup."""
    content = read_manifest(path)
    if content is None or not all((path / name).is_file() for name in content.files):
        return None
    server = content.server
    return server.system_identifier or f"{server.host}:{server.port}", server.dbname


def write_snapshot(path: Path, schema: Snapshot) -> None:
    """Write the schema of a backup; a secret that is set on it stands in the archive alone."""
    kept = replace(schema, settings=schema.recorded().settings)
    write_json(path / SCHEMA_FILE, asdict(kept))


def read_snapshot(backup: Backup) -> Snapshot:
    """Return the schema as a backup recorded it; raises ToolError where it cannot be read."""
    path = backup.path / SCHEMA_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return typed(Snapshot, content, path)
    except (OSError, ValueError, EvidenceError) as error:
        message = "The schema that the backup recorded cannot be read."
        remedy = "Restore the backup's directory from where it was moved."
        raise ToolError(message, path=path, remedy=remedy) from error


def copy(path: Path, files: Mapping[str, str], url: str) -> str:
    """Copy these files of a backup to ``<url>/<its name>/`` in order, and read each back.

    ``files`` maps their names to their SHA-256. Returns where they are, without credentials. Raises
    ToolError where a file cannot be copied or comes back different; the backup here stays.
    """
    place = f"{shown_url(url)}/{path.name}"
    remedy = f"The backup {path.name} is whole here; copy it by hand, or correct backup.copy."
    try:
        storage, root = fsspec.url_to_fs(url)
        differing = [name for name, sha in files.items() if _sent(storage, path, root, name) != sha]
    except Exception as error:  # each kind of storage has errors of its own
        message = f"The backup could not be copied to {place}: {redact(str(error)).rstrip('.')}."
        raise ToolError(message, remedy=remedy) from None
    if differing:
        message = f"The copy under {place} differs from what was sent: {', '.join(differing)}."
        raise ToolError(message, remedy=remedy)
    return place


def _sent(storage: fsspec.AbstractFileSystem, path: Path, root: str, name: str) -> str:
    """Send a file and return the SHA-256 of what comes back."""
    there = f"{root.rstrip('/')}/{path.name}/{name}"
    storage.makedirs(there.rpartition("/")[0], exist_ok=True)
    storage.put_file(str(path / name), there)
    with storage.open(there, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
