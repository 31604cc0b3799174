"""Give tests other people's sessions: ones that hold locks, that write, that do DDL."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from runbook_lib.evidence.journal import Event, Journal
from runbook_lib.postgres.connection import Connection, Database

PATIENCE = 20.0  # seconds until a test gives up


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; fails when it does not come true in time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.02)


@contextmanager
def holding(database: Database, sql: str, application: str = "shop") -> Iterator[Connection]:
    """Hold a transaction that has run ``sql`` and idles, until the block ends."""
    other = Database({**database.parameters, "application_name": application})
    with other.connect() as session, session.transaction():
        # Whatever waits for this is let go where a test fails.
        session.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{1.5 * PATIENCE}s'")
        session.execute(sql)
        yield session


@contextmanager
def beside(act: Callable[[], object]) -> Iterator["Future[object]"]:
    """Run something in a thread of its own while the block runs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(act)


def waiting(connection: Connection, pid: int = 0) -> int:
    """Return how many sessions wait for a lock, or whether one does."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    sql += " AND datname = current_database() AND (pid = %(pid)s OR %(pid)s = 0)"
    return int(connection.value(sql, {"pid": pid}))


class Writer:
    """Run a statement over and over, as an application does; ``longest`` is in seconds."""

    def __init__(self, database: Database, sql: str) -> None:
        self._database, self._sql = database, sql
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.longest = 0.0
        self.written = 0

    def __enter__(self) -> "Writer":
        self._thread.start()
        until(lambda: self.written)
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        with self._database.connect() as session:
            while not self._ended.is_set():
                begin = time.monotonic()
                session.execute(self._sql)
                self.longest = max(self.longest, time.monotonic() - begin)
                self.written += 1
                time.sleep(0.01)


class Acting(Journal):
    """Keep a journal, and do something else the first time a statement of a line starts."""

    def __init__(self, journal: Journal, line: int, act: Callable[[], object]) -> None:
        super().__init__(journal.path)
        self._line, self._act, self._done = line, act, False

    def emit(self, event: Event) -> None:
        if event.statement and event.statement.line == self._line and not self._done:
            self._done = True
            self._act()
        super().emit(event)


def events(journal: Journal, name: str) -> list[dict[str, Any]]:
    """Return the lines of one event."""
    return [line for line in journal.lines() if line["event"] == name]
