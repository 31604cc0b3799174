"""Apply a release as the runbook's migration phase does, in a process that a test may kill.

Faults are injected from here alone: a journal that kills its own process, or waits for the test,
right before or after it writes a certain line.
"""

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_lib.config.policies import Policy
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.journal import Event, Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard
from runbook_lib.parser.statement import Split
from runbook_lib.postgres.connection import Database
from runbook_lib.release.reader import read_release
from tests.support.policies import changed

_PATIENCE = 60.0  # seconds that a held run waits for its test
HELD, GO = "held", "go"  # files beside the journal


@dataclass(frozen=True)
class Fault:
    """Name a line of the journal, by its event and how often it came, and what happens at it.

    The run kills itself, or with ``hold`` waits until the test lets it go; right after the line is
    written, or with ``before`` when it is about to be.
    """

    event: str
    nth: int = 1
    before: bool = False
    hold: bool = False


@dataclass(frozen=True)
class Orders:
    """Hold what a driver is told: passed to its process as JSON."""

    release: str
    journal: str
    database: Mapping[str, str]
    policy: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fault: Mapping[str, Any] | None = None
    file_limit: int = 0  # bytes that any file may grow to, 0 for as many as there is room for


class FaultyJournal(Journal):
    """Do what the fault says at its line."""

    def __init__(self, path: Path, fault: Fault | None) -> None:
        super().__init__(path)
        self._fault = fault
        self._seen = 0

    def _around(self, event: str, write: Callable[[], None]) -> None:
        fault = self._fault
        if fault is None or event != fault.event:
            write()
            return
        self._seen += 1
        now = self._seen == fault.nth
        if now and fault.before:
            self._strike(fault)
        write()
        if now and not fault.before:
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        if not fault.hold:
            os.kill(os.getpid(), signal.SIGKILL)
        self.path.with_name(HELD).touch()
        until = time.monotonic() + _PATIENCE
        while not self.path.with_name(GO).exists():
            if time.monotonic() > until:
                raise TimeoutError("The test never let the run go on.")
            time.sleep(0.01)

    def emit(self, event: Event) -> None:
        self._around(event.name, lambda: super(FaultyJournal, self).emit(event))


def drive(orders: Orders) -> list[str]:
    """Apply every migration of the release in order; return how each one ended."""
    path = Path(orders.journal)
    journal = FaultyJournal(path, Fault(**orders.fault) if orders.fault else None)
    database, policy = Database(orders.database), changed(Policy(), **orders.policy)
    notes = Journal(path.with_name("traffic.jsonl"))
    outcomes = []
    for migration in read_release(Path(orders.release)).migrations:
        chosen = orders.splits.get(migration.name, {})
        split = Split(**{name: tuple(numbers) for name, numbers in chosen.items()})
        with Guard(database, policy, journal.emit, notes) as guard:
            applier = Applier(database, policy, journal.emit, guard=guard)
            outcome = applier.migrate(migration, journal.own_rows, split)
        outcomes.append(outcome.value)
    return outcomes


def main(told: str) -> int:
    """Carry out orders in JSON; the last line of the output is JSON, too."""
    orders = Orders(**json.loads(told))
    if orders.file_limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writes then fail as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (orders.file_limit, resource.RLIM_INFINITY))
    try:
        outcomes = drive(orders)
    except RunbookError as error:
        said = {"error": type(error).__name__, "said": str(error), "sqlstate": error.sqlstate}
        print(json.dumps({**said, "outcomes": []}))
        return 1
    print(json.dumps({"error": "", "said": "", "sqlstate": None, "outcomes": outcomes}))
    return 0
