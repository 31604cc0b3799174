"""Say what a way back would lose or leave changed, by name with its count, and accept it by a code.

A name is a table's, a column's, ``sequence`` and a sequence's, or ``large objects``.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping

from runbook_lib.parser import identifiers

LARGE_OBJECTS = "large objects"
_SEQUENCE = "sequence "
_DIGITS = 4  # of the code: beside rows and tables they tell a slip, and nobody has to be kept out
_SHOWN = 5
_COUNTED = {"table": "row", "column": "value"}  # what a kind of name counts


def code(way: str, *counted: Mapping[str, int]) -> str:
    """Return what accepts these counts for one way: how much it is, and a digest of all of it."""
    if not any(counted):
        return ""
    parts = [way, *(sorted(counts.items()) for counts in counted)]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    both = {name: count for counts in counted for name, count in counts.items()}
    return f"{total(both)}: {digest[:_DIGITS].upper()}"


def total(counts: Mapping[str, int]) -> str:
    """Return how much it is in all: rows of tables, values of columns, and what else there is."""
    return ", ".join(_totals(counts))


def _totals(counts: Mapping[str, int]) -> Iterator[str]:
    names, sums = Counter(map(kind, counts)), Counter[str]()
    for name, count in counts.items():
        sums[kind(name)] += count
    for each, counted in _COUNTED.items():
        if names[each]:
            yield f"{many(sums[each], counted)} of {many(names[each], each)}"
    if names["sequence"]:
        yield many(names["sequence"], "sequence")
    if names["large object"]:
        yield many(sums["large object"], "large object")


def kind(name: str) -> str:
    """Return what has this name."""
    if name == LARGE_OBJECTS:
        return "large object"
    if name.startswith(_SEQUENCE):
        return "sequence"
    return "column" if len(identifiers.parts(name)) > 2 else "table"


def amount(name: str, count: int) -> str:
    """Say of one name how much it is."""
    what = kind(name)
    if what == "sequence":
        return f"{name}, which is {count:,} behind"
    return f"{many(count, _COUNTED[what])} of {name}" if what in _COUNTED else many(count, what)


def many(count: int, what: str) -> str:
    """Return a count with what is counted, in its plural where there is not one."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts, the largest first, and those that are equal by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def named(counts: Mapping[str, int]) -> str:
    """Name the largest with their counts, and say how many more there are."""
    found = [f"{name} ({count:,})" for name, count in largest_first(counts).items()]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}"
