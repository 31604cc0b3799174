"""Hold what a rehearsal counted as lost against what is accepted, and against what reading said."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from runbook_lib.evidence.records import Loss, Outcome
from runbook_lib.evidence.run import Run
from runbook_lib.findings import Finding, Severity
from runbook_lib.hazards.data_loss import BLOCKING, EFFECTS, UNMEASURED
from runbook_lib.rehearsal.losses import (
    CHANGES,
    COLUMN,
    DELETES_LARGE_OBJECTS,
    SEQUENCE,
    TABLE,
    VALUES,
)
from runbook_lib.rehearsal.rehearse import Rehearsal
from runbook_lib.release.model import Acceptance
from runbook_lib.release.plan import StepKind

_WARNINGS = {CHANGES, SEQUENCE}
_DISPROVED = "The rehearsal carried it out, and counted nothing that is lost by it."
_REMEDY = (
    "Take it out of the release; or, if it is meant, accept {rule} of {object}, at_most = {count}, "
    "in release.toml or in acceptances.toml of the run, and rehearse again."
)


@dataclass(frozen=True)
class Allowance:
    """Judge the losses of a rehearsal; ``read`` is what reading the release found."""

    run: Run
    seen: Rehearsal
    read: Sequence[Finding]

    def findings(self) -> Iterator[Finding]:
        """Yield what was lost, and what is left of the losses that reading expected."""
        losses, tried = self.seen.losses, self._carried_out()
        for item in self.read:
            if item.rule not in EFFECTS or item.rule in UNMEASURED:
                yield item
            elif losses is None or (item.path, item.number) not in tried:
                blocks = item.rule in BLOCKING
                yield replace(item, severity=Severity.ERROR) if blocks else item
            elif not any(_about(item, loss) for loss in losses):
                yield replace(item, severity=Severity.INFO, effect=_DISPROVED)
        accepts = self.run.acceptances()
        yield from (self._finding(loss, accepts) for loss in losses or ())

    def _carried_out(self) -> set[tuple[str, int]]:
        runs = (run for run in self.seen.runs if run.outcome is Outcome.DONE)
        return {(run.path, run.number) for run in runs}

    def _finding(self, loss: Loss, accepts: Sequence[Acceptance]) -> Finding:
        steps = self._steps(loss)
        allowed = [allowed_of(loss, accepts, step) for step in steps]
        least = min(allowed, key=lambda item: item.most, default=Allowed())
        accepted = least.reason if loss.count <= least.most else ""
        exceeded = bool(least.reason) and not accepted
        more = f"; at most {least.most:,.0f} are accepted" if exceeded else ""
        warns = loss.rule in _WARNINGS and not exceeded
        path, line, number = self._place(loss, steps)
        return Finding(
            phase="rehearsal",
            rule=loss.rule,
            severity=Severity.WARNING if warns else Severity.ERROR,
            path=path,
            line=line,
            cause=f"{describe(loss)}{more}.",
            effect=EFFECTS[loss.rule],
            remedy=_REMEDY.format(rule=loss.rule, object=loss.object, count=loss.count),
            number=number,
            accepted=accepted,
            object=loss.object,
        )

    def _steps(self, loss: Loss) -> list[str]:
        """Return the steps that can have done it: those seen to, else all that apply a file."""
        took = dict.fromkeys(
            item.step
            for item in self.seen.taken
            if item.whole == loss.table and (item.deleted or item.updated or item.renewed)
        )
        every = (step.name for step in self.run.plan.steps if step.kind is StepKind.APPLY)
        return list(took or every)

    def _place(self, loss: Loss, steps: Iterable[str]) -> tuple[str, int, int]:
        """Return path, line and number of the statement that reading, or its lock, points to.

        What nobody names goes with the first act of its kind: a cascade, with the DELETE.
        """
        statements = [x for step in steps for x in self.run.release.migration(step).statements]
        paths = {item.path for item in statements}
        named = [item for item in self.read if _about(item, loss)]
        alike = [item for item in self.read if item.rule == loss.rule and item.path in paths]
        for item in (*named, *alike):
            return item.path, item.line, item.number
        locks = (x for x in statements if any(y.relation.qualified == loss.table for y in x.locks))
        found = next(locks, statements[0] if statements else None)
        if found is None:
            return self.run.release.name, 1, 0
        return found.path, found.line, found.number


@dataclass(frozen=True)
class Allowed:
    """Hold how many rows may be lost, without bound or none, and for what reason."""

    most: float = 0
    reason: str = ""


def allowed_of(loss: Loss, accepts: Iterable[Acceptance], step: str) -> Allowed:
    """Return how much of a loss is accepted in a step."""
    mine = [item for item in accepts if item.covers(loss.rule, step, loss.object)]
    found = [Allowed(_most(item), item.reason) for item in mine]
    return max(found, key=lambda item: item.most, default=Allowed())


def _most(item: Acceptance) -> float:
    return float("inf") if item.at_most is None else item.at_most


def _about(item: Finding, loss: Loss) -> bool:
    """Tell whether reading found the loss, or the table that it is of."""
    return item.rule in EFFECTS and bool(item.object) and item.object in {loss.table, loss.object}


def describe(loss: Loss) -> str:
    """Say what is lost, with its count."""
    of = f"{loss.count:,} of {loss.rows:,}"
    said: Mapping[str, str] = {
        TABLE: f"{loss.table} is dropped, and {of} rows are nowhere else",
        COLUMN: f"{loss.object} is dropped with {loss.count:,} values",
        VALUES: f"{loss.object} loses {of} values to its new type",
        CHANGES: f"{loss.object} is changed in {of} rows",
        SEQUENCE: f"{loss.table} is set back by {loss.count:,}: it hands out numbers again",
        DELETES_LARGE_OBJECTS: f"{of} large objects are deleted or changed",
    }
    return said.get(loss.rule, f"{loss.table} loses {of} rows")
