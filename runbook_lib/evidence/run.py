"""Know where a run stands: its plan, its records, and what the server says is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import GateError
from runbook_lib.evidence.directory import Journal, RunDirectory, file_name
from runbook_lib.evidence.position import read_position
from runbook_lib.evidence.records import Backup
from runbook_lib.findings import Finding
from runbook_lib.parser.statement import PHASES, ROLLBACK, Plan, Release, Step, StepKind, Target
from runbook_lib.policy import Environment, Policy
from runbook_lib.postgres import ledger
from runbook_lib.postgres.build import has_rows
from runbook_lib.postgres.connection import Connection, Database

_BY_NAME = {phase.name: phase for phase in (*PHASES, ROLLBACK)}
REVIEW, REHEARSAL = "10_review", "rehearsal"  # records besides those of the phases
TRAFFIC = "traffic.jsonl"  # what the write probe measured
SCHEMA_BEFORE = "schema_before_"  # and the step's record: the schema before its first try


@dataclass(frozen=True)
class Run:
    """Hold one run of one release on one target. What is done is read from records and server."""

    root: Path
    environment: Environment
    release: Release
    database: Database
    target: Target
    plan: Plan
    directory: RunDirectory
    journal: Journal
    phase: str
    given: str

    @property
    def policy(self) -> Policy:
        """Return the environment's policy."""
        return self.environment.policy

    def record(self, passed: bool, content: dict[str, Any], name: str = "") -> None:
        """Write the phase's record, bound to the plan."""
        head = {"status": "passed" if passed else "failed", "plan": self.plan.digest}
        self.directory.write(name or _BY_NAME[self.phase].notebook, {**head, **content})

    def recorded(self, phase: str) -> dict[str, Any] | None:
        """Return the record of a phase, None where it has none."""
        return self.directory.read(_BY_NAME[phase].notebook)

    def passed(self, phase: str) -> bool:
        """Tell whether a phase was passed for this plan."""
        found = self.recorded(phase)
        return (
            found is not None and found["status"] == "passed" and found["plan"] == self.plan.digest
        )

    def looked(self) -> bool:
        """Tell whether the prechecks were made for this plan, whatever they found."""
        found = self.recorded("prechecks")
        return found is not None and bool(found["plan"] == self.plan.digest)

    def reviewed(self) -> tuple[Finding, ...] | None:
        """Return what the review of this plan found, None before it."""
        found = self.directory.read(REVIEW)
        if found is None or found["plan"] != self.plan.digest:
            return None
        return tuple(Finding.from_record(item) for item in found["findings"])

    def verdict(self) -> dict[str, Any] | None:
        """Return the rehearsal of this plan, None before it: verdict, backup, findings and more."""
        found = self.directory.read(REHEARSAL)
        return found if found is not None and found["plan"] == self.plan.digest else None

    def pending(self) -> tuple[Step, ...]:
        """Return the steps that are still to be done, as the server tells."""
        with self.database.connect() as connection:
            done = ledger.applied(ledger.read(connection))
            return tuple(step for step in self.plan.steps if not self._done(step, done, connection))

    def _done(self, step: Step, applied: Iterable[str], connection: Connection) -> bool:
        if step.kind is StepKind.DEMO_ROWS:
            return has_rows(connection, self.release.demo_files)
        return step.name in applied

    def position(self) -> str:
        """Say where the next step stands, as the server and the journal tell."""
        waiting = [step for step in self.pending() if step.kind is StepKind.APPLY]
        if not waiting:
            return "every migration is applied"
        step = waiting[0]
        with self.database.connect() as connection:
            migration = self.release.migration(step.name)
            return str(read_position(connection, step, migration, self.journal))

    def backup(self) -> Backup | None:
        """Return the backup this run took, None before it."""
        found = self.recorded("backup")
        if not found or found["status"] != "passed":
            return None
        fields = dict(found["backup"])
        fields["path"] = self.root / fields["path"]
        fields["taken_at"] = datetime.fromisoformat(fields["taken_at"])
        try:
            return Backup(**fields)
        except TypeError:
            message = "Another version of the runbook took this run's backup."
            remedy = "Restore it with pg_restore by hand, or begin a new run."
            raise GateError(message, path=fields["path"], remedy=remedy) from None

    def step_record(self, step: str) -> str:
        """Return the name of a step's record and of its notebook, in the order of the plan."""
        number = [item.name for item in self.plan.steps].index(step) + 1
        return f"40_migrate_{number:02d}_{file_name(step)}"
