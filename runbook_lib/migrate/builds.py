"""Build indexes while the application writes: side by side, watched, and read back."""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from runbook_lib.evidence.sender import Sender
from runbook_lib.migrate.buildwatch import BuildWatch
from runbook_lib.migrate.index_builds import Work
from runbook_lib.parser.statement import DbObject, Statement
from runbook_lib.policy import Policy
from runbook_lib.postgres.connection import Database

_LOOK = 0.5  # seconds between two looks at the builds
_UNSEEN_CORES = 2  # of a server on another machine
_LOCAL = {"", "localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Builder:
    """Build the indexes of one step, never two on one table at a time.

    Each table has a session of its own, without lock_timeout, which would cancel a build even for a
    transaction on another table (PostgreSQL manual, CREATE INDEX, "Building Indexes Concurrently").
    """

    database: Database
    policy: Policy
    sender: Sender

    def build(
        self,
        step: str,
        unit: int,
        statements: Sequence[Statement],
        settings: Sequence[str],
        *,
        unsure: bool,
    ) -> None:
        """Build all of them; ``settings`` are the SET statements of the file before them.

        ``unsure`` says that an earlier try may have run some: a valid index then is its work, and
        a build that still runs on the server is waited for. An invalid leftover is dropped. After
        a failure no further build begins; raises the first error once those that run have ended.
        """
        tables: dict[DbObject, list[Statement]] = {}
        for statement in statements:
            tables.setdefault(statement.locks[0].relation, []).append(statement)
        waiting = deque(tables.values())
        work = Work(self.database, self.policy, self.sender, step, unit, settings, unsure, waiting)
        with ThreadPoolExecutor(thread_name_prefix="build") as pool:
            lanes = [pool.submit(work.lane) for _ in range(min(self._lanes(), len(tables)))]
            try:
                self._watch(work, lanes)
            except BaseException:  # an interrupt, or a watch that lost the server
                work.stop()
                raise
        work.stopped.set()
        for error in filter(None, (lane.exception() for lane in lanes)):
            raise error

    def _lanes(self) -> int:
        if self.sender.probe is not None:  # what it sees has to be of one statement
            return 1
        host = self.database.parameters.get("host", "")
        cores = os.cpu_count() or 1 if host in _LOCAL or host.startswith("/") else _UNSEEN_CORES
        return self.policy.index_lanes or cores

    def _watch(self, work: Work, lanes: Sequence["Future[None]"]) -> None:
        """Look at the builds until all have ended; after the first error none begins."""
        if self.sender.probe is not None:  # a rehearsal: nobody else is there
            wait(lanes)
            return
        with self.database.connect() as connection:
            watch = BuildWatch(connection, self.policy, self.sender.watcher, work.step)
            left = set(lanes)
            while left:
                done, left = wait(left, timeout=_LOOK, return_when=FIRST_EXCEPTION)
                if any(lane.exception() for lane in done) and not self.sender.go_on:
                    work.stopped.set()
                watch.look(work.running)
