"""Look after the target while it is migrated: who blocks whom, how it is, who else changes it."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError
from runbook_lib.evidence.journal import WAITING, Event, Listener, said
from runbook_lib.evidence.requests import Requests
from runbook_lib.formatting import duration
from runbook_lib.migrate.drift import DriftWatch
from runbook_lib.migrate.write_probe import Notes, WriteProbe
from runbook_lib.postgres.connection import Connection, Database, Row, SideSession
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.watching import Watcher

_LOOK = 0.5  # seconds between two looks
_MEGABYTE = 1024 * 1024

_BETWEEN_LOOKS = 0.25  # seconds


class Unguarded:
    """Stand for a guard where nobody else works: in a rehearsal's scratch database."""

    def ready(self, step: str) -> None:
        """Return when the target is well; no transaction is open."""

    def paused(self, step: str) -> bool:
        """Tell whether somebody asked for a pause; raises StoppedError where for a stop."""
        return False

    def watching(self, step: str, pid: int) -> AbstractContextManager[None]:
        """Tell, while the block runs, who keeps this backend waiting."""
        return nullcontext()

    def committing(self, step: str) -> None:
        """Look, right before a COMMIT, what others have changed."""

    def committed(self) -> None:
        """Look at the schema as our transaction left it."""

    def passed(self, step: str, own: Set[str]) -> None:
        """Look behind what is in no transaction; ``own`` are the names it may have changed."""


class Guard(ExitStack, Unguarded):
    """Guard one target; as a context manager it measures what its traffic feels.

    ``tables`` are touched by the write probe, ``disks`` are what can be seen of the target's and
    the evidence's, ``known`` is the schema as the step before left it, None where there was none,
    ``requests`` what people ask of the run.
    """

    def __init__(
        self,
        database: Database,
        policy: Policy,
        emit: Listener,
        notes: Notes,
        *,
        tables: Sequence[tuple[str, str]] = (),
        disks: tuple[Path, ...] = (),
        known: str | None = None,
        requests: Requests | None = None,
    ) -> None:
        super().__init__()
        self._emit = emit
        self._database = database
        self._requests = requests
        self._probe = WriteProbe(database, policy, tables, notes)
        self._session = SideSession(database)  # of the health gate, in the caller's thread
        latest = lambda: self._probe.latest  # noqa: E731
        self._health = HealthGate(self._session, policy, disks, latest, emit)
        self._drift = DriftWatch(database, known, self._foreign)
        self._first: Future[None] | None = None

    def __enter__(self) -> Self:
        self.callback(self._session.close)
        self.callback(self._drift.close)
        self.enter_context(self._probe)
        if self._drift.known is None:
            self._first = self._drift.begin()
        return self

    @property
    def schema(self) -> str | None:
        """Return the schema as it was last seen; after the block, as the last step left it."""
        return self._drift.known

    def ready(self, step: str) -> None:
        """Return when nobody asks for a pause, and the target is well."""
        if self._requests is not None:
            self._requests.wait(step)
        self._health.check(step)

    def paused(self, step: str) -> bool:
        """Tell whether somebody asked for a pause; raises StoppedError where for a stop."""
        return self._requests is not None and self._requests.paused(step)

    def watching(self, step: str, pid: int) -> AbstractContextManager[None]:
        """Journal who keeps the backend waiting, each time that this changes."""
        if self._first is not None:
            self._first.result()  # what is there before our first statement
            self._first = None

        def tell(blockers: Sequence[Row]) -> None:
            self._emit(Event(WAITING, step, {"blockers": blockers}))
            self._emit(said(step, f"waits for {describe_blockers(blockers)}"))

        return WaitWatch(self._database, tell).watching(pid)

    def committing(self, step: str) -> None:
        """Say who changed the schema meanwhile; the COMMIT does not wait for it."""
        self._drift.freeze(step)

    def committed(self) -> None:
        """Take the schema as it is now for what the next look compares with."""
        self._drift.begin()

    def passed(self, step: str, own: Set[str]) -> None:
        """Say what others have changed, but for our own names."""
        self._drift.look(step, own)

    def _foreign(self, step: str, objects: list[str]) -> None:
        self._emit(Event("foreign", step, {"objects": objects}))


@dataclass
class HealthGate:
    """Let a migration go on while replicas, lock queues, writes and disks are within the policy.

    ``disks`` are the directories whose room can be seen from here; ``latency`` returns what the
    write probe last measured, in seconds.
    """

    session: SideSession
    policy: Policy
    disks: tuple[Path, ...]
    latency: Callable[[], float | None]
    emit: Listener
    _looked: float = float("-inf")

    def check(self, step: str) -> None:
        """Return when the target is well; raises GateError with why after ``health.wait``.

        A look counts for half a second.
        """
        if time.monotonic() - self._looked < _LOOK:
            return
        reasons = list(self._reasons())
        self._looked = time.monotonic()
        if not reasons:
            return
        begin = time.monotonic()
        self.emit(Event("paused", step, {"reasons": reasons}))
        while reasons:
            waited = time.monotonic() - begin
            if waited >= self.policy.health.wait:
                message = (
                    f"The target has been unhealthy for {duration(waited)}: {'; '.join(reasons)}."
                )
                remedy = "Resolve that or change the policy, then run again: it continues here."
                raise GateError(message, remedy=remedy)
            self.emit(said(step, f"pauses: {'; '.join(reasons)}"))
            time.sleep(_LOOK)
            reasons = list(self._reasons())
        self.emit(Event("resumed", step, {"seconds": time.monotonic() - begin}))

    def _reasons(self) -> Iterator[str]:
        lag, waiting = self._number("health_replicas"), self._number("health_sessions")
        bounds = self.policy.health
        if lag is not None and lag > bounds.replica_lag:
            yield f"a replica lags {duration(lag)} (policy: {duration(bounds.replica_lag)})"
        if waiting is not None and waiting > bounds.waiting_sessions:
            yield f"{waiting:.0f} sessions wait for locks (policy: {bounds.waiting_sessions})"
        took = self.latency()
        if took is not None and took > bounds.write_latency:
            bound = duration(bounds.write_latency)
            yield f"a tiny write took {duration(took)} (policy: {bound})"
        for directory in self.disks:
            free = shutil.disk_usage(directory).free // _MEGABYTE
            if free < bounds.disk_free:
                yield f"{free:,} MB are free under {directory} (policy: {bounds.disk_free:,})"

    def _number(self, query: str) -> float | None:
        """Return what a query counts, None where there is nothing or the role may not look."""
        rows = self.session.seen(load(query)) or ()
        return next((value for row in rows for value in row.values()), None)


def read_blockers(connection: Connection | SideSession, pids: Sequence[int]) -> list[Row]:
    """Return who keeps these backends waiting: of whom the role may see nothing, the pid alone."""
    found = connection.seen(load("blockers"), {"pids": pids})
    return connection.rows(load("blocking_pids"), {"pids": pids}) if found is None else found


def describe_blockers(blockers: Sequence[Row]) -> str:
    """Name blockers for a person: pid, user, application, state, age and start of its query."""
    return "; ".join(f"pid {row['pid']} ({', '.join(_known(row))})" for row in blockers)


def _known(blocker: Row) -> Iterator[str]:
    """Yield what the role may see of a blocker."""
    if blocker["user"]:
        yield blocker["user"]
        yield blocker["application"] or "no application name"
    yield blocker["state"]
    if blocker["query_start"]:
        yield f"for {duration(blocker['age'])}"
        yield f"query of {blocker['query_start']}"


class WaitWatch:
    """Tell who blocks one backend, each time that this changes."""

    def __init__(self, database: Database, tell: Callable[[Sequence[Row]], None]) -> None:
        self._database = database
        self._tell = tell
        self._known = ""

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Look at the backend for as long as the block runs, which often is too short for it."""
        with closing(Watcher(self._database, "waits")) as watcher:
            # What is lost is not told: the session that is watched meets the same trouble.
            look = partial(self._look, pid)
            watcher.look(look, _BETWEEN_LOOKS, after=_BETWEEN_LOOKS)
            yield

    def _look(self, pid: int, session: SideSession) -> None:
        rows = read_blockers(session, [pid])
        pids = ",".join(str(row["pid"]) for row in rows)
        if pids != self._known and rows:
            self._tell(rows)
        self._known = pids
