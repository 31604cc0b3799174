"""Measure what the application's traffic feels: a tiny write, a few times a second, from a thread.

A scratch table would be one more change of the target, left behind by a kill. The write is a
message in the WAL instead (PostgreSQL manual, 9.28.6): its COMMIT waits for the disk as any other,
and nothing stays. On each touched table it queues for the lock that INSERT takes, and reads a row.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from typing import Protocol, Self

from runbook_lib.config.policies import Policy
from runbook_lib.errors import RunbookError, StatementError
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier, Query
from runbook_lib.postgres.watching import Watcher

_PAUSE = 0.25  # seconds between two measurements
_PATIENCE = 2.0  # seconds beyond lock_timeout: longer than any writer may wait
_WRITE = "SELECT pg_logical_emit_message(true, 'runbook', '')"
# ONLY: a lock on a partitioned table would take all of its partitions' too.
_TOUCH = SQL("LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE; SELECT FROM {table} LIMIT 1")


class Notes(Protocol):
    """Keep the measurements."""

    def sample(self, **content: object) -> None:
        """Take note of one measurement."""


class WriteProbe(ExitStack):
    """Write and touch the tables until the block ends; ``latest`` is in seconds, None before."""

    def __init__(
        self, database: Database, policy: Policy, tables: Sequence[tuple[str, str]], notes: Notes
    ) -> None:
        super().__init__()
        self._database = database
        self._bound = policy.locks.timeout + _PATIENCE
        self._tables = [Identifier(*table) for table in tables]
        self._notes = notes
        self.latest: float | None = None

    def __enter__(self) -> Self:
        watcher = Watcher(self._database, "write probe", self._prepare)
        self.enter_context(closing(watcher))
        watcher.look(lambda session: self._measure(session.connection()), _PAUSE, self._lost)
        return self

    def _prepare(self, connection: Connection) -> None:
        bound = str(round(self._bound * 1000))
        connection.set({"lock_timeout": bound, "statement_timeout": bound})

    def _lost(self, error: RunbookError) -> None:
        """Take note that the server is gone, which traffic feels as well."""
        with suppress(RunbookError):  # no room for evidence stops the migration itself
            self._notes.sample(seconds=None, outcome=error.message)

    def _measure(self, connection: Connection) -> None:
        """Take one sample: the write, and the slowest of the tables."""
        write, _ = _timed(connection, _WRITE)
        slowest, table, outcome = 0.0, "", "done"
        for name in self._tables:
            seconds, failed = _timed(connection, _TOUCH.format(table=name))
            outcome = failed or outcome
            if seconds > slowest:
                slowest, table = seconds, name.as_string()
        self.latest = max(write, slowest)
        self._notes.sample(seconds=self.latest, write=write, table=table, outcome=outcome)


def _timed(connection: Connection, sql: Query) -> tuple[float, str]:
    """Return the seconds it took, and the server's words where it did not come to an end."""
    begin = time.perf_counter()
    failed = ""
    try:
        connection.execute(sql)
    except StatementError as error:
        failed = error.message
    return time.perf_counter() - begin, failed
