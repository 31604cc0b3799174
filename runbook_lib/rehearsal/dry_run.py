"""Carry a plan out on the target's schema without rows: the server says what is an error.

What rows alone can decide is left to the rehearsal, and what the copy could not be made equal for
is unproven.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile

from runbook_lib.checks.baseline import PARTLY_THERE
from runbook_lib.checks.verify import Absent
from runbook_lib.errors import GateError, RunbookError, SqlState
from runbook_lib.evidence.journal import Listener
from runbook_lib.evidence.records import Outcome, StatementRun
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import DRY_RUN, Finding, Severity
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres.connection import Database
from runbook_lib.rehearsal import outward
from runbook_lib.rehearsal.failures import MISSING, THERE, speaks_of
from runbook_lib.rehearsal.lacking import available_extensions
from runbook_lib.rehearsal.trial import Trial
from runbook_lib.rehearsal.world import open_schema
from runbook_lib.release.plan import Step, StepKind

# Cardinality, data, constraints, and what PL/pgSQL raises (PostgreSQL manual, appendix A).
_OF_ROWS = ("21", "22", "23", "P0")
_DATA = "22"
_EVALUATES_NOTHING_OF_ROWS = {  # a value that it holds itself is what does not fit
    *("alter enum", "alter table", "alter seq", "alter domain", "create", "create domain"),
    *("create enum", "create function", "create seq", "create trig", "variable set"),
    "view",
}
_COLLATION = re.compile(r'ollation "([^"]+)"')
_COLLATIONS = "SELECT count(*) FROM pg_catalog.pg_collation WHERE collname = %(name)s"
_BODIES = {"do", "call"}  # what runs there may ask for rows, and raise what it likes
_READS = {"select", "insert", "update", "delete", "merge"}
_UNDECIDED = "Without rows it fails; the rehearsal, which has them, decides."
_STAYS = "The server takes the file all the same: what is there stays as it is."
_UNPROVEN = "On the target it may be otherwise: "


@dataclass(frozen=True)
class DryRun:
    """Hold what came of each statement on the target's schema, and what is an error by it.

    ``absent`` is what reading wrongly takes to be there afterwards.
    """

    runs: tuple[StatementRun, ...] = ()
    findings: tuple[Finding, ...] = ()
    absent: Absent = field(default_factory=dict)

    def settle(self, read: Iterable[Finding]) -> Iterator[Finding]:
        """Yield what was read, but for what the server knows better, or says itself."""
        done = {(item.path, item.number) for item in self.runs if item.outcome is Outcome.DONE}
        said = {(item.of_statement, item.sqlstate) for item in self.findings if item.number}
        for item in read:
            failing = item.sqlstate and not item.sqlstate.startswith(_OF_ROWS)
            decided = item.of_statement in done or (item.of_statement, item.sqlstate) in said
            if item.rule == PARTLY_THERE:
                yield from self._of_file(item)
            elif not (failing and decided):
                yield item

    def _of_file(self, item: Finding) -> Iterator[Finding]:
        """Yield what was found of a file as a whole, as far as the server does not say it."""
        failed = [x.sqlstate for x in self.findings if x.path == item.path]
        if not failed and any(run.path == item.path for run in self.runs):
            yield replace(item, severity=Severity.WARNING, effect=_STAYS)
        elif not any(sqlstate in THERE for sqlstate in failed):
            yield item


def dry_run(run: Run, steps: Sequence[Step], emit: Listener) -> DryRun:
    """Try the statements of these steps on a copy of the schema, in a cluster that is thrown away.

    They are those that are still to be done, without what fills tables.
    """
    inside = replace(run, release=outward.without(run.release))
    try:
        if begun := run.begun():
            message = f"{begun} is committed in part, and its copy would begin it anew."
            raise GateError(message, remedy="The rehearsal goes on from there.")
        with open_schema(run, Sender(emit, DRY_RUN)) as world:
            tried = Trial(inside, world.copy, emit).carry_out(steps)
            files = (inside.release.migration(x.name) for x in steps if x.kind is StepKind.APPLY)
            known = {(item.path, item.number): item for file in files for item in file.statements}
            judge = _Judge(run.database, known, world.differs)
            found = tuple(judge.judge(outward.softened(tried.findings, run.release)))
    except RunbookError as error:
        return DryRun(findings=(_not_tried(run, error),))
    return DryRun(tried.runs, found, tried.absent)


@dataclass(frozen=True)
class _Judge:
    """Tell what a failure on a copy without rows says of the target.

    ``statements`` are found by file and number; ``differs`` is where the copy could not be made
    equal.
    """

    target: Database
    statements: Mapping[tuple[str, int], Statement]
    differs: Sequence[str]

    @cached_property
    def _installable(self) -> Set[str] | None:
        with self.target.runner_session() as connection:
            return available_extensions(connection)

    def judge(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Yield each as an error, or as what is not decided by it, with what follows from that."""
        open_places, without = set[str](), ""
        for item in found:
            effect = self._undecided(item)
            if item.follows in open_places:
                effect = _UNDECIDED
            elif item.sqlstate in MISSING:
                effect = effect or without  # an extension makes what nobody can name
            if effect and item.severity is Severity.ERROR:
                open_places.add(item.place)
                without = effect if item.sqlstate == SqlState.FEATURE_NOT_SUPPORTED else without
                item = replace(item, severity=Severity.WARNING, effect=effect)  # noqa: PLW2901
            yield replace(item, phase=DRY_RUN)

    def _undecided(self, item: Finding) -> str:
        statement = self.statements.get((item.path, item.number))
        if self._for_rows(item, statement):
            return _UNDECIDED
        lacks = self._lacks(item, statement)
        return f"{_UNPROVEN}{lacks}." if lacks else ""

    def _for_rows(self, item: Finding, statement: Statement | None) -> bool:
        """Tell whether it may fail for want of rows."""
        kind = statement.kind if statement else ""
        if kind in _BODIES or kind == "refresh mat view":
            return True
        if item.sqlstate in MISSING and self._made_for_rows(item):
            return True
        if item.sqlstate == SqlState.UNDEFINED_OBJECT:
            return kind in _READS  # large objects are not there
        # Materialized views are not filled.
        empty = item.sqlstate == SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE
        if empty or item.sqlstate.startswith(_DATA):
            return kind not in _EVALUATES_NOTHING_OF_ROWS
        return item.sqlstate.startswith(_OF_ROWS)

    def _lacks(self, item: Finding, statement: Statement | None) -> str:
        """Return what the target may have and the copy has not, empty where it is equal."""
        if item.sqlstate == SqlState.INSUFFICIENT_PRIVILEGE and self.differs:
            return "; ".join(self.differs)
        if item.sqlstate == SqlState.FEATURE_NOT_SUPPORTED:
            if self._installable_there(statement):
                return "its server may have the extension"
            if "ICU" in item.cause:
                return "its server may have ICU"
        named = _COLLATION.search(item.cause)
        if item.sqlstate == SqlState.UNDEFINED_OBJECT and named and self._collates(named[1]):
            return "its server has the collation"
        return ""

    def _collates(self, name: str) -> bool:
        with self.target.runner_session() as connection:
            return bool(connection.value(_COLLATIONS, {"name": name.rpartition(".")[2]}))

    def _made_for_rows(self, item: Finding) -> bool:
        """Tell whether a block before it makes what is missing, where it finds the rows for it."""
        here = self._places.get((item.path, item.number), 0)
        before = takewhile(
            lambda block: self._places[block.path, block.number] < here, self._blocks
        )
        return any(speaks_of(block.sql, item.cause) for block in before)

    @cached_property
    def _places(self) -> Mapping[tuple[str, int], int]:
        return {key: place for place, key in enumerate(self.statements)}

    @cached_property
    def _blocks(self) -> Sequence[Statement]:
        return [statement for statement in self.statements.values() if _makes_something(statement)]

    def _installable_there(self, statement: Statement | None) -> bool:
        """Tell whether it makes an extension that the target's server is not known to lack."""
        creates = statement.creates if statement else ()
        made = {item.name for item in creates if item.kind == "extension"}
        return bool(made) and (self._installable is None or bool(made & self._installable))


def _makes_something(statement: Statement) -> bool:
    return statement.kind in {"do", "create function"} and any(
        part.creates or part.kind == "dynamic" for part in statement.inner
    )


def _not_tried(run: Run, error: RunbookError) -> Finding:
    return Finding(
        phase=DRY_RUN,
        rule=outward.UNPROVEN,
        severity=Severity.WARNING,
        path=run.release.name,
        line=1,
        cause=f"The plan was not tried on the target's schema: {error.message}",
        effect="What the server would refuse is found by the rehearsal alone.",
        remedy=error.remedy or "Rehearse it.",
        sqlstate=error.sqlstate or "",
    )
