"""Open a run, know where it stands, and keep its gates."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook_lib import catalog, ledger, plan
from runbook_lib.archive import scratch_database
from runbook_lib.backup import still_whole
from runbook_lib.baseline import find_candidates, prove_equal
from runbook_lib.build import has_rows
from runbook_lib.config import find_root, read_environment
from runbook_lib.database import Connection, Database
from runbook_lib.display import Table, executed_cells
from runbook_lib.errors import ConfigError, GateError
from runbook_lib.evidence import Journal, RunDirectory, file_name
from runbook_lib.model import (
    PHASES,
    ROLLBACK,
    Environment,
    Moved,
    Plan,
    Policy,
    Release,
    Step,
    StepKind,
    Target,
)
from runbook_lib.observed import Backup
from runbook_lib.parameters import check_parameters
from runbook_lib.queries import PROJECT
from runbook_lib.release import read_release
from runbook_lib.signoff import check_approvals
from runbook_lib.targets import embedded_server, reach

_BY_NAME = {phase.name: phase for phase in (*PHASES, ROLLBACK)}
_STARTS = {"run", "brief"}  # where a new run may begin though the last one is finished


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

    def __repr__(self) -> str:
        return repr(self._header())

    def _repr_html_(self) -> str:
        return self._header()._repr_html_()

    def _header(self) -> Table:
        """Say what this notebook works on, and where the run stands."""
        place = [item.name for item in PHASES].index(self.phase) + 1 if self._numbered else 0
        part = f"Phase {place} of {len(PHASES)}: " if place else ""
        title = _BY_NAME[self.phase].title if self.phase in _BY_NAME else "The whole release"
        server = f"PostgreSQL {self.target.version} at {self.target.host}"
        left = len(self.pending())
        rows = [
            ("environment", self.environment.name),
            ("target", f"{self.target.dbname} on {server}"),
            ("release", f"{self.release.title} ({len(self.release.migrations)} migrations)"),
            ("plan", f"{self.plan.digest[:12]}, {left} of {len(self.plan.steps)} steps to do"),
            ("evidence", str(self.directory.path.relative_to(self.root))),
        ]
        return Table(f"{part}{title}", [{"run": name, "value": value} for name, value in rows])

    @property
    def _numbered(self) -> bool:
        return any(item.name == self.phase for item in PHASES)

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

    def pending(self) -> tuple[Step, ...]:
        """Return the steps that are still to be done, as the server tells."""
        with self.database.connect() as connection:
            done = ledger.applied(ledger.read(connection))
            return tuple(step for step in self.plan.steps if not self._done(step, done, connection))

    def _done(self, step: Step, applied: Iterable[str], connection: Connection) -> bool:
        if step.kind is StepKind.DEMO_ROWS:
            return has_rows(connection, self.release.demo_files)
        return step.name in applied

    def backup(self) -> Backup | None:
        """Return the backup this run took, None before it."""
        found = self.recorded("backup")
        if not found or found["status"] != "passed":
            return None
        fields = dict(found["backup"])
        fields["path"] = self.root / fields["path"]
        fields["taken_at"] = datetime.fromisoformat(fields["taken_at"])
        return Backup(**fields)

    def step_record(self, step: str) -> str:
        """Return the name of a step's record and of its notebook, in the order of the plan."""
        number = [item.name for item in self.plan.steps].index(step) + 1
        return f"40_migrate_{number:02d}_{file_name(step)}"


def open_run(env: str, release: str = "", phase: str = "run") -> Run:
    """Open the run of a release on an environment for one phase, or start one.

    ``release`` is a directory of migrations; empty means the one that ships. An unfinished run of
    the same release is continued; a finished one is followed by a new one, where the phase is the
    first. Raises a RunbookError that says what is wrong before anything is touched.
    """
    check_parameters(executed_cells())
    root = find_root()
    environment = read_environment(root, env)
    found = read_release(_release_directory(root, release))
    for migration in found.migrations:
        plan.units(migration)
    database = reach(environment, root, found)
    with database.connect() as connection:
        target = catalog.identify(connection, environment)
        opening = _Opening(root, environment, found, database, target, phase, release)
        run = _continued(opening, connection) or _started(opening, connection)
    _gate(run)
    return run


def _release_directory(root: Path, release: str) -> Path:
    if not release:
        return root / "sql" if (root / "sql").is_dir() else PROJECT / "sql"
    path = Path(release).expanduser()
    for candidate in (Path.cwd() / path, root / path):
        if candidate.is_dir():
            return candidate.resolve()
    raise ConfigError(
        f"There is no release directory '{release}'.",
        remedy=f"Give -p release a directory of SQL migrations, absolute or below {root.name}/.",
    )


@dataclass(frozen=True)
class _Opening:
    """Hold what is known of a run before its plan."""

    root: Path
    environment: Environment
    release: Release
    database: Database
    target: Target
    phase: str
    given: str

    def run(self, planned: Plan, directory: RunDirectory) -> Run:
        journal = Journal(directory.path / "journal.jsonl")
        return Run(plan=planned, directory=directory, journal=journal, **vars(self))


def _continued(opening: _Opening, connection: Connection) -> Run | None:
    """Return the latest run, if it is of these files and this server and is not over.

    A rollback takes the latest run that has a backup, whatever became of the files since.
    """
    earlier = [
        opening.run(_read_plan(directory), directory)
        for directory in RunDirectory.all(
            opening.root, opening.environment.name, opening.release.name
        )
    ]
    here = [run for run in earlier if _same_server(run.plan.target, opening.target)]
    if opening.phase == "rollback":
        here = [run for run in here if run.backup() and not run.passed("rollback")]
        if not here:
            message = f"No run on {opening.environment.name} took a backup to roll back to."
            raise GateError(message, remedy="Restore another backup by hand.")
        return here[-1]
    if not here or here[-1].plan.release_digest != opening.release.digest:
        return None
    run = here[-1]
    if run.passed("signoff") or run.passed("rollback"):
        return None if opening.phase in _STARTS else run
    if len(run.pending()) == len(run.plan.steps):
        # Nothing was done yet: the plan holds only while the schema is what it was made for.
        live = catalog.take_snapshot(connection).fingerprint
        return run if live == run.plan.schema_fingerprint else None
    return run


def _same_server(planned: Target, found: Target) -> bool:
    return (planned.system_identifier, planned.dbname) == (found.system_identifier, found.dbname)


def _read_plan(directory: RunDirectory) -> Plan:
    """Read the plan of a run; raises GateError where it was edited."""
    saved = directory.read("plan") or {}
    fields = {key: value for key, value in saved.items() if key != "recorded_at"}
    try:
        fields["target"] = Target(**fields["target"])
        fields["moved"] = tuple(Moved(**item) for item in fields["moved"])
        steps = ({**item, "kind": StepKind(item["kind"])} for item in fields["steps"])
        fields["steps"] = tuple(Step(**item) for item in steps)
        fields["order"] = tuple(fields["order"])
        fields["applied"] = tuple(fields["applied"])
        planned = Plan(**fields)
        edited = planned.digest != plan.digest(planned)
    except (KeyError, TypeError, ValueError):
        edited = True
    if edited:
        path = directory.path / "plan.json"
        message = "The plan of the run was edited, or another version of the runbook wrote it."
        raise GateError(message, path=path, remedy="Move the run directory away.")
    return planned


def _started(opening: _Opening, connection: Connection) -> Run:
    """Plan the release for the target as it is now, and make the run's directory."""
    environment, release = opening.environment, opening.release
    if environment.demo_rows and not environment.embedded:
        message = f"[{environment.name}] asks for demo rows, which go into embedded targets only."
        raise ConfigError(message, path="environments.toml", remedy="Remove demo_rows.")
    existing = catalog.relations(connection)
    rows = ledger.read(connection)
    applied = ledger.applied(rows)
    begun = {row.name for row in rows if row.failed}
    live = catalog.take_snapshot(connection)
    ordered = [release.migration(name) for name in plan.order(release, existing).names]
    found = find_candidates(connection, ordered, applied | begun)
    baseline: dict[str, str] = {}
    if found:
        known = [item for item in ordered if item.name in applied]
        server, name = embedded_server(opening.root), f"baseline_{environment.dbname}"
        with scratch_database(server, name) as scratch, scratch.connect() as empty:
            baseline = dict(prove_equal(live, empty, known, found))
    planned = plan.make_plan(
        release,
        opening.target,
        applied,
        baseline,
        existing,
        live.fingerprint,
        demo_rows=environment.demo_rows and bool(release.demo_files),
    )
    directory = RunDirectory.create(opening.root, environment.name, release.name)
    directory.write("plan", asdict(planned))
    return opening.run(planned, directory)


def _gate(run: Run) -> None:
    """Refuse a phase whose conditions do not hold; raises GateError with what to do first."""
    pending = run.pending()
    needs = {
        "backup": ("prechecks",),
        "rehearsal": ("backup",),
        "migrate": ("prechecks", "backup", *_rehearsal(run.policy)),
    }
    if run.phase in needs and pending:
        for name in needs[run.phase]:
            if not run.passed(name):
                other = _BY_NAME[name]
                message = f"{_BY_NAME[run.phase].title} waits for {other.title}, not passed yet."
                raise GateError(message, remedy=f"Run {other.notebook}.ipynb first.")
    if run.phase == "migrate" and pending:
        backup = run.backup()
        if backup is None or not still_whole(backup):
            message = "The backup of this run is not there any more, or not with its checksum."
            raise GateError(message, remedy="Restore the file from where it was moved.")
        check_approvals(run.directory.path, run.policy, run.plan.digest, run.target.dbname)
    if run.phase in {"index_timing", "verify", "monitor", "signoff"} and pending:
        names = ", ".join(step.name for step in pending)
        message = f"{_BY_NAME[run.phase].title} waits for the migration; still to do: {names}."
        raise GateError(message, remedy="Run 40_migrate.ipynb first.")
    if run.phase == "signoff" and not run.passed("verify"):
        message = "Sign-off waits for the verification, not passed yet."
        raise GateError(message, remedy="Run 60_verify.ipynb first.")


def _rehearsal(policy: Policy) -> tuple[str, ...]:
    return ("rehearsal",) if policy.rehearsal_required else ()
