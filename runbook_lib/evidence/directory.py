"""Keep the evidence of a run: the only writer of the run directory. Nothing secret passes it."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any

from runbook_lib.errors import EvidenceError
from runbook_lib.redaction import redact, redact_values

SUMS = "SHA256SUMS"
PAGES = "pages"  # where a person works, below a run: no evidence
_OURS, _OUR_FILE = 0o700, 0o600  # statements and names of customers' tables are nobody else's


def _plain(value: Any) -> Any:
    """Turn values of the model into what JSON knows."""
    if isinstance(value, (str, int, float, NoneType)):  # most are
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, (datetime, Path)) else value


def as_line(content: Mapping[str, Any]) -> str:
    """Return one JSON object on one line, secrets hidden."""
    return json.dumps(redact_values(_plain(content)), ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing: under another name first, flushed to disk, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch(_OUR_FILE)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        message = f"The evidence cannot be written: {error.strerror}."
        raise EvidenceError(message, path=path, remedy="Make room or give access.") from error


@dataclass(frozen=True)
class RunDirectory:
    """Read and write the records of one run under ``runs/<environment>/<time>_<release>/``."""

    path: Path

    @classmethod
    def all(cls, root: Path, environment: str, release: str) -> list["RunDirectory"]:
        """Return the runs of one release on one environment, oldest first."""
        found = (root / "runs" / environment).glob(f"*_{release}")
        return [cls(path) for path in sorted(found) if (path / "plan.json").is_file()]

    @classmethod
    def named(cls, root: Path, name: str) -> "RunDirectory":
        """Return the run of this directory, or the latest of the environment of this name."""
        latest = sorted((root / "runs" / name).glob("*_*"))[-1:]
        for path in (*latest, Path(name)):
            if (path / "plan.json").is_file():
                return cls(path)
        message = f"'{name}' is neither the directory of a run nor an environment that has one."
        raise EvidenceError(message, remedy="Look in runs/.")

    @classmethod
    def create(cls, root: Path, environment: str, release: str) -> "RunDirectory":
        """Make a new run directory, named by the time in UTC."""
        stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S_%f")[:-3]
        path = root / "runs" / environment / f"{stamp}_{release}"
        try:
            path.mkdir(_OURS, parents=True)
        except OSError as error:
            message = f"The run directory cannot be made: {error.strerror}."
            raise EvidenceError(message, path=path, remedy="Give access.") from error
        return cls(path)

    def write(self, name: str, content: object) -> None:
        """Write one record as JSON, with the time."""
        record = {"recorded_at": datetime.now(UTC).isoformat(timespec="seconds")}
        record |= redact_values(_plain(content))
        _write(self.path / f"{name}.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a whole text file, and return where it is."""
        path = self.path / name
        _write(path, redact(text))
        return path

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a record, None where there is none; raises EvidenceError for a damaged one."""
        path = self.path / f"{name}.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise EvidenceError("The record cannot be read.", path=path) from error
        if not isinstance(content, dict):
            raise EvidenceError("The record cannot be read.", path=path)
        return content

    def steps(self) -> list[dict[str, Any]]:
        """Return the records of the steps that were carried out."""
        found = sorted(self.path.glob("40_migrate_*.json"))
        return [record for path in found if (record := self.read(path.stem)) is not None]

    def scrub(self, path: Path) -> None:
        """Hide every secret in the texts of a notebook that another program wrote, and keep it."""
        path.chmod(_OUR_FILE)
        text = path.read_text(encoding="utf-8")
        try:
            notebook = json.loads(text)
        except ValueError:  # a kill cut it short: it is a text and nothing more
            _write(path, redact(text))
            return
        hidden = _scrubbed(notebook)
        if hidden != notebook:
            _write(path, json.dumps(hidden, indent=1, ensure_ascii=False, sort_keys=True) + "\n")

    def seal(self) -> Path:
        """Write the SHA-256 of every file, in the format of ``sha256sum -c``."""
        files = sorted(
            path
            for path in self.path.rglob("*")
            if path.is_file() and path.name != SUMS and not path.name.startswith(".")
            if self.path / PAGES not in path.parents
        )
        lines = [f"{file_sha256(path)}  {path.relative_to(self.path)}\n" for path in files]
        _write(self.path / SUMS, "".join(lines))
        return self.path / SUMS


def _scrubbed(value: Any) -> Any:
    """Return JSON of a notebook with its texts redacted, those that are lists of lines as one."""
    if isinstance(value, dict):
        return {key: _scrubbed(item) for key, item in value.items()}
    if not isinstance(value, list):
        return redact_values(value)
    lines = [item for item in value if isinstance(item, str)]
    if lines == value and all(line.endswith("\n") for line in lines[:-1]):
        return redact("".join(lines)).splitlines(keepends=True)
    return [_scrubbed(item) for item in value]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name(text: str) -> str:
    """Return a name that any file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
