"""Tell which failures of a rehearsal only follow from an earlier one."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runbook_lib.errors import SqlState
from runbook_lib.evidence.records import StatementRun
from runbook_lib.findings import Finding, Severity, remedy
from runbook_lib.parser.statement import Statement

# Something is not there / something is there already (PostgreSQL manual, appendix A).
_MISSING = {
    SqlState.UNDEFINED_TABLE,
    SqlState.UNDEFINED_COLUMN,
    SqlState.UNDEFINED_OBJECT,
    SqlState.UNDEFINED_FUNCTION,
    SqlState.INVALID_SCHEMA_NAME,
    SqlState.INVALID_FOREIGN_KEY,
    SqlState.INVALID_COLUMN_REFERENCE,
}
_THERE = {
    SqlState.DUPLICATE_TABLE,
    SqlState.DUPLICATE_COLUMN,
    SqlState.DUPLICATE_OBJECT,
    SqlState.DUPLICATE_SCHEMA,
    SqlState.DUPLICATE_FUNCTION,
}


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

    ``steps`` are named in the order in which they were tried.
    """
    not_made: dict[str, str] = {}
    not_removed: dict[str, str] = {}
    blind = list(unreadable)
    for failure in failures:
        run = failure.run
        cause = not_made if run.sqlstate in _MISSING else not_removed
        follows = ""
        if run.sqlstate in _MISSING | _THERE:
            words = set(_words(run.error))
            follows = next((place for name, place in cause.items() if name in words), "")
        if not follows and run.sqlstate in _MISSING:
            earlier = steps[: steps.index(run.step) + 1]
            told = (item for item in blind if item.step in earlier and _speaks_of(item, run.error))
            follows = next((item.place for item in told), "")
        place = f"{run.path}:{run.line}"
        if failure.statement is not None:
            for item in failure.statement.creates:
                not_made.setdefault(item.name, place)
            for item in failure.statement.removes:
                not_removed.setdefault(item.name, place)
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


def _words(message: str) -> Iterator[str]:
    """Yield the names in a message of the server: what it quotes, and bare words."""
    for quoted in re.findall(r'"([^"]+)"', message):
        yield quoted
        yield from quoted.split(".")
    yield from re.findall(r"[\w$]+", message)


def _speaks_of(part: Unreadable, message: str) -> bool:
    named = re.findall(r'"([^"]+)"', message) or re.findall(r"[\w$]+(?=\()", message)
    words = set(re.findall(r"[\w$]+", part.text))
    return any(name.split(".")[-1] in words for name in named[:1])
