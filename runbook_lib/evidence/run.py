"""Know a run: its phases, its plan and records, and where the server says it stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from runbook_lib.config.environments import Environment
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.acceptances import read_acceptances
from runbook_lib.evidence.directory import RunDirectory, file_name
from runbook_lib.evidence.journal import COMMITTING, LEDGER_ROW, Journal
from runbook_lib.evidence.records import Backup, Outcome
from runbook_lib.evidence.schemas import BackupTaken, Review, read_record
from runbook_lib.findings import Finding
from runbook_lib.parser.transactions import transactions_of
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.targets import has_rows
from runbook_lib.release.model import Acceptance, Migration, Release
from runbook_lib.release.plan import Plan, Step, StepKind, Target

# Records besides those of the phases.
REVIEW, ACCEPTANCES, REHEARSAL = "10_review", "acceptances", "rehearsal"
TRAFFIC = "traffic.jsonl"  # what the write probe measured
SERVER_BEFORE = "server_before"  # what belonged to the whole server before the first step
SCHEMA_BEFORE = "schema_before_"  # and a step's record: the schema before it, and those behind it
SCHEMA_TOUCHED = "schema_touched_"  # likewise: what these steps touched


@dataclass(frozen=True)
class Phase:
    """Name one part of a run and the notebook that does it."""

    name: str
    title: str
    notebook: str


PHASES = (
    Phase("brief", "Release brief", "00_brief"),
    Phase("prechecks", "Prechecks", "10_prechecks"),
    Phase("backup", "Backup", "20_backup"),
    Phase("rehearsal", "Rehearsal", "30_rehearsal"),
    Phase("migrate", "Migration", "40_migrate"),
    Phase("index_timing", "Index timing", "50_index_timing"),
    Phase("verify", "Verification", "60_verify"),
    Phase("monitor", "Monitoring", "70_monitor"),
    Phase("signoff", "Sign-off", "80_signoff"),
)
ROLLBACK = Phase("rollback", "Rollback", "90_rollback")
_BY_NAME = {phase.name: phase for phase in (*PHASES, ROLLBACK)}


def phase_named(name: str) -> str:
    """Return the title of a phase, and of a run of all of them."""
    return _BY_NAME[name].title if name in _BY_NAME else "The whole release"


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

    @property
    def measures(self) -> bool:
        """Tell whether the migration waits for a rehearsal that has the rows to count losses of."""
        return self.policy.rehearsal.required and self.policy.rehearsal.data == "full"

    def record(
        self, passed: bool, content: dict[str, Any], name: str = "", *, left_open: bool = False
    ) -> None:
        """Write the phase's record, bound to the plan; ``left_open``: it waits for people."""
        status = "passed" if passed else "open" if left_open else "failed"
        head = {"status": status, "plan": self.plan.digest}
        self.directory.write(name or _BY_NAME[self.phase].notebook, {**head, **content})

    def recorded(self, phase: str) -> dict[str, Any] | None:
        """Return the record of a phase, None where it has none."""
        return self.directory.read(_BY_NAME[phase].notebook)

    def passed(self, phase: str) -> bool:
        """Tell whether a phase was passed for this plan; a backup is one for every plan."""
        found = self.recorded(phase)
        if found is None or found["status"] != "passed":
            return False
        return phase == "backup" or bool(found["plan"] == self.plan.digest)

    @property
    def worked(self) -> bool:
        """Tell whether this run has committed anything of a step, or may have."""
        steps = {step.name for step in self.plan.steps}
        sent = (x for x in self.journal.lines() if x["event"] in {COMMITTING, LEDGER_ROW})
        return self.began and any(line["step"] in steps for line in sent)

    @property
    def ended(self) -> str:
        """Say how the run came to its end, empty where it did not; from then on it is final."""
        for phase, said in (("rollback", "is rolled back"), ("signoff", "is signed off")):
            found = self.recorded(phase)
            if found is not None and found["status"] == "passed":
                at = found["recorded_at"]
                return f"The run {self.directory.path.name} {said}, recorded {at}"
        return ""

    @property
    def over(self) -> bool:
        """Tell whether a new run may follow: a sign-off may stay open where the policy lets it."""
        if self.passed("signoff") or self.passed("rollback"):
            return True
        found = self.recorded("signoff")
        left = found is not None and found["status"] == "open"
        return left and not self.policy.signoff.required

    def looked(self) -> bool:
        """Tell whether the prechecks were made for this plan, whatever they found."""
        found = self.recorded("prechecks")
        return found is not None and bool(found["plan"] == self.plan.digest)

    @property
    def began(self) -> bool:
        """Tell whether this run has sent a step to its target, whatever became of it."""
        return any(self.directory.path.glob(f"{SCHEMA_BEFORE}*.json"))

    def acceptances(self) -> tuple[Acceptance, ...]:
        """Return what is accepted, by the release and in this run; raises ConfigError."""
        return (*self.release.accepts, *read_acceptances(self.directory.path))

    def reviewed(self) -> tuple[Finding, ...] | None:
        """Return what the review of this plan found, None before it."""
        found = self._review()
        return found.findings if found else None

    def absent(self) -> Mapping[str, Sequence[str]]:
        """Return what the copy did not have after this plan, though reading takes it to be made.

        The rehearsal has the rows, and is believed before the dry run.
        """
        verdict, review = self.verdict(), self._review()
        found: Mapping[str, Sequence[str]] = review.absent if review else {}
        return verdict["absent"] if verdict and verdict["verdict"] == "passed" else found

    def _review(self) -> Review | None:
        found = read_record(self.directory, REVIEW, Review)
        return found if found and found.plan == self.plan.digest else None

    def verdict(self) -> dict[str, Any] | None:
        """Return the rehearsal of this plan, None before it: verdict, backup, findings and more."""
        found = self.directory.read(REHEARSAL)
        return found if found is not None and found["plan"] == self.plan.digest else None

    def pending(self) -> tuple[Step, ...]:
        """Return the steps that are still to be done, as the server tells."""
        with self.database.runner_session() as connection:
            done = ledger.applied(ledger.read(connection))
            return tuple(step for step in self.plan.steps if not self._done(step, done, connection))

    def _done(self, step: Step, applied: Iterable[str], connection: Connection) -> bool:
        if step.kind is StepKind.DEMO_ROWS:
            return has_rows(connection, self.release.demo_files)
        return step.name in applied

    def begun(self) -> str:
        """Return the migration of which a part is committed, empty where none is."""
        with self.database.runner_session() as connection:
            rows = ledger.read(connection)
        return next((row.name for row in rows if row.failed and row.applied_steps), "")

    def position(self) -> str:
        """Say where the next step stands, as the server and the journal tell."""
        waiting = [step for step in self.pending() if step.kind is StepKind.APPLY]
        if not waiting:
            return "every migration is applied"
        step = waiting[0]
        with self.database.runner_session() as connection:
            migration = self.release.migration(step.name)
            return str(read_position(connection, step, migration, self.journal))

    def backup(self) -> Backup | None:
        """Return the backup this run took, None before it; raises EvidenceError."""
        found = read_record(self.directory, _BY_NAME["backup"].notebook, BackupTaken)
        if found is None or found.status != "passed":
            return None
        return replace(found.backup, path=self.root / found.backup.path)

    def step_record(self, step: str) -> str:
        """Return the name of a step's record and of its notebook, in the order of the plan."""
        return f"{_BY_NAME['migrate'].notebook}_{self._number(step)}_{file_name(step)}"

    def shared_notebook(self, first: str, last: str) -> str:
        """Return the name of the notebook that several steps share."""
        return f"{_BY_NAME['migrate'].notebook}_{self._number(first)}-{self._number(last)}"

    def _number(self, step: str) -> str:
        """Return the place of a step in the plan, as names sort that begin with it."""
        return str(self._numbers[step]).zfill(max(2, len(str(len(self.plan.steps)))))

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {item.name: number for number, item in enumerate(self.plan.steps, start=1)}


@dataclass(frozen=True)
class Position:
    """Hold where a file stands: ``committed`` of its ``transactions``, as the ledger counts them.

    ``line`` is that of the statement that was under way when the last try ended, 0 where none was.
    ``invalid`` are indexes that a build left behind, ``building`` those that the server still
    builds, each with the pid.
    """

    step: str
    applied: bool
    committed: int
    transactions: int
    line: int
    invalid: tuple[str, ...]
    building: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        if self.applied:
            return f"{self.step} is applied"
        if self.committed:
            said = (
                f"{self.committed} of {self.transactions} transactions of {self.step} are committed"
            )
        else:
            said = f"no part of {self.step} is applied"
        if self.line:
            said += f"; it was stopped at line {self.line}"
        said += "".join(f"; pid {pid} still builds {name}" for name, pid in self.building)
        if self.invalid:
            said += f"; invalid and to be rebuilt: {', '.join(self.invalid)}"
        return said


def read_position(
    connection: Connection, step: Step, migration: Migration, journal: Journal
) -> Position:
    """Return where a file of the plan stands on the server."""
    rows = ledger.read(connection)
    begun = next((row for row in rows if row.name == step.name and row.failed), None)
    made = [item for item in migration.creates if item.kind == "index"]
    wanted = {"names": [item.qualified for item in made]}
    unfinished = {
        row["name"]: row["oid"] for row in connection.rows(load("indexes_unfinished"), wanted)
    }
    progress = connection.seen(load("build_progress")) or ()
    builders = {row["index_relid"]: row["pid"] for row in progress}
    building = [(name, builders[oid]) for name, oid in unfinished.items() if oid in builders]
    return Position(
        step=step.name,
        applied=step.name in ledger.applied(rows),
        committed=begun.applied_steps if begun else 0,
        transactions=len(transactions_of(migration.statements, step.split)),
        line=_under_way(line for line in journal.lines() if line.get("step") == step.name),
        invalid=tuple(name for name, oid in unfinished.items() if oid not in builders),
        building=tuple(building),
    )


def _under_way(lines: Iterable[Mapping[str, Any]]) -> int:
    """Return the line of the last statement that was sent and has no end in the journal."""
    under_way: dict[int, int] = {}
    for line in lines:
        if line["event"] in {"began", "retried"}:
            under_way = {}
        elif line["event"] == "started":
            under_way[line["number"]] = int(line["line"])
        elif line["event"] == "ended" and line["outcome"] != Outcome.UNKNOWN:
            under_way.pop(line["number"], None)
    return min(under_way.values(), default=0)
