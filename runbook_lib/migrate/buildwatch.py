"""Watch concurrent index builds: phase, percent, time left, and who keeps them waiting."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.evidence.sender import Watcher
from runbook_lib.formatting import duration
from runbook_lib.migrate.waits import describe
from runbook_lib.policy import Policy
from runbook_lib.postgres.connection import Connection, Row
from runbook_lib.postgres.queries import load

_WORTH_TELLING = 1.0  # seconds; builds wait for each other a moment


@dataclass
class BuildWatch:
    """Look at the builds of one step from a session of its own."""

    connection: Connection
    policy: Policy
    watcher: Watcher
    step: str
    _phases: dict[int, tuple[str, float]] = field(default_factory=dict)  # by pid: since when
    _waits: dict[int, tuple[str, float]] = field(default_factory=dict)  # by pid: told, since when

    def look(self, running: Mapping[int, str]) -> None:
        """Show how far each build is, journal what changed, give up one that waits too long.

        ``running`` names by backend pid the index that is built.
        """
        names = dict(running)
        if not names:
            return
        blockers: dict[int, list[Row]] = {}
        for row in self.connection.rows(load("blockers"), {"pids": list(names)}):
            blockers.setdefault(row["waits"], []).append(row)
        rows = {row["pid"]: row for row in self.connection.rows(load("build_progress"))}
        shown = []
        for pid, name in names.items():
            shown.append(f"{name}: {self._progress(pid, name, rows.get(pid))}")
            shown[-1] += self._blocked(pid, name, blockers.get(pid, []))
        self.watcher.said("; ".join(shown))

    def _progress(self, pid: int, name: str, row: Row | None) -> str:
        phase = row["phase"] if row else "waiting for its turn"
        now = time.monotonic()
        before, since = self._phases.get(pid, ("", now))
        if f"{name} {phase}" != before:
            since = now
            self._phases[pid] = f"{name} {phase}", now
            self.watcher.event("phase", self.step, index=name, phase=phase, pid=pid)
        if row is None:
            return phase
        kind = "blocks" if row["blocks_total"] else "tuples"
        done, total = row[f"{kind}_done"] or 0, row[f"{kind}_total"] or 0
        if not total:
            return str(phase)
        left = (now - since) * (total - done) / done if done else 0.0
        eta = f", {duration(left)} left" if left else ""
        return f"{phase} {100 * done // total} % ({done:,} of {total:,} {kind}{eta})"

    def _blocked(self, pid: int, name: str, blockers: list[Row]) -> str:
        if not blockers:
            self._waits.pop(pid, None)
            return ""
        now = time.monotonic()
        told, since = self._waits.get(pid, ("", now))
        waited = now - since
        pids = ",".join(str(row["pid"]) for row in blockers)
        if pids != told and waited >= _WORTH_TELLING:
            self.watcher.event("waiting", self.step, statement=name, blockers=blockers)
            told = pids
        self._waits[pid] = told, since
        if waited > self.policy.build_wait:
            self.watcher.event("given up", self.step, index=name, waited=waited, blockers=blockers)
            self.connection.rows("SELECT pg_cancel_backend(%(pid)s)", {"pid": pid})
            self._waits.pop(pid)
        return f", waits for {describe(blockers)}"
