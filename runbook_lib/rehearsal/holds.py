"""Say how long the locks of a rehearsal stopped the writes on a table."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.evidence.records import StatementRun
from runbook_lib.findings import Finding, Severity
from runbook_lib.parser.statement import LockMode

_STOPS_WRITES = {mode.value for mode in LockMode if mode.stops_writes}


def held_long(
    runs: Iterable[StatementRun], rows: Mapping[str, int], limit: float
) -> Iterator[Finding]:
    """Yield where a lock stopped the writes on a table with rows longer than ``limit`` seconds."""
    for hold in holds(runs):
        if rows.get(hold.table, 0) and hold.seconds > limit:
            yield Finding(
                phase="rehearsal",
                rule="writes-wait",
                severity=Severity.ERROR,
                path=hold.path,
                line=hold.line,
                cause=f"{hold.mode} on {hold.table} ({rows[hold.table]:,} rows) was held for "
                f"{hold.seconds:.1f} s, until its transaction ended.",
                effect="The application's writes to the table wait that long.",
                remedy="Split the file, build indexes CONCURRENTLY, validate constraints later.",
            )


@dataclass(frozen=True)
class Hold:
    """Hold how long, in seconds, the first statement's lock stopped the writes on a table."""

    step: str
    table: str
    mode: str
    seconds: float
    path: str
    line: int


def holds(runs: Iterable[StatementRun]) -> tuple[Hold, ...]:
    """Return for each step and table the longest lock that stops writes, longest first.

    A lock is held until its transaction ends (PostgreSQL manual, 13.3.1).
    """
    kept = list(runs)
    ends: dict[tuple[str, str, int], float] = {}
    for run in kept:
        key = run.step, run.path, run.unit
        ends[key] = max(ends.get(key, 0.0), run.started_at.timestamp() + run.seconds)
    longest: dict[tuple[str, str], Hold] = {}
    for run in kept:
        for table, modes in (run.observed.locks if run.observed else {}).items():
            strong = [mode for mode in modes if mode in _STOPS_WRITES]
            seconds = ends[run.step, run.path, run.unit] - run.started_at.timestamp()
            hold = Hold(run.step, table, strong[-1] if strong else "", seconds, run.path, run.line)
            known = longest.get((run.step, table))
            if strong and (known is None or known.seconds < seconds):
                longest[run.step, table] = hold
    return tuple(sorted(longest.values(), key=lambda hold: -hold.seconds))
