"""Let one process at a time write into a run directory, and say who it is."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

from runbook_lib.errors import EvidenceError, GateError, ToolError
from runbook_lib.postgres.cluster import is_held, lock

_FILE = ".writer"  # the lock, and who holds it; no evidence
_LET_IN = "RUNBOOK_WRITER"  # the token of the runner whose kernels write as well
_PATIENCE = 0.2  # seconds: whoever only looks holds the lock for a moment


@dataclass(frozen=True)
class Writer:
    """Hold who writes into a run directory; the ``token`` tells this time from every other."""

    act: str
    user: str
    host: str
    pid: int
    since: str
    token: str

    @classmethod
    def of(cls, act: str) -> "Writer":
        """Return this process as it begins an act."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(act, whoever(), socket.gethostname(), os.getpid(), since, secrets.token_hex(8))

    def __str__(self) -> str:
        return f"{self.act}, pid {self.pid} of {self.user} on {self.host} since {self.since}"


def whoever() -> str:
    """Return the name of the account that works here, its number where it has none."""
    try:
        return getuser()
    except (KeyError, OSError):  # containers have accounts without a name
        return f"uid {os.getuid()}"


def writer_of(directory: Path) -> Writer | None:
    """Return who writes into a run directory at the moment, None where nobody does."""
    said = _read(directory)
    return said if said and is_held(directory / _FILE) else None


def _read(directory: Path) -> Writer | None:
    """Return who said last that it writes, though it may have been killed since."""
    try:
        return Writer(**json.loads((directory / _FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # nobody did, or it is being written
        return None


@contextmanager
def writing(directory: Path, act: str) -> Iterator[None]:
    """Hold a run directory for the block, against every other process.

    Programs that are started meanwhile, such as the kernels of a headless run, are let in. Raises
    GateError with who is at work where somebody else is.
    """
    if _let_in(directory):
        yield
        return
    held = _take(directory)
    try:
        mine = Writer.of(act)
        os.ftruncate(held, 0)
        os.pwrite(held, json.dumps(asdict(mine)).encode(), 0)
        os.environ[_LET_IN] = mine.token
        yield
    finally:
        os.environ.pop(_LET_IN, None)
        os.ftruncate(held, 0)
        os.close(held)


def _let_in(directory: Path) -> bool:
    """Tell whether the process that holds the directory has started this one."""
    holder = writer_of(directory)
    return holder is not None and holder.pid != os.getpid() and is_ours(holder)


def is_ours(writer: Writer) -> bool:
    """Tell whether this process is the writer, or was started by it."""
    return writer.token == os.environ.get(_LET_IN)


def _take(directory: Path) -> int:
    """Return the descriptor that holds the lock; its end lets go of it, however it comes."""
    path = directory / _FILE
    try:
        return lock(path, fcntl.LOCK_EX, _PATIENCE)
    except ToolError:
        who = _read(directory) or "another process"
        message = f"This run is being worked on ({who}); nothing was done."
        remedy = f"Follow it: python -m runbook_lib watch {directory} (or pause, or stop)."
        raise GateError(message, remedy=remedy) from None
    except OSError as error:
        message = f"The run directory cannot be locked: {error.strerror}."
        raise EvidenceError(message, path=path, remedy="Give access.") from error
