"""Give tests directories in memory: most of what a test's server waits for is the disk.

The directory of a session is ``/dev/shm/runbook-tests-PID``, of the process that started it; the
workers of pytest-xdist share it. Without room in memory it is pytest's own, on the disk.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.postgres.embedded import Sandbox

_MEMORY = Path("/dev/shm")
_NAME = "runbook-tests-"
_ROOM = 4_000_000_000  # bytes that have to be free; a whole session uses half of it
_VARIABLE = "RUNBOOK_TESTS_MEMORY"  # tells the workers

MakeDirectory = Callable[[str], Path]


def _controls() -> bool:
    return "PYTEST_XDIST_WORKER" not in os.environ


def pytest_configure() -> None:
    if not _controls():
        return
    os.environ.pop(_VARIABLE, None)
    if not os.access(_MEMORY, os.W_OK):
        return
    for left in _MEMORY.glob(f"{_NAME}*"):
        if not Path("/proc", left.name.removeprefix(_NAME)).exists():
            _remove(left)  # of a session that was killed
    if shutil.disk_usage(_MEMORY).free > _ROOM:
        made = _MEMORY / f"{_NAME}{os.getpid()}"
        made.mkdir(mode=0o700)
        os.environ[_VARIABLE] = str(made)


def pytest_unconfigure() -> None:
    if _controls() and (made := os.environ.pop(_VARIABLE, "")):
        _remove(Path(made))


def _remove(directory: Path) -> None:
    """Remove a session's directory with the servers in it."""
    for base in directory.glob("*/.runbook"):
        Sandbox(base.parent).stop()
    shutil.rmtree(directory, ignore_errors=True)


def shared_directory(factory: pytest.TempPathFactory) -> Path:
    """Return the directory that all workers of a session share."""
    if made := os.environ.get(_VARIABLE):
        directory = Path(made, "shared")
        directory.mkdir(exist_ok=True)
        return directory
    return factory.getbasetemp() if _controls() else factory.getbasetemp().parent


@pytest.fixture(scope="session")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> MakeDirectory:
    """Return what makes a new directory, in memory where there is room."""

    def make(name: str) -> Path:
        if made := os.environ.get(_VARIABLE):
            return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=made))
        return tmp_path_factory.mktemp(name)

    return make
