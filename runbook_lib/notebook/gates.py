"""Keep the gates between the phases: they read records and the server, never kernel memory."""

from runbook_lib.backup.dump import still_whole
from runbook_lib.errors import GateError
from runbook_lib.evidence.approvals import check_approvals
from runbook_lib.evidence.run import Run
from runbook_lib.parser.statement import PHASES

_BY_NAME = {phase.name: phase for phase in PHASES}
_AFTER = {"index_timing", "verify", "monitor", "signoff"}


def check_gate(run: Run) -> None:
    """Refuse a phase whose conditions do not hold; raises GateError with what to do first.

    Backup and rehearsal change nothing on the target, so they may look for more after prechecks
    that failed. The migration may not.
    """
    pending = run.pending()
    if run.phase == "backup" and pending and not run.looked():
        raise _waits(run, "prechecks")
    if run.phase == "rehearsal" and pending and not run.passed("backup"):
        raise _waits(run, "backup")
    if run.phase == "migrate" and pending:
        _may_migrate(run)
    if run.phase in _AFTER and pending:
        names = ", ".join(step.name for step in pending)
        message = f"{_BY_NAME[run.phase].title} waits for the migration; still to do: {names}."
        raise GateError(message, remedy="Run 40_migrate.ipynb first.")
    if run.phase == "signoff" and not run.passed("verify"):
        raise _waits(run, "verify")


def check_confirmed(run: Run, confirm: str) -> None:
    """Refuse a rollback that was confirmed for another database; raises GateError."""
    if confirm != run.target.dbname:
        message = f"The rollback was confirmed for '{confirm}', another database."
        remedy = f"Set the parameter confirm to the database's name, {run.target.dbname}."
        raise GateError(message, remedy=remedy)


def _waits(run: Run, name: str) -> GateError:
    other = _BY_NAME[name]
    message = f"{_BY_NAME[run.phase].title} waits for {other.title}, not passed yet."
    return GateError(message, remedy=f"Run {other.notebook}.ipynb first.")


def _may_migrate(run: Run) -> None:
    for name in ("prechecks", "backup"):
        if not run.passed(name):
            raise _waits(run, name)
    verdict = run.verdict()
    if verdict is None and run.policy.rehearsal_required:
        raise _waits(run, "rehearsal")
    if verdict is not None and verdict["verdict"] != "passed":
        raise GateError("The rehearsal failed.", remedy="Mend what 30_rehearsal.ipynb lists.")
    backup = run.backup()
    if backup is None or not still_whole(backup):
        message = "The backup of this run is not there any more, or not with its checksum."
        raise GateError(message, remedy="Restore its directory from where it was moved.")
    if verdict is not None and verdict["backup"]["sha256"] != backup.sha256:
        message = "The rehearsal was done on another backup."
        raise GateError(message, remedy="Run 30_rehearsal.ipynb again.")
    check_approvals(run.directory.path, run.policy, run.plan.digest, run.target.dbname)
