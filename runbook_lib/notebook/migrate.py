"""The acts that change the target, and the time its indexes took."""

import time
from dataclasses import asdict

from runbook_lib.errors import GateError, RunbookError, TargetError
from runbook_lib.evidence.directory import Journal
from runbook_lib.evidence.records import IndexBuild, Outcome
from runbook_lib.evidence.run import SCHEMA_BEFORE, TRAFFIC, Run
from runbook_lib.evidence.sender import Watcher
from runbook_lib.formatting import duration, minutes, size
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard
from runbook_lib.notebook import index_timing
from runbook_lib.notebook.show import Chart, Progress, Table, estimate_chart, index_chart
from runbook_lib.notebook.work import Recorder, carry_out, chart_steps, count_statements
from runbook_lib.parser.parse import fingerprint
from runbook_lib.parser.statement import LockMode, Step, StepKind
from runbook_lib.parser.transactions import as_planned
from runbook_lib.postgres import catalog, ledger
from runbook_lib.postgres.catalog import Snapshot
from runbook_lib.postgres.connection import Connection
from runbook_lib.rollback import changes

_STAMPS = "schema_stamps"  # the schema as the last step left it
_TOUCHED = 10  # tables at most that the write probe touches


def apply_step(run: Run, step: str = "") -> Table:
    """Carry out one step of the plan, empty for the next one, and show its statements.

    A step that is done already, as the server tells, is not done again. Raises StatementError
    with SQLSTATE, file and line, and GateError for a step whose turn it is not.
    """
    chosen = _choose(run, step)
    if chosen is None:
        return Table("Every step of the plan is done; nothing is left to apply", [])
    record = run.step_record(chosen.name)
    before = _schema_before(run, record)
    begin = time.perf_counter()
    with Progress(chosen.kind.value, count_statements(run, chosen)) as progress:
        recorder = Recorder(run.journal, progress)
        try:
            outcome = _guarded(run, chosen, recorder)
        except RunbookError as error:
            failed = {"step": chosen.name, "error": str(error), **_touched_since(run, before)}
            run.record(False, failed, record)
            raise
    seconds = time.perf_counter() - begin
    lines = [line for line in run.journal.runs() if line["step"] == chosen.name]
    content: dict[str, object] = {"step": chosen.name, "outcome": outcome.value}
    content |= {"statements": len(lines)}
    content |= _touched_since(run, before)
    if chosen.kind is StepKind.APPLY:
        text = run.release.migration(chosen.name).path.read_text(encoding="utf-8-sig")
        content |= {"checksum": chosen.checksum, "fingerprint": fingerprint(text)}
    run.record(True, {**content, "seconds": seconds}, record)
    if not run.pending():
        run.record(True, {"steps": [item.name for item in run.plan.steps]})
    return _statements(chosen, outcome, seconds, lines)


def _schema_before(run: Run, record: str) -> Snapshot:
    """Return the schema before the first try of a step, kept so that a rollback knows it."""
    name = f"{SCHEMA_BEFORE}{record}"
    saved = run.directory.read(name)
    if saved is None:
        with run.database.connect() as connection:
            saved = asdict(catalog.take_snapshot(connection, settings=True))
        run.directory.write(name, saved)
    return Snapshot.of(saved)


def _touched_since(run: Run, before: Snapshot) -> dict[str, object]:
    """Return what was touched since, as marks; empty where the server does not answer."""
    try:
        with run.database.connect() as connection:
            now = catalog.take_snapshot(connection, settings=True)
    except TargetError:
        return {}
    return {"touched": sorted(changes.touched(before, now))}


def _guarded(run: Run, step: Step, watcher: Watcher) -> Outcome:
    """Carry out a step while the target is looked after."""
    with run.database.connect() as connection:
        applied = sorted(ledger.applied(ledger.read(connection)))
        tables = _touched(run, step, connection)
    saved = run.directory.read(_STAMPS)
    known = saved["stamps"] if saved and saved["applied"] == applied else None
    notes = Journal(run.directory.path / TRAFFIC)
    places = tables, (run.root,), known
    with Guard(run.database, run.policy, watcher, notes, *places) as guard:
        applier = Applier(run.database, run.policy, watcher, guard=guard)
        outcome = carry_out(run, applier, step, run.journal.own_rows)
    done = sorted({*applied, step.name} if step.kind is not StepKind.DEMO_ROWS else applied)
    run.directory.write(_STAMPS, {"applied": done, "stamps": guard.schema})
    return outcome


def _touched(run: Run, step: Step, connection: Connection) -> list[tuple[str, str]]:
    """Return the older tables that the step locks against writes or DDL, the largest first."""
    if step.kind is not StepKind.APPLY:
        return []
    planned = as_planned(run.release.migration(step.name).statements, step.split)
    weak = list(LockMode)[:3]
    locked = {
        (lock.relation.schema, lock.relation.name)
        for item in planned
        for lock in item.locks
        if lock.mode not in weak
    }
    return [item for item in catalog.tables_by_size(connection) if item in locked][:_TOUCHED]


def _choose(run: Run, name: str) -> Step | None:
    known = {item.name: item for item in run.plan.steps}
    if name and name not in known:
        message = f"The plan has no step '{name}'."
        raise GateError(message, remedy=f"Its steps are: {', '.join(known) or 'none'}.")
    pending = run.pending()
    if not name:
        return pending[0] if pending else None
    earlier = [item.name for item in pending if item.name != name]
    if known[name] in pending and pending[0].name != name:
        message = f"'{name}' is not the next step: {earlier[0]} comes first."
        raise GateError(message, remedy="Run the steps in the order of the plan.")
    return known[name]


def _statements(
    step: Step, outcome: Outcome, seconds: float, lines: list[dict[str, object]]
) -> Table:
    what = {
        StepKind.APPLY: f"{step.name} is applied",
        StepKind.BASELINE: f"{step.name} is recorded as baseline, not run",
        StepKind.DEMO_ROWS: "The demo rows are in",
    }[step.kind]
    if outcome is Outcome.ALREADY_DONE:
        what = f"{step.name} was done before; the server says so, and nothing was run"
    rows = [
        {
            "file": str(line["path"]).rsplit("/", 1)[-1],
            "line": line["line"],
            "statement": line["label"],
            "outcome": line["outcome"],
            "ms": round(float(str(line["seconds"])) * 1000, 1),
        }
        for line in lines
    ]
    return Table(f"{what}: {len(rows)} statements in {duration(seconds)}", rows)


def chart_migration(run: Run) -> Chart:
    """Draw how long each step took on the target."""
    return chart_steps(run, run.journal, "The statements of the release took {total}")


def _builds(run: Run) -> tuple[IndexBuild, ...]:
    with run.database.connect() as connection:
        return index_timing.read_builds(connection, run.release, run.plan.steps, run.journal.runs())


def time_indexes(run: Run) -> Table:
    """Show each index this run built on an older table: time, rows, size, whether it is valid."""
    builds = _builds(run)
    invalid = [build.name for build in builds if not build.valid]
    run.record(not invalid, {"indexes": builds, "failed": invalid})
    rows = [
        {
            "index": build.name,
            "table": build.table,
            "method": build.method,
            "ms": round((build.seconds or 0) * 1000, 1),
            "rows": build.rows,
            "size": size(build.size),
            "status": "pass" if build.valid else "fail",
        }
        for build in builds
    ]
    total = duration(sum(build.seconds or 0 for build in builds))
    return Table(f"{len(builds)} indexes built in {total}, {len(invalid)} invalid", rows)


def chart_indexes(run: Run) -> Chart | Table:
    """Draw the build times of the indexes, the slowest on top."""
    builds = _builds(run)
    return index_chart(builds) if builds else Table("This run built no index", [])


def compare_estimates(run: Run) -> Table:
    """Show the brief's estimates of index creation time beside what was measured."""
    groups = index_timing.by_group(_builds(run), run.release.index_estimates)
    rows = [
        {
            "group": group.group,
            "rows in the brief": f"< {group.estimated_rows:,}",
            "rows here": group.rows,
            "estimated": minutes(group.estimated),
            "measured": duration(group.measured),
        }
        for group in groups
    ]
    return Table("Index creation: estimated in the brief against measured", rows)


def chart_estimates(run: Run) -> Chart | Table:
    """Draw the brief's estimates beside what was measured."""
    groups = index_timing.by_group(_builds(run), run.release.index_estimates)
    if not any(group.measured for group in groups):
        return Table("The release estimates no index, or this run built none", [])
    return estimate_chart(groups)
