"""Look after the target while it is migrated: who blocks whom, how it is, who else changes it."""

from collections.abc import Sequence, Set
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from runbook_lib.evidence.sender import Watcher
from runbook_lib.migrate.drift import DriftWatch
from runbook_lib.migrate.health import HealthGate
from runbook_lib.migrate.waits import WaitWatch, describe
from runbook_lib.migrate.write_probe import Notes, WriteProbe
from runbook_lib.policy import Policy
from runbook_lib.postgres.connection import Database, Row, SideSession


class Unguarded:
    """Stand for a guard where nobody else works: in a rehearsal's scratch database."""

    def ready(self, step: str) -> None:
        """Return when the target is well; no transaction is open."""

    def watching(self, step: str, pid: int) -> AbstractContextManager[None]:
        """Tell, while the block runs, who keeps this backend waiting."""
        return nullcontext()

    def committing(self, step: str) -> None:
        """Look, right before a COMMIT, what others have changed."""

    def committed(self) -> None:
        """Look at the schema as our transaction left it."""

    def passed(self, step: str, own: Set[str]) -> None:
        """Look behind what is in no transaction; ``own`` are the names it may have changed."""


class Guard(Unguarded):
    """Guard one target; as a context manager it measures what its traffic feels.

    ``tables`` are touched by the write probe, ``disks`` are what can be seen of the target's and
    the evidence's, ``known`` is the schema as the step before left it, None where there was none.
    """

    def __init__(
        self,
        database: Database,
        policy: Policy,
        watcher: Watcher,
        notes: Notes,
        tables: Sequence[tuple[str, str]] = (),
        disks: tuple[Path, ...] = (),
        known: str | None = None,
    ) -> None:
        self._watcher = watcher
        self._probe = WriteProbe(database, policy, tables, notes)
        self._session = SideSession(database)
        latest = lambda: self._probe.latest  # noqa: E731
        self._health = HealthGate(self._session, policy, disks, latest, watcher)
        self._drift = DriftWatch(self._session, known, self._foreign)
        self._first: Future[None] | None = None

    def __enter__(self) -> Self:
        self._probe.__enter__()
        if self._drift.known is None:
            self._first = self._drift.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._probe.__exit__(kind, error, trace)
        self._drift.close()
        self._session.close()

    @property
    def schema(self) -> str | None:
        """Return the schema as it was last seen; after the block, as the last step left it."""
        return self._drift.known

    def ready(self, step: str) -> None:
        """Return when the target is well; the first time, take note of its schema."""
        self._health.check(step)

    def watching(self, step: str, pid: int) -> AbstractContextManager[None]:
        """Journal who keeps the backend waiting, each time that this changes."""
        if self._first is not None:
            self._first.result()  # what is there before our first statement
            self._first = None

        def tell(blockers: Sequence[Row]) -> None:
            self._watcher.event("waiting", step, blockers=blockers)
            self._watcher.said(f"waits for {describe(blockers)}")

        return WaitWatch(self._session, tell).watching(pid)

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
        self._watcher.event("foreign", step, objects=objects)
