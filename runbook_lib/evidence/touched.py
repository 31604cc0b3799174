"""Keep the schema before the steps of each migration notebook, and what they touched.

So a way back knows what was there before the first step, and what is the run's own. A schema is
kept as what differs from that before the notebook before: a release of many files changes little of
it each time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from runbook_lib.errors import EvidenceError, TargetError
from runbook_lib.evidence.run import SCHEMA_BEFORE, SCHEMA_TOUCHED, Run
from runbook_lib.evidence.schemas import Touched, read_record
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.snapshot import Change, Snapshot

_NOTHING = Snapshot({})


@dataclass(frozen=True)
class Stretch:
    """Hold the schema before the steps of one notebook, from ``first`` on, and their marks.

    ``marks`` are None where the notebook was killed before it could write them.
    """

    first: str
    before: Snapshot
    marks: frozenset[str] | None


def keep_before(run: Run, first: str) -> Snapshot:
    """Return the schema before the first try of this step, which is kept from then on."""
    kept = stretches(run)
    for known in kept:
        if known.first == first:
            return known.before
    with run.database.runner_session() as connection:
        now = snapshot.take_snapshot(connection, settings=True).recorded()
    since, before = (kept[-1].first, kept[-1].before) if kept else ("", _NOTHING)
    change = Change.between(_record(run, since), before, now)
    run.directory.write(_record(run, first), change)
    return now


def keep_touched(run: Run, first: str, before: Snapshot) -> None:
    """Record what was touched since, as marks; not where the server does not answer."""
    try:
        with run.database.runner_session() as connection:
            now = snapshot.take_snapshot(connection, settings=True)
    except TargetError:
        return
    marks = snapshot.touched(before.revealed(now), now)
    run.directory.write(f"{SCHEMA_TOUCHED}{run.step_record(first)}", Touched.of(marks))


def stretches(run: Run) -> list[Stretch]:
    """Return what the migration notebooks of a run kept, oldest first; raises EvidenceError."""
    return list(_stretches(run))


def last_first(run: Run) -> str:
    """Return the step with which the last migration notebook began, empty before any."""
    return next((item.first for item in reversed(stretches(run))), "")


def _stretches(run: Run) -> Iterator[Stretch]:
    changes = dict[str, tuple[str, Change]]()
    for step in run.plan.steps:
        change = read_record(run.directory, _record(run, step.name), Change)
        if change is not None:
            changes[change.since] = step.name, change
    since, before = "", _NOTHING
    while since in changes:
        first, change = changes.pop(since)
        since, before = _record(run, first), change.onto(before)
        touched = read_record(run.directory, f"{SCHEMA_TOUCHED}{run.step_record(first)}", Touched)
        yield Stretch(first, before, touched.marks if touched else None)
    for missing, (first, _) in changes.items():
        message = f"The record tells what changed since {missing}, which is not there."
        path = run.directory.path / f"{_record(run, first)}.json"
        raise EvidenceError(message, path=path, remedy="Bring that file back.")


def _record(run: Run, first: str) -> str:
    return f"{SCHEMA_BEFORE}{run.step_record(first)}" if first else ""


def marks_of(kept: Sequence[Stretch], now: Snapshot) -> frozenset[str]:
    """Return the marks of all that a run's steps touched.

    Of a notebook that was killed, what came until the next one is taken for its steps' own.
    """
    befores = [item.before.revealed(now) for item in kept]
    marks = set[str]()
    for item, (before, after) in zip(kept, pairwise([*befores, now]), strict=True):
        marks |= snapshot.touched(before, after) if item.marks is None else item.marks
    return frozenset(marks)
