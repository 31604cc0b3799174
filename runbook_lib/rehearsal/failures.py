"""Tell which failures of a rehearsal only follow from an earlier one."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from runbook_lib.errors import SqlState
from runbook_lib.evidence.records import StatementRun
from runbook_lib.findings import Finding, Severity, remedy
from runbook_lib.parser.statement import Statement

_KEPT = 1024
MISSING = {
    SqlState.UNDEFINED_TABLE,
    SqlState.UNDEFINED_COLUMN,
    SqlState.UNDEFINED_OBJECT,
    SqlState.UNDEFINED_FUNCTION,
    SqlState.INVALID_SCHEMA_NAME,
    SqlState.INVALID_FOREIGN_KEY,
    SqlState.INVALID_COLUMN_REFERENCE,
}
"""What says that something is not there (PostgreSQL manual, appendix A)."""
THERE = {
    SqlState.DUPLICATE_TABLE,
    SqlState.DUPLICATE_COLUMN,
    SqlState.DUPLICATE_OBJECT,
    SqlState.DUPLICATE_SCHEMA,
    SqlState.DUPLICATE_FUNCTION,
}
"""What says that something is there already."""


@dataclass(frozen=True)
class Failure:
    """Hold a statement that failed; ``statement`` is None where its run is all that is known.

    ``why`` says which rows are in its way.
    """

    run: StatementRun
    statement: Statement | None
    why: str = ""


@dataclass(frozen=True)
class Unreadable:
    """Hold what of a step was not run, because it could not be parsed or was refused."""

    step: str
    place: str
    text: str


def follow(
    failures: Iterable[Failure], unreadable: Iterable[Unreadable], steps: Sequence[str]
) -> Iterator[Finding]:
    """Turn failures into findings; one that needs what an earlier one did not do names it.

    ``steps`` are named in the order in which they were tried. What is left of a statement of which
    an earlier part failed says nothing more.
    """
    tried = set[tuple[str, int]]()
    not_made: dict[tuple[bool, str], str] = {}  # columns apart
    not_removed: dict[tuple[bool, str], str] = {}
    blind = list(unreadable)
    for failure in failures:
        run = failure.run
        if (run.path, run.number) in tried:
            continue
        tried.add((run.path, run.number))
        cause = not_made if run.sqlstate in MISSING else not_removed
        follows = ""
        if run.sqlstate in MISSING | THERE:
            words, about = set(_words(run.error)), _about_columns(run.sqlstate)
            named = ((x, place) for (column, x), place in cause.items() if column in about)
            follows = next((place for name, place in named if name in words), "")
        if not follows and run.sqlstate in MISSING:
            earlier = steps[: steps.index(run.step) + 1]
            told = (
                item for item in blind if item.step in earlier and speaks_of(item.text, run.error)
            )
            follows = next((item.place for item in told), "")
        place = f"{run.path}:{run.line}"
        if failure.statement is not None:
            inner = failure.statement.inner if failure.statement.kind == "do" else ()
            for part in (failure.statement, *inner):
                for item in part.creates:
                    not_made.setdefault((item.kind == "column", item.name), place)
                for item in part.removes:
                    not_removed.setdefault((item.kind == "column", item.name), place)
        yield Finding(
            phase="rehearsal",
            rule="statement-failed",
            severity=Severity.ERROR,
            path=run.path,
            line=run.line,
            cause=f"{run.label}: {run.error} {failure.why}".rstrip(),
            effect="The statement fails on the target too, and the file stops there.",
            remedy=f"Mend {follows} first." if follows else remedy(run.sqlstate),
            sqlstate=run.sqlstate,
            statement=run.statement,
            number=run.number,
            follows=follows,
        )


def _about_columns(sqlstate: str) -> set[bool]:
    """Return whether an error is about a column, about another object, or perhaps either."""
    if sqlstate in {SqlState.INVALID_FOREIGN_KEY, SqlState.INVALID_COLUMN_REFERENCE}:
        return {True, False}
    return {sqlstate in {SqlState.UNDEFINED_COLUMN, SqlState.DUPLICATE_COLUMN}}


def _words(message: str) -> Iterator[str]:
    """Yield the names in a message of the server: what it quotes, and bare words."""
    for quoted in re.findall(r'"([^"]+)"', message):
        yield quoted
        yield from quoted.split(".")
    yield from re.findall(r"[\w$]+", message)


def speaks_of(text: str, message: str) -> bool:
    """Tell whether a text has the name that a message of the server is about."""
    named = re.findall(r'"([^"]+)"', message) or re.findall(r"[\w$]+(?=\()", message)
    return any(name.split(".")[-1] in _words_of(text) for name in named[:1])


@lru_cache(maxsize=_KEPT)
def _words_of(text: str) -> frozenset[str]:
    """Return the words of a text, which is asked for each failure behind it."""
    return frozenset(re.findall(r"[\w$]+", text))
