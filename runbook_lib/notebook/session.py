"""Open a run: find the target and the release, keep the gates, decide what goes on."""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from runbook_lib.backup.dump import still_whole
from runbook_lib.checks.baseline import find_candidates, prove_equal
from runbook_lib.config.environments import Environment, acting, find_root, read_environment
from runbook_lib.config.policies import Policy
from runbook_lib.errors import ConfigError, EvidenceError, GateError
from runbook_lib.evidence.answers import FILE as ANSWERS
from runbook_lib.evidence.approvals import check_approvals
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.halves import Half
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.plans import PLAN, changed, put_in_place, read_plan
from runbook_lib.evidence.records import Status
from runbook_lib.evidence.run import PHASES, ROLLBACK, Run
from runbook_lib.evidence.schemas import VERSION, this_version, unreadable, write_schemas
from runbook_lib.evidence.texts import keep_marks
from runbook_lib.notebook import acts, copies, page
from runbook_lib.notebook.banner import OpenedRun
from runbook_lib.notebook.failure import show_as_cards
from runbook_lib.notebook.show import Table, hide_in_outputs
from runbook_lib.notebook.transcript import TRANSCRIPT
from runbook_lib.parser import transactions
from runbook_lib.parser.statement import Split
from runbook_lib.postgres import catalog, ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.ledger import LedgerRow
from runbook_lib.postgres.targets import reach
from runbook_lib.redaction import keep_secret, know_words
from runbook_lib.rehearsal.world import open_empty
from runbook_lib.release import plan
from runbook_lib.release.model import Migration, Release
from runbook_lib.release.plan import Plan, StepKind, Target, with_digest
from runbook_lib.release.reader import found_in_schema, read_release
from runbook_lib.rollback.attempt import settle

SHIPPED = "sql"  # the release beside environments.toml, run where none is named
_BY_NAME = {phase.name: phase for phase in PHASES}
_AFTER = {"index_timing", "verify", "monitor", "signoff"}
_SPLITTING = ("policy.indexes.concurrent", "policy.statements.foreign_keys_apart")

_NAMED = 10  # in the error; the table above it has them all

_ENDS = (_BY_NAME["signoff"].notebook, ROLLBACK.notebook)
_STARTS = {"run", "brief"}  # where a new run may begin though the last one is finished


def open_run(env: str, release: str = "", phase: str = "run") -> Run:
    """Open the run of a release on an environment for one phase, or start one.

    ``release`` is a directory of migrations; empty means the one that ships. An unfinished run of
    the same release is continued; a finished one is followed by a new one, where the phase is the
    first. From here on acts of this kernel are for this run alone, and for none where it is
    refused. Raises a RunbookError that says what is wrong before anything is touched.
    """
    hide_in_outputs(TRANSCRIPT.hear)
    show_as_cards()
    acts.close_all()
    check_parameters(page.executed_cells())
    copies.check_belongs(env)
    run = find_run(env, release, phase)
    TRANSCRIPT.keep(run)
    check_gate(run)
    acts.open_for_acts(run)
    return run


def find_run(env: str, release: str, phase: str) -> Run:
    """Return the run that goes on, or a new one where this phase begins one; its gate stays shut.

    Raises a RunbookError that says what is wrong before anything is touched.
    """
    root = find_root()
    environment = read_environment(root, env)
    directory = release_directory(root, release)
    if page.names() and phase == "run":
        _prepare_kernels(directory)
    found = read_release(directory)
    _know_secrets(found)
    database = reach(environment, root, found)
    with database.connect() as session:
        schema = session.value("SELECT pg_catalog.current_schema()")
    found = found_in_schema(found, schema or "public")
    with database.runner_session() as connection:
        catalog.refuse_closed(connection)
        target = catalog.identify(connection, environment)
        know_words({*catalog.words(connection), *_names(environment, found, target)})
        opening = _Opening(root, environment, found, database, target, phase, release)
        going_on = _continued(opening, connection)
        copies.check_run(going_on)
        return going_on or _started(opening, connection)


def _prepare_kernels(release: Path) -> None:
    """Start what run_phases forks its kernels from: it imports and reads meanwhile."""
    from runbook_lib.notebook.kernels import prepare  # noqa: PLC0415  the other phases need none

    prepare(release)


def _know_secrets(release: Release) -> None:
    """Hide the values of the variables that the release calls a secret."""
    for variable in release.variables:
        if variable.secret:
            keep_secret(os.environ.get(variable.name, ""), f"the variable {variable.name}")


def _names(environment: Environment, release: Release, target: Target) -> Iterator[str]:
    """Yield the names in which a run's records are written and found again."""
    yield from (environment.name, release.name, release.title, target.dbname, target.host)
    for phase in (*PHASES, ROLLBACK):
        yield from (phase.name, phase.title, phase.notebook)
    for migration in release.migrations:
        yield from (migration.name, str(migration.path))


def _splits(
    connection: Connection, pending: Sequence[Migration], existing: Set[str], policy: Policy
) -> dict[str, Split]:
    """Choose what of each pending file is taken out of its transaction on this target."""
    named = {
        (lock.relation.schema, lock.relation.name)
        for item in pending
        for statement in item.statements
        if statement.kind in {"index", "alter table"}
        for lock in statement.locks
    }
    busy = snapshot.with_rows(connection, sorted(x for x in named if ".".join(x) in existing))
    parted = catalog.partitioned(connection)
    chosen = {
        item.name: transactions.choose_split(
            item.statements,
            busy,
            parted,
            concurrent=policy.indexes.concurrent,
            apart=policy.statements.foreign_keys_apart,
        )
        for item in pending
    }
    return {name: split for name, split in chosen.items() if split}


def release_directory(root: Path, release: str) -> Path:
    """Return the directory of a release, the one that ships where none is given."""
    path = Path(release or SHIPPED).expanduser()
    for candidate in (Path.cwd() / path, root / path) if release else (root / path,):
        if candidate.is_dir():
            return candidate.resolve()
    message = f"There is no release directory '{path}'."
    if not release:
        message = f"No release was given, and none lies in {SHIPPED}/."
    remedy = f"Give -p release a directory of SQL migrations, absolute or below {root.name}/."
    raise ConfigError(message, remedy=remedy)


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
        return OpenedRun(plan=planned, directory=directory, journal=journal, **vars(self))


def _continued(opening: _Opening, connection: Connection) -> Run | None:
    """Return the latest run, if it is of these files and this server and is not over.

    A rollback takes the run that its page belongs to, else the latest that has a backup, whatever
    became of the files since.
    """
    earlier = [opening.run(read_plan(directory), directory) for directory in _readable(opening)]
    here = [run for run in earlier if run.plan.target.same_database(opening.target)]
    own = [run for run in here if run.directory == copies.run_of_page()]
    for tried in (*own, *[run for run in here[:-1] if run.began][-1:], *here[-1:]):
        settle(tried, connection)
    if opening.phase == "rollback":
        here = [run for run in here if run.backup()]
        if not here:
            message = f"No run on {opening.environment.name} took a backup to roll back to."
            raise GateError(message, remedy="Restore another backup by hand.")
        own = [run for run in own if run.backup()]
        return _to_roll_back(own or [run for run in here if run.worked] or here)
    rows = ledger.read(connection)
    run = _halfway(opening, here, connection, rows) or _latest(opening, here)
    if run is None:
        return None
    if run.over:
        return None if opening.phase in _STARTS else run
    waiting = run.pending()
    if not waiting:
        return run  # what was carried out stays the plan
    begun = {row.name for row in rows if row.failed} & {step.name for step in waiting}
    if len(waiting) == len(run.plan.steps) and not begun:
        # Nothing was done yet: the plan holds only while the schema is what it was made for.
        live = snapshot.take_snapshot(connection).fingerprint
        if live != run.plan.schema_fingerprint:
            return None
    now = _as_set_now(opening, connection, run.plan, {step.name for step in waiting})
    return run if now.digest == run.plan.digest else put_in_place(run, now)


def _to_roll_back(here: Sequence[Run]) -> Run:
    """Return the latest run, or where that is rolled back, the one before it that has no end yet.

    A run that was signed off is not undone by asking twice for the way back of a later one; what is
    rolled back is opened for the rows that a restore put aside.
    """
    if not here[-1].passed("rollback"):
        return here[-1]
    unfinished = [run for run in here if not run.over]
    return (unfinished or here)[-1]


def _readable(opening: _Opening) -> list[RunDirectory]:
    """Return the runs that this version can read, oldest first.

    Raises EvidenceError where the latest is another version's, unless that is over.
    """
    found = RunDirectory.all(opening.root, opening.environment.name, opening.release.name)
    reasons = {directory: unreadable(directory) for directory in found}
    for latest in found[-1:]:
        if reasons[latest] and not _over(latest, opening):
            message = f"This version cannot go on with the run: {reasons[latest]}."
            remedy = "Finish it with the version that began it, or move its directory away."
            raise EvidenceError(message, path=latest.path, remedy=remedy)
    return [directory for directory in found if not reasons[directory]]


def _over(directory: RunDirectory, opening: _Opening) -> bool:
    """Tell whether a run of another version is over, and a new one may begin."""
    required = opening.environment.policy.signoff.required
    enough = {"passed"} if required else {"passed", "open"}
    ends = (directory.read(name) or {} for name in _ENDS)
    return opening.phase in _STARTS and any(end.get("status") in enough for end in ends)


def _halfway(
    opening: _Opening, here: Sequence[Run], connection: Connection, rows: Sequence[LedgerRow]
) -> Run | None:
    """Return the run that left a file in by half, with the files as they are now.

    The latest is returned also where it took the file back, which it applies anew. None where there
    is no such run, or where other steps come first now: its records go by their places.
    """
    failed = {row.id for row in rows if row.failed}
    tried = here if failed else here[-1:]
    wanted = failed or {row.id for row in rows if row.finished_at is None}
    mine = (run for run in reversed(tried) if run.worked and not run.ended) if wanted else ()
    run = next((run for run in mine if wanted & run.journal.own_rows().keys()), None)
    if run is None or _steps_hold(opening, run.plan):
        return run
    now = _mended(opening, connection, run, rows)
    return put_in_place(run, now) if now else None


def _mended(
    opening: _Opening, connection: Connection, run: Run, rows: Sequence[LedgerRow]
) -> Plan | None:
    """Return the plan of a run in its midst for the files as they are now.

    What is done stays as it was, and what is in of a file keeps its split. None where the steps up
    to the last that was begun are others now.
    """
    waiting, own, begun = set(run.pending()), run.journal.own_rows(), run.journal.begun()
    done = tuple(step for step in run.plan.steps if step not in waiting)
    now = _planned(opening, connection)
    left = {step.name: step for step in now.steps if step.name not in {x.name for x in done}}
    before = {step.name: step for step in run.plan.steps}
    for row in rows:
        if row.failed and row.id in own and row.name in left:
            known = before[row.name].split, left[row.name].split, row.applied_steps
            split = Half.of(own[row.id]).split(*known)
            left[row.name] = replace(left[row.name], split=split)
    steps = (*done, *left.values())
    last = max((at for at, name in enumerate(before, 1) if name in begun), default=0)
    if [step.name for step in steps[:last]] != list(before)[:last]:
        return None
    fingerprint = run.plan.schema_fingerprint
    made = replace(now, steps=steps, applied=run.plan.applied, schema_fingerprint=fingerprint)
    return with_digest(made)


def _latest(opening: _Opening, here: Sequence[Run]) -> Run | None:
    """Return the latest run of these files, None where another one changed the target since.

    So a file that was edited and set right again leads back to the plan that was approved.
    """
    for run in reversed(here):
        if _steps_hold(opening, run.plan):
            return run
        if run.began:
            return None
    return None


def _steps_hold(opening: _Opening, planned: Plan) -> bool:
    """Tell whether a plan made now would have these steps: of the same files, and demo rows."""
    rows = acting(opening.environment)["demo_rows"]
    same = planned.release_digest == opening.release.digest
    return same and planned.settings.get("demo_rows") == rows


def _as_set_now(
    opening: _Opening, connection: Connection, planned: Plan, waiting: Set[str]
) -> Plan:
    """Return a plan as its target and its settings are now.

    A file that has begun keeps its split: it goes on from a transaction of that.
    """
    settings = acting(opening.environment)
    now = replace(planned, target=opening.target, settings=settings)
    if any(settings[key] != planned.settings.get(key) for key in _SPLITTING):
        begun = {row.name for row in ledger.read(connection) if row.failed}
        steps = [x for x in now.steps if x.kind is StepKind.APPLY and x.name in waiting - begun]
        migrations = [opening.release.migration(step.name) for step in steps]
        existing = catalog.relations(connection)
        found = _splits(connection, migrations, existing, opening.environment.policy)
        anew = {step.name: replace(step, split=found.get(step.name, Split())) for step in steps}
        now = replace(now, steps=tuple(anew.get(step.name, step) for step in now.steps))
    return with_digest(now)


def _started(opening: _Opening, connection: Connection) -> Run:
    """Plan the release for the target as it is now, and make the run's directory."""
    planned = _planned(opening, connection)
    directory = RunDirectory.create(opening.root, opening.environment.name, opening.release.name)
    directory.write(VERSION, this_version())
    directory.write(PLAN, planned)
    keep_marks(directory, opening.release, planned)
    write_schemas(directory.path / "schemas")
    return opening.run(planned, directory)


def _planned(opening: _Opening, connection: Connection) -> Plan:
    """Plan the release for the target as it is now."""
    environment, release = opening.environment, opening.release
    if environment.demo_rows and not environment.embedded:
        message = f"[{environment.name}] asks for demo rows, which go into embedded targets only."
        raise ConfigError(message, path="environments.toml", remedy="Remove demo_rows.")
    existing = catalog.relations(connection)
    rows = ledger.read(connection)
    applied = ledger.applied(rows)
    begun = {row.name for row in rows if row.failed}
    live = snapshot.take_snapshot(connection)
    ordered = plan.order(release, existing)
    migrations = [release.migration(name) for name in ordered.names]
    found, defects = find_candidates(connection, migrations, applied | begun)
    baseline: Mapping[str, str] = {}
    if found:
        known = [item for item in migrations if item.name in applied]
        there = snapshot.take_snapshot(connection, settings=True)
        with open_empty(opening) as copy, copy.connect() as empty:
            baseline, unequal = prove_equal(there, empty, known, found)
        defects += unequal
        # Where they differ nothing is run over them either; the finding blocks the migration.
        baseline = baseline or {item.name: "there, and not proven equal" for item in found}
    waiting = [item for item in migrations if item.name not in {*applied, *baseline}]
    return plan.make_plan(
        release,
        opening.target,
        applied,
        baseline,
        ordered,
        live.fingerprint,
        demo_rows=environment.demo_rows and bool(release.demo_files),
        settings=acting(environment),
        splits=_splits(connection, waiting, existing, environment.policy),
        defects=defects,
    )


def check_gate(run: Run) -> None:
    """Refuse a phase whose conditions do not hold; raises GateError with what to do first.

    Backup and rehearsal change nothing on the target, so they may look for more after prechecks
    that failed. The migration may not.
    """
    if run.ended and run.phase not in {*_STARTS, "rollback"}:
        raise GateError(f"{run.ended}: it is final.", remedy="Open a new run: 00_brief.ipynb.")
    pending = run.pending()
    if run.phase == "backup" and pending and not run.looked():
        raise _waits(run, "prechecks")
    if run.phase == "rehearsal" and pending and not run.passed("backup"):
        raise _waits(run, "backup")
    if run.phase == "migrate" and pending:
        _may_migrate(run)
    if run.phase in _AFTER and pending:
        names = ", ".join(step.name for step in pending)
        message = f"{_BY_NAME[run.phase].title} waits for the migration; still to do: {names}."
        raise GateError(message, remedy="Run 40_migrate.ipynb first.")
    if run.phase == "signoff" and not run.passed("verify"):
        raise _waits(run, "verify")


def _waits(run: Run, name: str) -> GateError:
    other, waiting = _BY_NAME[name], _BY_NAME[run.phase].title
    why = "; ".join(changed(run))
    if not why:
        message = f"{waiting} waits for {other.title}, not passed yet."
        return GateError(message, remedy=f"Run {other.notebook}.ipynb first.")
    demanded = ["the rehearsal"] if run.policy.rehearsal.required else []
    if run.policy.approvals.roles or run.policy.approvals.confirm:
        demanded.append("the approvals")
    anew = f", and anew {' and '.join(demanded)}" if demanded else ""
    message = f"{waiting} waits for {other.title} of a new plan: {why}."
    return GateError(message, remedy=f"Run {other.notebook}.ipynb{anew}; or undo the change.")


def _may_migrate(run: Run) -> None:
    for name in ("prechecks", "backup"):
        if not run.passed(name):
            raise _waits(run, name)
    verdict = run.verdict()
    if verdict is None and run.policy.rehearsal.required:
        raise _waits(run, "rehearsal")
    if verdict is not None and verdict["verdict"] != "passed":
        raise GateError("The rehearsal failed.", remedy="Mend what 30_rehearsal.ipynb lists.")
    backup = run.backup()
    if backup is None or not still_whole(backup):
        message = "The backup of this run is gone, or its checksum differs."
        raise GateError(message, remedy="Restore its directory from where it was moved.")
    if verdict is not None and verdict["backup"]["sha256"] != backup.sha256:
        message = "The rehearsal was done on another backup."
        raise GateError(message, remedy="Run 30_rehearsal.ipynb again.")
    known = run.policy, run.plan.digest, run.target.dbname, changed(run)
    check_approvals(run.directory.path, *known)


def check_parameters(cells: Iterable[str]) -> None:
    """Stop at a parameter that was injected and that the notebook does not have.

    ``cells`` are the sources of the executed cells, in order. Papermill itself only warns, and
    goes on with the defaults. Raises ConfigError.
    """
    declared: set[str] = set()
    for source in cells:
        names = page.assigned(source).keys()
        if not source.startswith(page.INJECTED):
            declared |= names
            continue
        for name in sorted(names - declared):
            close = difflib.get_close_matches(name, declared, n=1)
            known = f"The parameters are: {', '.join(sorted(declared))}."
            message = f"The notebook has no parameter '{name}'."
            raise ConfigError(message, remedy=f"Did you mean '{close[0]}'?" if close else known)


def decide(run: Run) -> Table:
    """Let the run go on from this phase, or stop it with what failed; raises GateError."""
    phase = next(item for item in PHASES if item.name == run.phase)
    record = run.recorded(run.phase)
    if record is None or record["plan"] != run.plan.digest:
        message = f"{phase.title} has no record for this plan."
        raise GateError(message, remedy="Run the cells above first.")
    if record["status"] == "open":
        return _left_open(run, phase.title, record["left"])
    if record["status"] != "passed":
        failed = record.get("failed", [])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        why = record.get("error") or "; ".join(failed[:_NAMED]) + more
        message = f"{phase.title} failed: {why}"
        raise GateError(message, remedy="Mend what the table above names, then run again.")
    after = PHASES[min(PHASES.index(phase) + 1, len(PHASES) - 1)]
    row = {"phase": phase.title, "status": Status.PASS.value, "next": f"{after.notebook}.ipynb"}
    return Table("Decision: go on", [row])


def _left_open(run: Run, title: str, left: str) -> Table:
    """Say that people have not signed off yet; raises GateError where the policy waits for that."""
    if run.policy.signoff.required:
        message = f"The release is applied, and its sign-off is open: {left}."
        remedy = (
            f"Answer in 80_signoff.ipynb, or in {ANSWERS} of this run for the plan "
            f"{run.plan.digest} (docs/signoff.md), then run again: it goes on from there."
        )
        raise GateError(message, remedy=remedy)
    row = {"phase": title, "status": Status.OPEN.value, "open": left, "next": "80_signoff.ipynb"}
    return Table("Decision: applied, sign-off open", [row])
