"""Keep the journal: a line before and after each statement, which a kill leaves behind."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.directory import as_line
from runbook_lib.evidence.records import StatementRun
from runbook_lib.parser.statement import Statement

_TOLD_BY_THE_LEDGER = {"began", "committed"}  # a power cut may take these


class Watcher(Protocol):
    """See each statement before and after it runs, and what happens between statements."""

    def started(self, step: str, statement: Statement) -> None:
        """Take note that a statement is about to be sent."""

    def ended(self, run: StatementRun) -> None:
        """Take note of how it ended."""

    def ledger_row(self, step: str, row_id: str) -> None:
        """Take note of the unfinished ledger row of a file that is several transactions."""

    def event(self, name: str, step: str, **content: object) -> None:
        """Take note of anything else, so that it survives a power cut."""

    def said(self, what: str) -> None:
        """Show what is going on at the moment."""


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
        text = f'{{"at": "{now}", "event": "{event}", {as_line(content)[1:]}\n'.encode()
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
