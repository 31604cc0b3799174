"""Carry a plan out on the target's schema without rows: the server says what is an error.

What rows alone can decide is left to the rehearsal, and what the copy could not be made equal for
is unproven.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.checks.verify import Absent
from runbook_lib.errors import GateError, RunbookError, SqlState
from runbook_lib.evidence.journal import Listener
from runbook_lib.evidence.records import Outcome, StatementRun
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import DRY_RUN, Finding, Severity
from runbook_lib.rehearsal import outward
from runbook_lib.rehearsal.trial import Trial
from runbook_lib.rehearsal.world import open_schema
from runbook_lib.release.plan import Step

# Cardinality, data, constraints, and what PL/pgSQL raises (PostgreSQL manual, appendix A).
_OF_ROWS = ("21", "22", "23", "P0")
_BODIES = {"do", "call"}  # what runs there may ask for rows, and raise what it likes
_READS = {"select", "insert", "update", "delete", "merge"}
_UNDECIDED = "Without rows it fails; the rehearsal, which has them, decides."
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
        """Yield what reading found, but for what it took for an error and the server does not."""
        done = {(x.path, x.number) for x in self.runs if x.outcome is Outcome.DONE}
        for item in read:
            wrong = item.sqlstate and not item.sqlstate.startswith(_OF_ROWS)
            if not (wrong and (item.path, item.number) in done):
                yield item


def dry_run(run: Run, steps: Iterable[Step], emit: Listener) -> DryRun:
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
            known = {(item.path, item.number): item.kind for item in inside.release.statements}
            found = tuple(_Judge(known, world.differs).judge(tried.findings))
    except RunbookError as error:
        return DryRun(findings=(_not_tried(run, error),))
    return DryRun(tried.runs, found, tried.absent)


@dataclass(frozen=True)
class _Judge:
    """Tell what a failure on a copy without rows says of the target.

    ``kinds`` are those of the statements, by file and number; ``differs`` is where the copy could
    not be made equal.
    """

    kinds: Mapping[tuple[str, int], str]
    differs: Sequence[str]

    def judge(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Yield each as an error, or as what is not decided by it, with what follows from that."""
        open_places = set[str]()
        for item in map(outward.softened, found):
            effect = self._undecided(item)
            if item.follows in open_places:
                effect = _UNDECIDED
            if effect and item.severity is Severity.ERROR:
                open_places.add(item.place)
                item = replace(item, severity=Severity.WARNING, effect=effect)  # noqa: PLW2901
            yield replace(item, phase=DRY_RUN)

    def _undecided(self, item: Finding) -> str:
        kind = self.kinds.get((item.path, item.number), "")
        if item.sqlstate.startswith(_OF_ROWS) or kind in _BODIES:
            return _UNDECIDED
        # Materialized views are not filled, and large objects are not there.
        empty = item.sqlstate == SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE
        if (
            empty
            or kind == "refresh mat view"
            or (item.sqlstate == SqlState.UNDEFINED_OBJECT and kind in _READS)
        ):
            return _UNDECIDED
        lacks = item.sqlstate == SqlState.FEATURE_NOT_SUPPORTED and "xtension" in item.cause
        may_not = item.sqlstate == SqlState.INSUFFICIENT_PRIVILEGE and self.differs
        return f"{_UNPROVEN}{'; '.join(self.differs)}." if lacks or may_not else ""


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
