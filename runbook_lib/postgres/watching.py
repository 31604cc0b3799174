"""Look at a server from a thread, with a session of its own that is ended for certain."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager, suppress

from runbook_lib.errors import RunbookError
from runbook_lib.postgres.connection import Connection, Database, SideSession

WATCHERS = 7
"""How many sessions there are besides that of the file while a migration runs: the runner's own,
those that look at the target's health, its schema, lock waits, writes, and index builds, and one
that asks about an answer that is late."""

_BEATS = 4  # within the time after which the server ends a session
_PATIENCE = 10.0  # seconds that the last look may take, then again after it was cancelled


@contextmanager
def kept_alive(connection: Connection, bound: float) -> Iterator[None]:
    """Let the server hear of a session that idles while the block runs.

    So it may end, after ``bound`` seconds, one of which it hears nothing.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(bound / _BEATS) and not connection.closed:
            with suppress(RunbookError):  # whoever uses the session meets the same
                connection.rows("SELECT 1")

    with ThreadPoolExecutor(1, thread_name_prefix="heartbeat") as thread:
        thread.submit(beat)
        try:
            yield
        finally:
            over.set()


class Watcher:
    """Own one session and the one thread that uses it; nobody else may.

    ``prepare`` is called with each session that is opened: the first with the first look, another
    when one was lost.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        prepare: Callable[[Connection], object] = lambda _: None,
        patience: float = _PATIENCE,
    ) -> None:
        self._session = SideSession(database, prepare)
        self._patience = patience
        self._ended = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def do(self, act: Callable[[SideSession], None]) -> "Future[None]":
        """Do this with the session, behind what was asked before."""
        return self._thread.submit(act, self._session)

    def look(
        self,
        at: Callable[[SideSession], object],
        every: float,
        lost: Callable[[RunbookError], object] = lambda _: None,
        *,
        after: float = 0.0,
    ) -> None:
        """Look until the end, with pauses of ``every`` seconds, the first time ``after`` so many.

        What fails is told to ``lost``, and looked at again in a new session.
        """

        def repeat(session: SideSession) -> None:
            pause = after
            while not self._ended.wait(pause):
                try:
                    at(session)
                except RunbookError as error:
                    session.close()
                    lost(error)
                pause = every

        self.do(repeat)

    def close(self) -> None:
        """End thread and session: what was asked for is done, what hangs is cancelled."""
        self._ended.set()
        last = self.do(lambda session: session.close())
        self._thread.shutdown(wait=False)
        with suppress(NotInTime):
            last.result(self._patience)
            return
        self._session.cancel()
        with suppress(NotInTime):
            last.result(self._patience)
            return
        self._session.close()  # the server is gone: what waits for its answer fails
