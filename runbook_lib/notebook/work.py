"""What the notebooks' acts have in common: carry a step out, record checks, decide."""

from collections.abc import Sequence
from typing import Any

from runbook_lib.errors import GateError
from runbook_lib.evidence.directory import Journal
from runbook_lib.evidence.records import CheckResult, Outcome, StatementRun, Status
from runbook_lib.evidence.run import Run
from runbook_lib.findings import Finding, Severity
from runbook_lib.formatting import duration
from runbook_lib.migrate.execute import Applier, OwnRows
from runbook_lib.notebook.show import Chart, Progress, Table, bars, worst_first
from runbook_lib.parser.statement import PHASES, Statement, Step, StepKind
from runbook_lib.parser.transactions import as_planned


class Recorder:
    """Write each statement to the journal and to the progress bar."""

    def __init__(self, journal: Journal, progress: Progress) -> None:
        self._journal = journal
        self._progress = progress

    def started(self, step: str, statement: Statement) -> None:
        """Say on the bar what is about to be sent."""
        self._progress.at(f"{statement.label} (line {statement.line})")
        self._journal.started(step, statement)

    def ended(self, run: StatementRun) -> None:
        """Count one statement more."""
        self._journal.ended(run)
        self._progress.advance()

    def ledger_row(self, step: str, row_id: str) -> None:
        """Keep the id of an unfinished ledger row: it proves that the row is ours."""
        self._journal.ledger_row(step, row_id)

    def event(self, name: str, step: str, **content: object) -> None:
        """Keep it."""
        self._journal.event(name, step, **content)

    def said(self, what: str) -> None:
        """Show it on the bar."""
        self._progress.at(what)


def count_statements(run: Run, step: Step) -> int:
    """Return how many statements a step has."""
    if step.kind is not StepKind.APPLY:
        return 1
    return len(as_planned(run.release.migration(step.name).statements, step.split))


def carry_out(run: Run, applier: Applier, step: Step, own_rows: OwnRows) -> Outcome:
    """Carry out one step of the plan; raises StatementError with SQLSTATE, file and line.

    ``own_rows`` returns the unfinished ledger rows from which it may go on.
    """
    if step.kind is StepKind.DEMO_ROWS:
        return applier.demo_rows(step.name, run.release.demo_files, run.environment.scale)
    migration = run.release.migration(step.name)
    if step.kind is StepKind.BASELINE:
        return applier.baseline(migration)
    return applier.migrate(migration, own_rows, step.split)


def checked(run: Run, title: str, results: Sequence[CheckResult], content: dict[str, Any]) -> Table:
    """Record check results and show them, worst first."""
    failed = [item.name for item in results if item.status is Status.FAIL]
    warned = sum(item.status is Status.WARN for item in results)
    unseen = sum(item.status is Status.NOT_MEASURED for item in results)
    run.record(not failed, {"failed": failed, "checks": results, **content})
    rows = [
        {
            "check": item.name,
            "status": item.status.value,
            "observed": item.observed,
            "expected": item.expected,
            "remedy": item.remedy,
        }
        for item in results
    ]
    caption = (
        f"{title}: {len(results)} checks, {len(failed)} failed, {warned} warnings, "
        f"{unseen} not measured"
    )
    return Table(caption, worst_first(rows))


def findings_table(title: str, findings: Sequence[Finding]) -> Table:
    """Show findings worst first; what a rule finds again in the same file is one row."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for item in findings:
        own = item.statement, item.cause
        same = item.rule, item.path, item.blocks, item.accepted
        groups.setdefault((*same, *(own if item.sqlstate else ())), []).append(item)
    rows = []
    for group in groups.values():
        first, lines = group[0], [str(item.line) for item in group[1:]]
        more = f" and {len(lines)} more (lines {', '.join(lines[:5])}" if lines else ""
        more += f"{', ...' if len(lines) > 5 else ''})" if lines else ""
        status = _FOUND[first.severity] if not first.accepted else Status.PASS
        state = f" (SQLSTATE {first.sqlstate})" if first.sqlstate else ""
        rows.append(
            {
                "status": status.value,
                "rule": first.rule,
                "found by": first.phase,
                "place": "/".join(first.place.split("/")[-2:]),
                "cause": f"{first.cause}{state}{more}",
                "effect": first.effect,
                "remedy": f"accepted: {first.accepted}" if first.accepted else first.remedy,
            }
        )
    blocking = sum(item.blocks for item in findings)
    counted = f"{len(findings)} findings, {blocking} block the migration"
    return Table(f"{title}: {counted if findings else 'nothing found'}", rows)


_FOUND = {
    Severity.ERROR: Status.FAIL,
    Severity.WARNING: Status.WARN,
    Severity.INFO: Status.NOT_MEASURED,
}


_NAMED = 10  # in the error; the table above it has them all


def decide(run: Run) -> Table:
    """Let the run go on from this phase, or stop it with what failed; raises GateError."""
    phase = next(item for item in PHASES if item.name == run.phase)
    record = run.recorded(run.phase)
    if record is None or record["plan"] != run.plan.digest:
        message = f"{phase.title} has no record for this plan."
        raise GateError(message, remedy="Run the cells above first.")
    if record["status"] != "passed":
        failed = record.get("failed", [])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        why = record.get("error") or "; ".join(failed[:_NAMED]) + more
        message = f"{phase.title} failed: {why}"
        raise GateError(message, remedy="Mend what the table above names, then run again.")
    after = PHASES[min(PHASES.index(phase) + 1, len(PHASES) - 1)]
    row = {"phase": phase.title, "status": Status.PASS.value, "next": f"{after.notebook}.ipynb"}
    return Table("Decision: go on", [row])


def chart_steps(run: Run, journal: Journal, title: str) -> Chart:
    """Draw the time of each step of the plan; ``title`` has a place for the total."""
    took = dict.fromkeys((step.name for step in run.plan.steps), 0.0)
    count = dict.fromkeys(took, 0)
    for line in journal.runs():
        took[line["step"]] = took.get(line["step"], 0.0) + line["seconds"]
        count[line["step"]] = count.get(line["step"], 0) + 1
    total = duration(sum(took.values()))
    notes = [f"{number} statements" if number else "no statement" for number in count.values()]
    return bars(title.format(total=total), list(took), list(took.values()), notes)
