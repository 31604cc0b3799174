"""Keep the evidence of a run: the only writer of the run directory. Nothing secret passes it."""

import errno
import hashlib
import html
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote as percent_encoded

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.records import StatementRun
from runbook_lib.parser.statement import Statement

SUMS = "SHA256SUMS"
_HIDDEN = "***"
_SHORTEST_SECRET = 4  # a shorter one would blot out ordinary words; none is ever written knowingly
_secrets: set[str] = set()


def keep_secret(*values: str) -> None:
    """Hide these values, and their encoded forms, in everything that is written or shown."""
    for value in values:
        if len(value) >= _SHORTEST_SECRET:
            _secrets.update(_forms(value))


def _forms(value: str) -> set[str]:
    """Return the value as a URL, Python and HTML write it, each also as JSON (a notebook) does."""
    plain = {value, percent_encoded(value, safe=""), percent_encoded(value), repr(value)[1:-1]}
    both = (True, False)
    shown = plain | {html.escape(form, quote=quotes) for form in plain for quotes in both}
    escaped = {json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in shown for ascii_ in both}
    return shown | escaped


def redact(text: str) -> str:
    """Return the text with every secret hidden."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _plain(value: Any) -> Any:
    """Turn values of the model into what JSON knows, secrets hidden."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return {redact(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime, Path)):
        return redact(str(value))
    return redact(value) if isinstance(value, str) else value


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_plain)


def _line(content: Mapping[str, Any]) -> str:
    """Return one JSON object on one line, secrets hidden."""
    text = _ENCODER.encode(content)
    # Hiding in the text is quick to try, and could cut into the JSON itself.
    return text if redact(text) == text else json.dumps(_plain(content), ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing: under another name first, flushed to disk, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
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
    def create(cls, root: Path, environment: str, release: str) -> "RunDirectory":
        """Make a new run directory, named by the time in UTC."""
        stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S_%f")[:-3]
        path = root / "runs" / environment / f"{stamp}_{release}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            message = f"The run directory cannot be made: {error.strerror}."
            raise EvidenceError(message, path=path, remedy="Give access.") from error
        return cls(path)

    def write(self, name: str, content: object) -> None:
        """Write one record as JSON, with the time."""
        record = {"recorded_at": datetime.now(UTC).isoformat(timespec="seconds")}
        record |= _plain(content)
        _write(self.path / f"{name}.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a whole text file."""
        _write(self.path / name, redact(text))

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
        """Hide every secret in a file that another program wrote, such as a notebook."""
        text = path.read_text(encoding="utf-8")
        if redact(text) != text:
            _write(path, redact(text))

    def seal(self) -> Path:
        """Write the SHA-256 of every file, in the format of ``sha256sum -c``."""
        files = sorted(
            path
            for path in self.path.rglob("*")
            if path.is_file() and path.name != SUMS and not path.name.startswith(".")
        )
        lines = [f"{file_sha256(path)}  {path.relative_to(self.path)}\n" for path in files]
        _write(self.path / SUMS, "".join(lines))
        return self.path / SUMS


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name(text: str) -> str:
    """Return a name that any file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


_TOLD_BY_THE_LEDGER = {"began", "committed"}  # a power cut may take these


class Journal:
    """Append a line before and after each statement; the lines of a killed run remain.

    What a crash of the machine must not take away is flushed to disk at once: every line but those
    of statements inside a transaction, of which COMMIT alone decides, and whose ``committing`` line
    takes them along. With ``repeatable``, for what can simply be done again, nothing is flushed.
    Threads may share a journal. Raises EvidenceError where a line cannot be written.
    """

    def __init__(self, path: Path, *, repeatable: bool = False) -> None:
        self.path = path
        self._repeatable = repeatable
        self._lock = Lock()
        self._file = -1  # opened with the first line

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _append(self, event: str, *, durable: bool, **content: object) -> None:
        now = datetime.now(UTC).isoformat()
        text = f'{{"at": "{now}", "event": "{event}", {_line(content)[1:]}\n'.encode()
        try:
            with self._lock:
                if self._file < 0:
                    text = self._open() + text
                if os.write(self._file, text) < len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if durable and not self._repeatable:
                    os.fsync(self._file)
        except OSError as error:
            message = f"The journal cannot be written: {error.strerror}."
            raise EvidenceError(message, path=self.path, remedy="Make room.") from error

    def _open(self) -> bytes:
        """Open the file; return the line end that a kill kept from being written, else nothing."""
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        if not stat.S_ISREG(os.fstat(self._file).st_mode) or not os.lseek(
            self._file, 0, os.SEEK_END
        ):
            return b""
        os.lseek(self._file, -1, os.SEEK_END)
        return b"" if os.read(self._file, 1) == b"\n" else b"\n"

    def started(self, step: str, statement: Statement) -> None:
        """Take note that a statement is about to be sent."""
        durable = not statement.transactional
        where = {"path": statement.path, "line": statement.line, "number": statement.number}
        self._append("started", durable=durable, step=step, **where)

    def ended(self, run: StatementRun) -> None:
        """Take note of how it ended."""
        self._append("ended", durable=False, **vars(run))

    def ledger_row(self, step: str, row_id: str) -> None:
        """Take note of the unfinished ledger row of a file that is several transactions."""
        self._append("ledger row", durable=True, step=step, id=row_id)

    def event(self, name: str, step: str, **content: object) -> None:
        """Take note of anything else: a COMMIT, a wait, a pause, a leftover that was dropped."""
        self._append(name, durable=name not in _TOLD_BY_THE_LEDGER, step=step, **content)

    def said(self, what: str) -> None:
        """Keep nothing of what is shown for the moment."""

    def sample(self, **content: object) -> None:
        """Take note of one measurement."""
        self._append("sample", durable=False, **content)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what was written; a last line that a kill cut short is passed over."""
        if not self.path.is_file():
            return
        for text in self.path.read_bytes().split(b"\n"):
            try:
                yield json.loads(text)
            except ValueError:
                continue

    def own_rows(self) -> frozenset[str]:
        """Return the ids of the ledger rows that this run began."""
        return frozenset(line["id"] for line in self.lines() if line["event"] == "ledger row")

    def events(self, step: str) -> list[dict[str, Any]]:
        """Return everything a step noted but the lines of its statements, in order."""
        usual = {"started", "ended", "ledger row"}
        return [x for x in self.lines() if x.get("step") == step and x["event"] not in usual]

    def runs(self) -> list[dict[str, Any]]:
        """Return the last end of each statement that was done, in order."""
        done = [line for line in self.lines() if line["event"] == "ended"]
        keys = (
            (line["step"], line["path"], line["number"] or line["line"], line["unit"])
            for line in done
        )
        return list(dict(zip(keys, done, strict=True)).values())
