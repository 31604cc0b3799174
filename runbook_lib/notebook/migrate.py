"""The acts of 40_migrate: one step of the plan, or several, and what happened meanwhile."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import GateError, RunbookError
from runbook_lib.evidence import touched
from runbook_lib.evidence.journal import Event, Journal, place_of, to_all
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.run import TRAFFIC, Run
from runbook_lib.evidence.standing import Forecast
from runbook_lib.formatting import duration
from runbook_lib.migrate.apply import count_statements, guarding
from runbook_lib.migrate.guard import describe_blockers
from runbook_lib.notebook import page
from runbook_lib.notebook.acts import check_act, one_writer
from runbook_lib.notebook.charts import Chart, chart_steps, timeline
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.steps import StepButton
from runbook_lib.notebook.traffic import moment, read_spans
from runbook_lib.parser.parse import fingerprint
from runbook_lib.release.plan import Step, StepKind

_SHOWN = 30
_QUIET = {"server", "began", "committing", "committed", "built", "phase"}  # the statements tell it
_WORDS = {
    "retried": "a lock was in the way; the transaction was tried again",
    "waiting": "waited for another session",
    "paused": "paused",
    "stopped": "stopped",
    "resumed": "went on",
    "leftover": "an invalid index was dropped",
    "adopted": "a build that still ran on the server was waited for",
    "given up": "a build waited longer than the policy allows",
    "foreign": "somebody else changed the schema",
    "unknown": "the connection was lost during COMMIT",
    "resolved": "the ledger was asked how a COMMIT ended",
}


def apply_step(run: Run, step: str = "", until: str = "") -> Table:
    """Carry out one step of the plan, empty for the next one, and show its statements.

    With ``until`` those behind it are carried out as well, that one the last; each is shown. A step
    that is done already, as the server tells, is not done again. At a screen a button is shown
    that names the step, and carries it out when it is pressed. Raises StatementError with SQLSTATE,
    file and line, and GateError for a step whose turn it is not.
    """
    if not page.at_screen():
        return _apply(run, step, until)
    check_act(run, "migrate")
    steps = _choose(run, step, until)
    if not steps or steps[0] not in run.pending():
        return _apply(run, step, until)
    StepButton(run, _apply).offer(steps[0], steps[-1])
    return Table("A press applies the step that its button names", [])


@one_writer
def _apply(run: Run, step: str, until: str) -> Table:
    check_act(run, "migrate")
    steps = _choose(run, step, until)
    if not steps:
        return Table("Every step of the plan is done; nothing is left to apply", [])
    done = _carry_out(run, steps) if steps[0] in run.pending() else [_done_before(run, steps[0])]
    if not run.pending():
        run.record(True, {"steps": [item.name for item in run.plan.steps]})
    return _statements(done[0]) if len(done) == 1 else _steps(done)


def _carry_out(run: Run, steps: Sequence[Step]) -> "list[_Done]":
    """Carry steps out, one after the other; what they touch is kept for a way back."""
    known = _Statements(run.journal)
    before = touched.keep_before(run, steps[0].name)
    counts = {item.name: count_statements(run, item) for item in steps}
    title = steps[0].name if len(steps) == 1 else f"{steps[0].name} to {steps[-1].name}"
    with Progress(title, sum(counts.values()), forecast=_forecast(run, counts)) as progress:
        emit = to_all(run.journal.emit, known.keep, progress.follow)
        try:
            with guarding(run, steps, emit) as carry_out:
                done = [_carried_out(run, item, carry_out, known) for item in steps]
        except RunbookError:
            touched.keep_touched(run, steps[0].name, before)
            raise
    touched.keep_touched(run, steps[0].name, before)
    return done


def _forecast(run: Run, counts: Mapping[str, int]) -> Forecast | None:
    """Return what the rehearsal foretells of these steps' statements, None where it does not."""
    steps = (run.verdict() or {}).get("steps", ())
    took = {item["step"]: item["seconds"] for item in steps if item["step"] in counts}
    seconds = {name: took.get(name, 0.0) / count for name, count in counts.items() if count}
    whole = sum(took.values())
    return Forecast(seconds, whole) if whole else None


def _choose(run: Run, name: str, until: str) -> Sequence[Step]:
    """Return the steps that are asked for; raises GateError where their turn has not come."""
    known = {item.name: item for item in run.plan.steps}
    for wanted in filter(None, (name, until)):
        if wanted not in known:
            message = f"The plan has no step '{wanted}'."
            raise GateError(message, remedy=f"Its steps are: {', '.join(known) or 'none'}.")
    pending = run.pending()
    if name and known[name] in pending and pending[0].name != name:
        message = f"'{name}' is not the next step: {pending[0].name} comes first."
        raise GateError(message, remedy="Run the steps in the order of the plan.")
    if name and known[name] not in pending and not until:
        return [known[name]]
    if not until:
        return pending[:1]
    steps = pending[: pending.index(known[until]) + 1] if known[until] in pending else ()
    most = run.policy.notebooks.files
    if len(steps) > most:
        message = f"'{until}' is {len(steps)} steps from here, and a notebook takes {most}."
        raise GateError(message, remedy="Name an earlier one, or set policy.notebooks.files.")
    return steps


class _Statements:
    """Know the last end of each statement of a run, from its journal and as they end."""

    def __init__(self, journal: Journal) -> None:
        self._known: dict[str, dict[tuple[Any, ...], Mapping[str, Any]]] = {}
        for line in journal.runs():
            self._add(line)

    def _add(self, line: Mapping[str, Any]) -> None:
        self._known.setdefault(line["step"], {})[place_of(line)] = line

    def keep(self, event: Event) -> None:
        """Take note of a statement's end."""
        if event.run is not None:
            self._add(vars(event.run))

    def of(self, step: str) -> list[Mapping[str, Any]]:
        """Return those of a step, in order."""
        return list(self._known.get(step, {}).values())


@dataclass(frozen=True)
class _Done:
    """Hold what came of a step."""

    step: Step
    outcome: Outcome
    lines: Sequence[Mapping[str, Any]]
    seconds: float = 0.0


def _carried_out(
    run: Run, step: Step, carry_out: Callable[[Step], Outcome], known: _Statements
) -> _Done:
    """Carry one step out and record what came of it."""
    begin = time.perf_counter()
    try:
        outcome = carry_out(step)
    except RunbookError as error:
        run.record(False, {"step": step.name, "error": str(error)}, run.step_record(step.name))
        raise
    return _recorded(run, _Done(step, outcome, known.of(step.name), time.perf_counter() - begin))


def _done_before(run: Run, step: Step) -> _Done:
    return _recorded(run, _Done(step, Outcome.ALREADY_DONE, _Statements(run.journal).of(step.name)))


def _recorded(run: Run, done: _Done) -> _Done:
    step = done.step
    content: dict[str, object] = {"step": step.name, "outcome": done.outcome.value}
    content |= {"statements": len(done.lines)}
    if step.kind is StepKind.APPLY:
        text = run.release.migration(step.name).path.read_text(encoding="utf-8-sig")
        content |= {"checksum": step.checksum, "fingerprint": fingerprint(text)}
    run.record(True, {**content, "seconds": done.seconds}, run.step_record(step.name))
    return done


def _steps(done: Sequence[_Done]) -> Table:
    """Show a row for each of several steps."""
    rows = [
        {
            "step": item.step.name,
            "what": item.step.kind.value,
            "outcome": item.outcome.value,
            "statements": len(item.lines),
            "ms": round(item.seconds * 1000, 1),
        }
        for item in done
    ]
    statements, seconds = sum(len(item.lines) for item in done), sum(x.seconds for x in done)
    what = f"{done[0].step.name} to {done[-1].step.name}: {len(done)} steps are done"
    return Table(f"{what}, {statements:,} statements in {duration(seconds)}", rows)


def _statements(done: _Done) -> Table:
    step = done.step
    what = {
        StepKind.APPLY: f"{step.name} is applied",
        StepKind.BASELINE: f"{step.name} is recorded as baseline, not run",
        StepKind.DEMO_ROWS: "The demo rows are there",
    }[step.kind]
    if done.outcome is Outcome.ALREADY_DONE:
        what = f"{step.name} was done before; the server says so, and nothing was run"
    rows = [
        {
            "file": str(line["path"]).rsplit("/", 1)[-1],
            "line": line["line"],
            "statement": line["label"],
            "outcome": str(line["outcome"]),
            "ms": round(float(line["seconds"]) * 1000, 1),
        }
        for line in done.lines
    ]
    return Table(f"{what}: {len(rows)} statements in {duration(done.seconds)}", rows)


def chart_migration(run: Run) -> Chart | Table:
    """Draw how long each step took on the target, unless one of them stopped."""
    stopped = _stopped(run, run.journal.begun())
    return stopped or chart_steps(run, run.journal, "The statements of the release took {total}")


def _stopped(run: Run, steps: Collection[str]) -> Table | None:
    """Return what is shown in the place of a chart where one of these steps is not done."""
    waiting = (step.name for step in run.pending() if step.name in steps)
    name = next(waiting, "")
    return Table(f"{name} stopped: what it took is not drawn", []) if name else None


def show_incidents(run: Run) -> Table:
    """Show what came between while the last steps ran: waits, pauses, leftovers, others' DDL."""
    steps = _last_steps(run)
    if not steps:
        return Table("No step has run yet", [])
    events = [x for x in run.journal.events(steps) if x["event"] not in _QUIET]
    rows = [
        {
            "at": str(item["at"])[11:19],
            "what": _WORDS.get(item["event"], item["event"]),
            "detail": _detail(item),
        }
        for item in events
    ]
    shown = f", the first {_SHOWN} are shown" if len(rows) > _SHOWN else ""
    during = _from_to(steps)
    what = f"{len(rows)} incidents" if rows else "No wait, retry or pause"
    return Table(f"{what} during {during}{shown}", rows[:_SHOWN])


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
    """Draw what the last steps did, and waited for, over what a tiny write took meanwhile."""
    steps = _last_steps(run)
    done = [line for line in run.journal.runs() if line["step"] in steps]
    if not done:
        return Table("No statement has run yet: there is nothing to draw", [])
    if stopped := _stopped(run, steps):
        return stopped
    begin = min(moment(line["started_at"]) for line in done)
    end = max(moment(line["started_at"]) + line["seconds"] for line in done)
    spans = read_spans(done, run.journal.events(steps), begin)
    samples = _samples(run, begin, end)
    slowest = max((took for _, took in samples), default=None)
    felt = f"the slowest of {len(samples)} probe writes took {duration(slowest)}" if slowest else ""
    title = (
        f"{_from_to(steps)} ran for {duration(end - begin)}; {felt or 'too short to time a write'}"
    )
    return timeline(title, spans, samples, end - begin)


def _samples(run: Run, begin: float, end: float) -> Sequence[tuple[float, float]]:
    lines = Journal(run.directory.path / TRAFFIC).lines()
    taken = [(moment(line["at"]), line["seconds"]) for line in lines if line["seconds"]]
    # A sample is noted when it ends.
    return [(at - begin, took) for at, took in taken if begin <= at <= end + took]


def _last_steps(run: Run) -> Sequence[str]:
    """Return the steps of the plan that the last notebook has begun, in order."""
    seen = {line["step"] for line in run.journal.lines()}
    first = touched.last_first(run)
    names = [step.name for step in run.plan.steps]
    return [name for name in names[names.index(first) :] if name in seen] if first else []


def _from_to(steps: Sequence[str]) -> str:
    return steps[0] if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
