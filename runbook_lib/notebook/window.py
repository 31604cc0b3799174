"""The acts that show what happened on the target while a step ran."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runbook_lib.evidence.directory import Journal
from runbook_lib.evidence.run import TRAFFIC, Run
from runbook_lib.formatting import duration
from runbook_lib.migrate.waits import describe
from runbook_lib.notebook.show import Chart, Span, Table, timeline

_SHOWN = 30
_LANES = 12  # of the timeline: the tables that took longest
_QUIET = {"began", "committing", "committed", "built", "phase"}  # the statements tell it
_WORDS = {
    "retried": "a lock was in the way; the transaction was tried again",
    "waiting": "waited for another session",
    "paused": "paused, for the target was not well",
    "resumed": "went on",
    "leftover": "an invalid index was dropped",
    "adopted": "a build that still ran on the server was waited for",
    "given up": "a build waited longer than the policy allows",
    "foreign": "somebody else changed the schema",
    "unknown": "the connection was lost during COMMIT",
    "resolved": "the ledger was asked how a COMMIT ended",
}


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
        return describe(item["blockers"])
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
    steps = [line["step"] for line in run.journal.lines()]
    return str(steps[-1]) if steps else ""
