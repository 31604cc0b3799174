"""The runs of a release on this target, what each left there, and the one to be taken back."""

from collections.abc import Iterator
from dataclasses import replace

from runbook_lib.errors import GateError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.plans import read_plan
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.schemas import unreadable
from runbook_lib.notebook import acts
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.transcript import TRANSCRIPT
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection
from runbook_lib.rollback import inverse
from runbook_lib.rollback.attempt import settle
from runbook_lib.rollback.diagnosis import diagnose_run
from runbook_lib.rollback.losses import many

_LOOKED_AT = 10  # runs whose traces are looked for: each costs two snapshots of the schema


def show_leftovers(run: Run) -> Table:
    """Show the runs of this release on this target, the latest first, and what each left there."""
    found = [item for item in _runs(run) if item.began or item.backup()]
    rows = []
    with run.database.runner_session() as connection:
        for place, each in enumerate(reversed(found)):
            name, here = each.directory.path.name, each.directory == run.directory
            looked = place < _LOOKED_AT or here
            rows.append(
                {
                    "run": name,
                    "stands": _stands(each),
                    "left on the target": _left(each, connection) if looked else "not looked at",
                    "this page": "takes it back" if here else f'of_run = "{name}"',
                }
            )
    return Table(f"{many(len(found), 'run')} of {run.release.title}, the latest first", rows)


def choose_run(run: Run, name: str) -> Run:
    """Return the run that is named instead of the one that was opened, which an empty name keeps.

    Raises GateError for one that took no backup, or whose files are gone.
    """
    found = next((item for item in _runs(run) if item.directory.path.name == name), None)
    found = found if name else run
    if found is None or not found.backup():
        message = f"'{name}' is no run of this release on this target that took a backup."
        raise GateError(message, remedy="Set of_run to one that the list of the runs names.")
    if gone := _gone(found):
        message = f"The release no longer has {', '.join(gone)}, which this run began."
        raise GateError(message, remedy="Bring the files back, or name another run by of_run.")
    if found.directory != run.directory:
        with run.database.runner_session() as connection:
            settle(found, connection)
        acts.open_for_acts(found)
        TRANSCRIPT.keep(found)
    return found


def _runs(run: Run) -> Iterator[Run]:
    """Yield the runs of this release on this target, oldest first."""
    for directory in RunDirectory.all(run.root, run.environment.name, run.release.name):
        if directory == run.directory:
            yield run
        elif not unreadable(directory):
            journal = Journal(directory.path / run.journal.path.name)
            other = replace(run, plan=read_plan(directory), directory=directory, journal=journal)
            if other.plan.target.same_database(run.target):
                yield other


def _gone(run: Run) -> list[str]:
    """Return the files that a run began, and the release does not have any more."""
    there = {item.name for item in run.release.migrations}
    steps = {step.name for step in run.plan.steps}
    return sorted(name for name in run.journal.begun() if name in steps - there)


def _stands(run: Run) -> str:
    ends = (("rollback", "rolled back"), ("signoff", "signed off"))
    end = next((words for phase, words in ends if run.passed(phase)), "")
    return end or ("begun" if run.began else "sent no step")


def _left(run: Run, connection: Connection) -> str:
    """Say what of a run is on the target, as the server tells."""
    if run.passed("rollback"):
        return "nothing"
    if gone := _gone(run):
        return f"not known: the release no longer has {', '.join(gone)}"
    seen = diagnose_run(run, connection)
    parts = _in_part(run, connection)
    if seen is None or (seen.nothing and not parts):
        return "nothing"
    said = [many(len(seen.migrations), "migration")] if seen.migrations else []
    made = inverse.drops(seen.made, seen.now.objects)
    said += [f"{many(len(made), 'object')} made"] if made else []
    said += [f"{many(len(seen.changed), 'object')} changed"] if seen.changed else []
    return "; ".join([*said, *parts])


def _in_part(run: Run, connection: Connection) -> list[str]:
    """Name the files of which this run, as the ledger says, committed a part."""
    mine = run.journal.own_rows()
    rows = (row for row in ledger.read(connection) if row.id in mine)
    return [f"a part of {row.name}" for row in rows if row.failed and row.applied_steps]
