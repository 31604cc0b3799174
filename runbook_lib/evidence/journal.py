"""Keep the journal: a line before and after each statement, which a kill leaves behind."""

import errno
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.directory import as_line
from runbook_lib.evidence.records import Observation, StatementRun
from runbook_lib.parser.statement import Statement

STARTED, ENDED = "started", "ended"  # a statement of the release
SENDING, SENT = "sending", "sent"  # a statement of the runbook's own
PROGRAM, EXITED = "program", "exited"  # a program of PostgreSQL's, or a hook
BEGAN = "began"  # a file, in a session of its own
COMMITTING = "committing"  # a transaction, whose COMMIT comes next
LEDGER_ROW = "ledger row"  # the unfinished row of a file that is several transactions
TOOK = "took"  # what a transaction of such a file did to rows, as the server counted
SERVER = "server"  # which one the run is on: the first, and each that took its place
WAITING = "waiting"  # for whom, each time that this changes
SAID = "said"  # shown for the moment, and not kept
_OF_STATEMENTS = {STARTED, ENDED, SENDING, SENT, LEDGER_ROW, TOOK}


@dataclass(frozen=True)
class Event:
    """Hold one thing that happens in a step of a run; ``content`` is what the journal keeps of it.

    ``statement`` is the release's that is about to be sent, ``run`` how one ended. ``durable`` says
    that a crash of the machine must not take it away: so it is with all but the statements inside a
    transaction, of which COMMIT alone decides, and what the ledger tells as well.
    """

    name: str
    step: str
    content: Mapping[str, Any] = field(default_factory=dict)
    durable: bool = True
    statement: Statement | None = None
    run: StatementRun | None = None


Listener = Callable[[Event], object]
Content = Mapping[str, Any]


def to_all(*listeners: Listener) -> Listener:
    """Return what tells each event to all of these, in this order: a journal comes first."""

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return emit


def started(step: str, statement: Statement) -> Event:
    """Return the event of a release's statement that is about to be sent."""
    place = {"path": statement.path, "line": statement.line, "number": statement.number}
    return Event(STARTED, step, place, not statement.transactional, statement=statement)


def ended(run: StatementRun) -> Event:
    """Return the event of how such a statement ended."""
    return Event(ENDED, run.step, vars(run), durable=False, run=run)


def said(step: str, what: str) -> Event:
    """Return the event that shows what is going on at the moment."""
    return Event(SAID, step, {"what": what}, durable=False)


def place_of(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells the statement of a run from every other."""
    return run["step"], run["path"], run["number"] or run["line"], run["transaction"]


class Journal:
    """Append a line before and after each statement; the lines of a killed run remain.

    What is durable is flushed to disk at once, and takes along the lines before it. With
    ``repeatable``, for what can simply be done again, nothing is flushed.
    Threads may share a journal. Raises EvidenceError where a line cannot be written.
    """

    def __init__(self, path: Path, *, repeatable: bool = False) -> None:
        self.path = path
        self._repeatable = repeatable
        self._lock = Lock()
        self._file = -1  # opened with the first line
        self._said = _Shorthand()

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _append(self, event: str, *, durable: bool, **content: object) -> None:
        try:
            with self._lock:
                text = self._text(event, content)
                if self._file < 0:
                    text = self._open() + text
                if os.write(self._file, text) < len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if durable and not self._repeatable:
                    os.fsync(self._file)
        except OSError as error:
            self._said = _Shorthand()  # nobody will read what was cut short
            message = f"The journal cannot be written: {error.strerror}."
            raise EvidenceError(message, path=self.path, remedy="Make room.") from error

    def _text(self, event: str, content: Mapping[str, Any]) -> bytes:
        now, said = datetime.now(UTC).isoformat(), as_line(self._said.shorten(event, content))
        return f'{{"at": "{now}", "event": "{event}", {said[1:]}\n'.encode()

    def _open(self) -> bytes:
        """Open the file; return the line end that a kill kept from being written, else nothing."""
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        if not stat.S_ISREG(os.fstat(self._file).st_mode) or not os.lseek(
            self._file, 0, os.SEEK_END
        ):
            return b""
        os.lseek(self._file, -1, os.SEEK_END)
        return b"" if os.read(self._file, 1) == b"\n" else b"\n"

    def emit(self, event: Event) -> None:
        """Keep the event, unless it is only shown."""
        if event.name != SAID:
            content = {"step": event.step, **event.content}
            self._append(event.name, durable=event.durable, **content)

    def sample(self, **content: object) -> None:
        """Take note of one measurement."""
        self._append("sample", durable=False, **content)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what was written; a last line that a kill cut short is passed over."""
        if self.path.is_file():
            yield from _parsed(self.path.read_bytes())

    def since(self, event: str) -> list[dict[str, Any]]:
        """Return the lines from the last of this event on, none where it never came."""
        data = self.path.read_bytes() if self.path.is_file() else b""
        # Inside of a text its quotes would be escaped.
        at = data.rfind(f'"event": "{event}"'.encode())
        return list(_parsed(data[data.rfind(b"\n", 0, at) + 1 :])) if at >= 0 else []

    def begun(self) -> frozenset[str]:
        """Return the names of the files that this run began."""
        return frozenset(line["step"] for line in self.lines() if line["event"] == BEGAN)

    def own_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return by id the ledger rows that this run began, each with its file's lines since."""
        found: dict[str, list[dict[str, Any]]] = {}
        row_of: dict[str, str] = {}
        for line in self.lines():
            if line["event"] == LEDGER_ROW:
                row_of[line["step"]] = line["id"]
            if line.get("step") in row_of:
                found.setdefault(row_of[line["step"]], []).append(line)
        return found

    def events(self, steps: Collection[str]) -> list[dict[str, Any]]:
        """Return everything these steps noted but the lines of their statements, in order."""
        mine = (line for line in self.lines() if line.get("step") in steps)
        return [line for line in mine if line["event"] not in _OF_STATEMENTS]

    def runs(self) -> list[dict[str, Any]]:
        """Return the last end of each statement that was done, in order."""
        done = [line for line in self.lines() if line["event"] == ENDED]
        return list({place_of(line): line for line in done}.values())


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield lines as they were before they were shortened."""
    said = _Shorthand()
    for text in data.split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        yield said.expand(line)


def _defaults(kind: type) -> dict[str, Any]:
    """Return the fields that have a default, with it."""
    made = ((x.name, x.default_factory) for x in fields(kind) if x.default_factory is not MISSING)
    plain = {x.name: x.default for x in fields(kind) if x.default is not MISSING}
    return {**plain, **{name: make() for name, make in made}}


_OF_RUN, _OF_OBSERVATION = _defaults(StatementRun), _defaults(Observation)
_OBSERVED = json.loads(json.dumps(_OF_OBSERVATION))  # as it is read


class _Shorthand:
    """Leave out of a line what those before it say, and put it back in on reading.

    The writer of a journal has one, and so has each reader. A statement's line names its file where
    the one before did not. An end leaves out what its beginning says, and what is as it mostly is.
    A writer names the file anew behind every line of another kind, from where on a journal can
    then be read.
    """

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}  # by step
        self._begun: dict[tuple[Any, ...], Content] = {}

    def shorten(self, event: str, content: Content) -> Content:
        """Return what a line has to say of an event."""
        if event == STARTED:
            return self._unnamed(self._begin(event, content))
        if event == ENDED:
            return _shortened(content, self._end(event, content))
        self._paths = {}
        if event == SENDING:
            return self._begin(event, content)
        return _without(content, _sql(self._end(event, content))) if event == SENT else content

    def expand(self, line: dict[str, Any]) -> dict[str, Any]:
        """Return a line with what those before it said of it."""
        event = line.get("event", "")
        if event == STARTED:
            line = self._named(line)
        if event in {STARTED, SENDING}:
            self._begin(event, line)
        if event == SENT:
            return {**_sql(self._end(event, line)), **line}
        return _expanded(line, self._end(event, line)) if event == ENDED else line

    def _begin(self, event: str, content: Content) -> Content:
        self._begun[_key(event, content)] = content
        return content

    def _end(self, event: str, content: Content) -> Content:
        """Return what the beginning said, nothing where it is not known."""
        return self._begun.pop(_key(event, content), {})

    def _unnamed(self, content: Content) -> Content:
        """Return it without its path, where the statement before it in this step said that."""
        said = self._paths.get(content["step"])
        self._paths[content["step"]] = content["path"]
        return _without(content, {"path": said})

    def _named(self, line: dict[str, Any]) -> dict[str, Any]:
        path = line.get("path", self._paths.get(line["step"], ""))
        self._paths[line["step"]] = path
        return {**line, "path": path}


def _key(event: str, content: Content) -> tuple[Any, ...]:
    """Return what the beginning and the end of one thing have in common, and no other under way."""
    if event in {SENDING, SENT}:
        return SENDING, content.get("pid")
    return STARTED, content.get("number", 0)


def _shortened(run: Content, begun: Content) -> Content:
    found = _without(run, {**_OF_RUN, **_place(begun)})
    if begun:
        del found["started_at"]  # it is when the beginning was written
    if isinstance(seen := run["observed"], Observation):
        found["observed"] = _without(vars(seen), _OF_OBSERVATION)
    return found


def _expanded(line: dict[str, Any], begun: Content) -> dict[str, Any]:
    sent = {"started_at": begun["at"]} if begun else {}
    found = {**_OF_RUN, **_place(begun), **sent, **line}
    seen = found["observed"]
    return found if seen is None else {**found, "observed": {**_OBSERVED, **seen}}


def _place(begun: Content) -> dict[str, Any]:
    """Return where the end of a statement is, which its beginning says."""
    if not begun:
        return {}
    step, path, line = begun["step"], begun["path"], begun["line"]
    return {"step": step, "path": path, "line": line, "statement": line}


def _sql(begun: Content) -> Content:
    return {"sql": begun["sql"]} if begun else {}


def _without(content: Content, known: Content) -> dict[str, Any]:
    return {k: item for k, item in content.items() if k not in known or known[k] != item}
