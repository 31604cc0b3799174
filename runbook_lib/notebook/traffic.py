"""Read from a run's journal what its last steps did when: ran, waited or rested."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from runbook_lib.notebook.charts import Doing, Span

_LANES = 12  # of the timeline: the tables that took longest
_TRANSACTIONS = "in transactions"
_WAITS = "waiting for "  # how the server's phases of an index build begin in which it waits
_REST = {"retried": "pause", "resumed": "seconds"}
Line = Mapping[str, Any]


def lane(label: str) -> str:
    """Give concurrent builds the lane of their table, and everything else one lane."""
    return label.rpartition(" on ")[2] if "concurrently" in label else _TRANSACTIONS


def moment(at: str) -> float:
    """Return a time of the journal as seconds."""
    return datetime.fromisoformat(at).timestamp()


def read_spans(done: Sequence[Line], events: Iterable[Line], begin: float) -> list[Span]:
    """Return what statements ran, waited and rested when, in seconds since ``begin``.

    A lane is a table; of many those that took longest have one of their own.
    """
    ends = {str(line["label"]): moment(line["started_at"]) + line["seconds"] for line in done}
    noted = list(events)
    place = _places(done)
    spans = [_ran(line, place, begin) for line in done]
    spans += [_rested(line, place(""), begin) for line in noted if line["event"] in _REST]
    return [*spans, *_waited(noted, ends, place, begin)]


def _places(done: Sequence[Line]) -> Callable[[str], str]:
    """Return what tells the lane of a label."""
    took: dict[str, float] = {}
    for line in done:
        name = lane(line["label"])
        took[name] = took.get(name, 0.0) + line["seconds"]
    longest = sorted(took, key=lambda name: -took[name])[:_LANES]
    others = f"{len(took) - len(longest)} other tables"
    return lambda label: name if (name := lane(label)) in {*longest, _TRANSACTIONS} else others


def _ran(line: Line, place: Callable[[str], str], begin: float) -> Span:
    return Span(place(line["label"]), moment(line["started_at"]) - begin, line["seconds"])


def _rested(line: Line, name: str, begin: float) -> Span:
    """Return the rest before a next try, which is noted before it, or a pause, noted behind it."""
    seconds, at = float(line[_REST[line["event"]]]), moment(line["at"]) - begin
    return Span(name, at - seconds if line["event"] == "resumed" else at, seconds, Doing.RESTING)


def _waited(
    events: Sequence[Line], ends: Mapping[str, float], place: Callable[[str], str], begin: float
) -> Iterator[Span]:
    """Yield the waits: each lasts until the next note of the same index, or its statement's end."""
    for number, line in enumerate(events):
        name = _index(line)
        if line["event"] == "waiting" or str(line.get("phase", "")).startswith(_WAITS):
            label = next((item for item in ends if name and f" {name} " in item), "")
            later = (moment(item["at"]) for item in events[number + 1 :] if _index(item) == name)
            at = moment(line["at"])
            end = min(next(later, float("inf")), _end(ends, label, at))
            yield Span(place(label), at - begin, max(end - at, 0.0), Doing.WAITING)


def _index(note: Line) -> str:
    """Return the index that a note is of, without its schema; empty where it is of none."""
    return str(note.get("index", note.get("statement", ""))).rpartition(".")[2]


def _end(ends: Mapping[str, float], label: str, at: float) -> float:
    """Return when a statement ended, or where it is not known the next one that did."""
    known = [ends[label]] if label else [end for end in ends.values() if end >= at]
    return min(known, default=at)
