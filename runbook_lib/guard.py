"""Look after the target while it is migrated: who blocks whom, how it is, who else changes it."""

from collections.abc import Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from runbook_lib.database import Database, Row
from runbook_lib.drift import DriftWatch, Stamps
from runbook_lib.health import HealthGate
from runbook_lib.policy import Policy
from runbook_lib.sending import Watcher
from runbook_lib.traffic import Notes, WriteProbe
from runbook_lib.waits import WaitWatch, describe


class Unguarded:
    """Stand for a guard where nobody else works: in a rehearsal's scratch database."""

    def ready(self, step: str) -> None:
        """Return when the target is well; no transaction is open."""

    def watching(self, step: str, pid: int) -> AbstractContextManager[None]:
        """Tell, while the block runs, who keeps this backend waiting."""
        return nullcontext()

    def committing(self, step: str) -> None:
        """Look, right before the COMMIT of a whole file, what others have changed."""

    def ended(self, step: str, own: Set[str]) -> None:
        """Look at the schema as a file left it; ``own`` are the names that it may have changed."""


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
        known: Stamps | None = None,
    ) -> None:
        self._watcher = watcher
        self._database = database
        self._probe = WriteProbe(database, policy, tables, notes)
        self._health = HealthGate(database, policy, disks, lambda: self._probe.latest, watcher)
        self._drift = DriftWatch(database, known)

    def __enter__(self) -> Self:
        self._probe.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._probe.__exit__(kind, error, trace)
        self._drift.close()

    @property
    def schema(self) -> Stamps:
        """Return the schema as it was last seen."""
        return self._drift.known or {}

    def ready(self, step: str) -> None:
        """Return when the target is well; the first time, take note of its schema."""
        self._health.check(step)
        if self._drift.known is None:
            self._drift.look()

    def watching(self, step: str, pid: int) -> AbstractContextManager[None]:
        """Journal who keeps the backend waiting, each time that this changes."""

        def tell(blockers: Sequence[Row]) -> None:
            self._watcher.event("waiting", step, blockers=blockers)
            self._watcher.said(f"waits for {describe(blockers)}")

        return WaitWatch(self._database, tell).watching(pid)

    def committing(self, step: str) -> None:
        """Say who changed the schema meanwhile."""
        self._tell(step, self._drift.look())

    def ended(self, step: str, own: Set[str]) -> None:
        """Say what a file of several transactions cannot have changed; remember the schema."""
        self._tell(step, self._drift.look(own))

    def _tell(self, step: str, found: list[str]) -> None:
        if found:
            self._watcher.event("foreign", step, objects=found)
