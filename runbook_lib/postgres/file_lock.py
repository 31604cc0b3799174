"""Hold flock(2) locks: they end with their process, however it ends."""

import fcntl
import os
import time
from pathlib import Path

from runbook_lib.errors import ToolError


def stays_free(held: int, grace: float) -> bool:
    """Hold a lock exclusively once it was free for `grace` seconds; False when it was not."""
    deadline = time.monotonic() + grace
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        fcntl.flock(held, fcntl.LOCK_UN)
        time.sleep(min(0.2, left))


def try_lock(path: Path, kind: int) -> int | None:
    """Return a descriptor that holds the lock, or None where somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def lock(path: Path, kind: int, patience: float) -> int:
    """Return a descriptor that holds the lock; raises ToolError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (held := try_lock(path, kind)) is None:
        if time.monotonic() >= deadline:
            raise ToolError(
                f"The lock was held by another process for {patience:g} s.",
                path=path,
                remedy="Look for a start or stop that hangs.",
            )
        time.sleep(0.02)
    return held
