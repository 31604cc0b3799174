"""Processes that a test may kill, forked from one that has the imports already.

A fresh interpreter spends most of a second on importing; there are hundreds of these processes.
What is forked is a process of its own all the same: its own session, its own memory, connections
that it opens itself. The fork server has no threads and no connection, and ends with the tests.
"""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import cast

from tests.support.projects import REPOSITORY

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT: ForkServerContext | SpawnContext = (
    multiprocessing.get_context("forkserver") if _FORKS else multiprocessing.get_context("spawn")
)
_MAINS = ["tests.support.faults.driver", "tests.support.faults.undoer"]
_OUTPUT = 1 << 20  # bytes, more than any of them says

Main = Callable[[str], int]


def _serve() -> None:
    """See that the fork server runs: its imports are found from the root of the repository."""
    if _FORKS:
        _CONTEXT.set_forkserver_preload(_MAINS)
        with contextlib.chdir(REPOSITORY):
            forkserver.ensure_running()


def _become(main: Main, told: str, out: Pipe, err: Pipe) -> None:
    """Be the process: in a session of its own, with its output into the pipes."""
    if hasattr(os, "setsid"):
        os.setsid()
    os.chdir(REPOSITORY)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.exit(main(told))


class Forked:
    """Run ``main`` in a process of its own; speak of it as of a ``subprocess.Popen``."""

    def __init__(self, main: Main, told: str) -> None:
        _serve()
        ends: list[tuple[Pipe, Pipe]] = [_CONTEXT.Pipe(duplex=False) for _ in range(2)]
        self._pipes = [reader for reader, _ in ends]
        out, err = (writer for _, writer in ends)
        self._process = _CONTEXT.Process(target=_become, args=(main, told, out, err), daemon=True)
        self._process.start()
        out.close()
        err.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    @property
    def pid(self) -> int:
        return cast("int", self._process.pid)

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        if self.poll() is None:
            self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote to its output and to its errors, once it has ended."""
        self._process.join(timeout)
        if self.poll() is None:
            raise TimeoutError(f"The process {self.pid} did not end within {timeout} s.")
        out, err = (_rest(pipe) for pipe in self._pipes)
        return out, err


def _rest(pipe: Pipe) -> str:
    """Return what is in a pipe; a program that outlived its starter may hold the other end."""
    if pipe.closed:
        return ""
    os.set_blocking(pipe.fileno(), False)
    written = b""
    with pipe, contextlib.suppress(BlockingIOError):
        while data := os.read(pipe.fileno(), _OUTPUT):
            written += data
    return written.decode()
