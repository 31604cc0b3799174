"""Keep the plans of a run: the one it goes by, and those that it took the place of."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.approvals import read_approvals
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.schemas import read_record
from runbook_lib.evidence.texts import Change, changed_files
from runbook_lib.release import plan
from runbook_lib.release.changes import changes
from runbook_lib.release.plan import Plan

PLAN = "plan"
_FORMER = f"{PLAN}_"  # and the first digits of its digest
_DIGITS = 12
_NAMED = 5  # of what changed; plan.json beside the former one has it all


def read_plan(directory: RunDirectory, name: str = PLAN) -> Plan:
    """Read a plan of a run; raises EvidenceError where it was edited."""
    found = read_record(directory, name, Plan)
    if found is None or found.digest != plan.digest(found):
        message = "The plan of the run was edited: its digest differs."
        path = directory.path / f"{name}.json"
        raise EvidenceError(message, path=path, remedy="Move the run directory away.")
    return found


def put_in_place(run: Run, now: Plan) -> Run:
    """Write a plan in the place of the run's, which is kept beside it; return the run with it."""
    run.directory.write(f"{_FORMER}{run.plan.digest[:_DIGITS]}", run.plan)
    run.directory.write(PLAN, now)
    return replace(run, plan=now)


def changed(run: Run) -> tuple[str, ...]:
    """Say what changed since the plan that the run's took the place of, nothing where none did.

    That is the last that was approved, of this run or of unfinished ones before it, else the last.
    """
    before = [*_former(run), *_unfinished_before(run)]
    approved = next((item for item in before if _approved(item)), None)
    if approved:
        found = _few(changes(approved.plan, run.plan, "approved"))
        return (*found, _void(approved)) if found else ()
    return _few(changes(before[0].plan, run.plan, "made")) if before else ()


def _void(approved: Run) -> str:
    """Say whose approvals a change voids."""
    given = read_approvals(approved.directory.path).approval
    who = (f"{item.name} ({item.role}, {item.at:%Y-%m-%d %H:%M %Z})" for item in given)
    return f"this voids what was approved by {' and '.join(who) or 'the typed confirmation'}"


def changed_texts(run: Run) -> tuple[Change, ...]:
    """Return the files that are others now than in the plan that `changed` compares with.

    That may be the run's own: a file may be edited while its page is open.
    """
    plans = [run, *_former(run), *_unfinished_before(run)]
    approved = next((item for item in plans if _approved(item)), None)
    found = (tuple(changed_files(item)) for item in ([approved] if approved else plans))
    return next(filter(None, found), ())


def _few(clauses: Sequence[str]) -> tuple[str, ...]:
    more = len(clauses) - _NAMED
    return (*clauses[:_NAMED], f"and {more} more") if more > 0 else tuple(clauses)


def _approved(run: Run) -> bool:
    return read_approvals(run.directory.path).plan == run.plan.digest


def _former(run: Run) -> list[Run]:
    """Return the run with each plan that another took the place of, the last one first."""
    paths = run.directory.path.glob(f"{_FORMER}*.json")
    latest = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
    return [replace(run, plan=read_plan(run.directory, path.stem)) for path in latest]


def _unfinished_before(run: Run) -> Iterator[Run]:
    """Yield the runs before this one, the last one first, back to one that came to its end."""
    known = RunDirectory.all(run.root, run.environment.name, run.release.name)
    for directory in reversed([item for item in known if item.path < run.directory.path]):
        found = replace(run, directory=directory, plan=read_plan(directory))
        if not found.plan.target.same_database(run.target):
            continue
        if found.over:
            return
        yield found
