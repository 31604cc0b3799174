"""Ask between two transactions whether the target is well; wait while it is not, then stop."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import GateError
from runbook_lib.evidence.sender import Watcher
from runbook_lib.formatting import duration
from runbook_lib.policy import Policy
from runbook_lib.postgres.connection import SideSession
from runbook_lib.postgres.queries import load

_LOOK = 0.5  # seconds between two looks
_MEGABYTE = 1024 * 1024


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
    watcher: Watcher
    _looked: float = float("-inf")

    def check(self, step: str) -> None:
        """Return when the target is well; raises GateError with why after ``health_wait``.

        A look counts for half a second.
        """
        if time.monotonic() - self._looked < _LOOK:
            return
        reasons = list(self._reasons())
        self._looked = time.monotonic()
        if not reasons:
            return
        begin = time.monotonic()
        self.watcher.event("paused", step, reasons=reasons)
        while reasons:
            waited = time.monotonic() - begin
            if waited >= self.policy.health_wait:
                message = f"The target is not well for {duration(waited)}: {'; '.join(reasons)}."
                remedy = "Clear that up, or change the policy; run again, and it goes on from here."
                raise GateError(message, remedy=remedy)
            self.watcher.said(f"pauses: {'; '.join(reasons)}")
            time.sleep(_LOOK)
            reasons = list(self._reasons())
        self.watcher.event("resumed", step, seconds=time.monotonic() - begin)

    def _reasons(self) -> Iterator[str]:
        (row,) = self.session.rows(load("health"))
        lag, waiting = row["replica_lag"], row["waiting_sessions"]
        if lag is not None and lag > self.policy.replica_lag:
            yield f"a replica lags {duration(lag)} (policy: {duration(self.policy.replica_lag)})"
        if waiting > self.policy.waiting_sessions:
            yield f"{waiting} sessions wait for locks (policy: {self.policy.waiting_sessions})"
        took = self.latency()
        if took is not None and took > self.policy.write_latency:
            bound = duration(self.policy.write_latency)
            yield f"a tiny write took {duration(took)} (policy: {bound})"
        for directory in self.disks:
            free = shutil.disk_usage(directory).free // _MEGABYTE
            if free < self.policy.disk_free:
                yield f"{free:,} MB are free under {directory} (policy: {self.policy.disk_free:,})"
