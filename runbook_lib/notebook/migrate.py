"""The acts of 40_migrate: one step of the plan, and what happened while it ran."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runbook_lib.errors import GateError, RunbookError
from runbook_lib.evidence.journal import Journal, to_all
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.run import TRAFFIC, Run
from runbook_lib.formatting import duration
from runbook_lib.migrate.apply import apply_guarded, count_statements, schema_before, touched_since
from runbook_lib.migrate.guard import describe_blockers
from runbook_lib.notebook.charts import Chart, Span, chart_steps, timeline
from runbook_lib.notebook.show import Progress, Table
from runbook_lib.parser.parse import fingerprint
from runbook_lib.release.plan import Step, StepKind

_SHOWN = 30
_LANES = 12  # of the timeline: the tables that took longest
_QUIET = {"server", "began", "committing", "committed", "built", "phase"}  # the statements tell it
_WORDS = {
    "retried": "a lock was in the way; the transaction was tried again",
    "waiting": "waited for another session",
    "paused": "paused, because the target was unhealthy",
    "resumed": "went on",
    "leftover": "an invalid index was dropped",
    "adopted": "a build that still ran on the server was waited for",
    "given up": "a build waited longer than the policy allows",
    "foreign": "somebody else changed the schema",
    "unknown": "the connection was lost during COMMIT",
    "resolved": "the ledger was asked how a COMMIT ended",
}


def apply_step(run: Run, step: str = "") -> Table:
    """Carry out one step of the plan, empty for the next one, and show its statements.

    A step that is done already, as the server tells, is not done again. Raises StatementError
    with SQLSTATE, file and line, and GateError for a step whose turn it is not.
    """
    chosen = _choose(run, step)
    if chosen is None:
        return Table("Every step of the plan is done; nothing is left to apply", [])
    record = run.step_record(chosen.name)
    before = schema_before(run, record)
    begin = time.perf_counter()
    with Progress(chosen.kind.value, count_statements(run, chosen)) as progress:
        emit = to_all(run.journal.emit, progress.follow)
        try:
            outcome = apply_guarded(run, chosen, emit)
        except RunbookError as error:
            failed = {"step": chosen.name, "error": str(error), **touched_since(run, before)}
            run.record(False, failed, record)
            raise
    seconds = time.perf_counter() - begin
    lines = [line for line in run.journal.runs() if line["step"] == chosen.name]
    content: dict[str, object] = {"step": chosen.name, "outcome": outcome.value}
    content |= {"statements": len(lines)}
    content |= touched_since(run, before)
    if chosen.kind is StepKind.APPLY:
        text = run.release.migration(chosen.name).path.read_text(encoding="utf-8-sig")
        content |= {"checksum": chosen.checksum, "fingerprint": fingerprint(text)}
    run.record(True, {**content, "seconds": seconds}, record)
    if not run.pending():
        run.record(True, {"steps": [item.name for item in run.plan.steps]})
    return _statements(chosen, outcome, seconds, lines)


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
        StepKind.DEMO_ROWS: "The demo rows are there",
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


def show_incidents(run: Run) -> Table:
    """Show what came between while the last step ran: waits, pauses, leftovers, others' DDL."""
    step = _last_step(run)
    events = [x for x in run.journal.events(step) if x["event"] not in _QUIET]
    rows = [
        {
            "at": str(item["at"])[11:19],
            "what": _WORDS.get(item["event"], item["event"]),
            "detail": _detail(item),
        }
        for item in events
    ]
    shown = f", the first {_SHOWN} are shown" if len(rows) > _SHOWN else ""
    caption = f"{len(rows)} incidents during {step}{shown}" if rows else "Nothing came between"
    return Table(caption if step else "No step has run yet", rows[:_SHOWN])


def _detail(item: Mapping[str, Any]) -> str:
    if "blockers" in item:
        return describe_blockers(item["blockers"])
    if "objects" in item:
        return "; ".join(item["objects"])
    if "reasons" in item:
        return "; ".join(item["reasons"])
    if item["event"] == "retried":
        return f"try {item['attempt']}, then {item['pause']:.1f} s: {item['error']}"
    known = (str(item[key]) for key in ("index", "pid", "outcome", "error") if key in item)
    seconds = [duration(item["seconds"])] if "seconds" in item else []
    return ", ".join([*known, *seconds])


def chart_traffic(run: Run) -> Chart | Table:
    """Draw the statements of the last step over what a tiny write took meanwhile."""
    step = _last_step(run)
    done = [line for line in run.journal.runs() if line["step"] == step]
    if not done:
        return Table("No step has run yet", [])
    begin = min(_seconds(line["started_at"]) for line in done)
    end = max(_seconds(line["started_at"]) + line["seconds"] for line in done)
    took: dict[str, float] = {}
    for line in done:
        took[_lane(line["label"])] = took.get(_lane(line["label"]), 0.0) + line["seconds"]
    longest = sorted(took, key=lambda lane: -took[lane])[:_LANES]
    others = f"{len(took) - len(longest)} other tables"
    spans = [
        Span(
            lane if (lane := _lane(line["label"])) in longest else others,
            _seconds(line["started_at"]) - begin,
            line["seconds"],
        )
        for line in done
    ]
    samples = _samples(run, begin, end)
    slowest = max((took for _, took in samples), default=None)
    felt = f"the slowest of {len(samples)} tiny writes took {duration(slowest)}" if slowest else ""
    title = f"{step} ran for {duration(end - begin)}; {felt or 'too short for a tiny write'}"
    return timeline(title, spans, samples, end - begin)


def _samples(run: Run, begin: float, end: float) -> Sequence[tuple[float, float]]:
    lines = Journal(run.directory.path / TRAFFIC).lines()
    taken = [(_seconds(line["at"]), line["seconds"]) for line in lines if line["seconds"]]
    # A sample is noted when it ends.
    return [(at - begin, took) for at, took in taken if begin <= at <= end + took]


def _lane(label: str) -> str:
    """Give concurrent builds the lane of their table, and everything else one lane."""
    return label.rpartition(" on ")[2] if "concurrently" in label else "in transactions"


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _last_step(run: Run) -> str:
    known = {step.name for step in run.plan.steps}
    steps = [line["step"] for line in run.journal.lines() if line["step"] in known]
    return str(steps[-1]) if steps else ""
