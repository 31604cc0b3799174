"""Ask a run that is under way to pause or to stop: a file in its directory, heeded between acts."""

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from runbook_lib.errors import GateError, StoppedError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Event, Listener, said
from runbook_lib.evidence.writer import Writer, whoever, writer_of

_FILE = ".request"  # no evidence: the journal has what came of it
_LOOK = 0.5  # seconds between two looks while it pauses


class Wish(StrEnum):
    """Name what can be asked of a run."""

    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True)
class Request:
    """Hold what somebody asked of a run, ``asked_of`` the writer of this token and no later one."""

    wish: Wish
    user: str
    at: str
    asked_of: str

    def __str__(self) -> str:
        return f"on request by {self.user} at {self.at}"


def ask(directory: Path, wish: Wish) -> Writer:
    """Ask whoever works on a run to pause or to stop; return who that is.

    It does so between two files, transactions, builds or notebooks. Raises GateError where nobody
    works on it.
    """
    writer = _at_work(directory)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    asked = Request(wish, whoever(), at, writer.token)
    RunDirectory(directory).write_text(_FILE, json.dumps(asdict(asked)))
    return writer


def take_back(directory: Path) -> Writer:
    """Take back what was asked of a run: it goes on; raises GateError where nobody works on it."""
    writer = _at_work(directory)
    (directory / _FILE).unlink(missing_ok=True)
    return writer


def _at_work(directory: Path) -> Writer:
    if (writer := writer_of(directory)) is None:
        message = f"Nobody works on the run {directory.name}, so there is nothing to ask for."
        raise GateError(message, remedy="Look which run is meant: runs/ENVIRONMENT/.")
    return writer


def _asked(directory: Path) -> Request | None:
    """Return what is asked of those who work on the run now, and not of those before them."""
    try:
        content = json.loads((directory / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    request = Request(**{**content, "wish": Wish(content["wish"])})
    writer = writer_of(directory)
    return request if writer is not None and writer.token == request.asked_of else None


@dataclass
class Requests:
    """Heed what is asked of a run, which whoever works on it looks at where it can wait or end."""

    directory: Path
    emit: Listener
    _since: float | None = field(default=None)

    def paused(self, step: str) -> bool:
        """Tell whether a pause is asked for; raises StoppedError where a stop is."""
        request = _asked(self.directory)
        if request is not None and request.wish is Wish.STOP:
            raise self._stopped(step, request)
        if request is None:
            self._goes_on(step)
            return False
        if self._since is None:
            self._since = time.monotonic()
            self.emit(Event("paused", step, {"reasons": [str(request)]}))
        self.emit(said(step, f"pauses {request}"))
        return True

    def wait(self, step: str) -> None:
        """Return when no pause is asked for; raises StoppedError where a stop is."""
        while self.paused(step):
            time.sleep(_LOOK)

    def _stopped(self, step: str, request: Request) -> StoppedError:
        """Return the end of the run; what was asked for is done, and asks nothing of the next."""
        (self.directory / _FILE).unlink(missing_ok=True)
        self.emit(Event("stopped", step, {"reasons": [str(request)]}))
        remedy = "What is done stays done. Run it again: it goes on from there."
        return StoppedError(f"Stopped before the next part of {step}, {request}.", remedy=remedy)

    def _goes_on(self, step: str) -> None:
        if self._since is not None:
            waited, self._since = time.monotonic() - self._since, None
            self.emit(Event("resumed", step, {"seconds": waited}))
