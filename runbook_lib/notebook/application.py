"""Stop the application before a rollback and start it again: by the commands of an environment."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runbook_lib.config.environments import FILE, acting
from runbook_lib.errors import GateError, OutcomeUnknownError, RunbookError, ToolError
from runbook_lib.evidence.journal import to_all
from runbook_lib.evidence.records import Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.formatting import duration
from runbook_lib.notebook.acts import check_act, check_confirmed, one_writer
from runbook_lib.notebook.buttons import offer
from runbook_lib.notebook.page import at_screen
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table
from runbook_lib.postgres import process
from runbook_lib.postgres.process import tail
from runbook_lib.rollback.attempt import RESTORE
from runbook_lib.rollback.diagnosis import diagnose_run
from runbook_lib.rollback.hooks import CommandRun, run_commands
from runbook_lib.rollback.in_place import read_stage

_STATE = "90_application"  # whether it was stopped last, or started


def show_hooks(run: Run) -> Table:
    """Show the commands that stop and start the application, as they will be run."""
    hooks = run.environment.application
    parts = (("before the rollback", hooks.stop), ("after it", hooks.start))
    rows = [
        {"when": when, "command": command, "time limit": duration(hooks.time_limit)}
        for when, commands in parts
        for command in commands
    ]
    caption = f"{len(hooks.stop)} commands stop the application, {len(hooks.start)} start it"
    by_hand = f"No command in {FILE} stops or starts the application: do both by hand"
    now, planned = acting(run.environment), run.plan.settings
    other = [key for key in now if key.startswith("application.") and now[key] != planned.get(key)]
    since = f"; another since the plan was made: {', '.join(other)}" if other else ""
    return Table(f"{caption if rows else by_hand}{since}", rows)


@one_writer
def stop_application(run: Run, confirm: str, carry_rows: bool = False, way: str = "") -> Table:
    """Stop the application, if ``confirm`` names the database; what the commands said is kept.

    Where the run is rolled back already it goes on, unless rows are to be carried, and where there
    is nothing to roll back by this way. Raises GateError for another name, and for a command that
    fails: the later ones are not run.
    """
    check_act(run, "rollback")
    if run.passed("rollback") and not carry_rows:
        return Table("The run is rolled back already: the application is not stopped again", [])
    if confirm and way != RESTORE and _left_nothing(run):
        return Table("There is nothing to roll back: the application is not stopped", [])
    try:
        return _carried_out(run, confirm, "stop", run.environment.application.stop)
    except ToolError as error:
        message = f"The application is not stopped, and nothing was rolled back: {error.message}"
        remedy = (
            f"Mend the command in {FILE}, or stop by hand and take it out; then begin at the gate."
        )
        raise GateError(message, remedy=remedy) from error


@one_writer
def start_application(run: Run, confirm: str) -> Table:
    """Start the application, if ``confirm`` names the database; what the commands said is kept.

    One that was started since it was stopped is left alone, and one that was not stopped because
    there was nothing to roll back. At a screen one that is stopped has a button, without
    ``confirm``. Raises GateError for another name, and ToolError for a command that fails.
    """
    check_act(run, "rollback")
    return _start(run, confirm)


def _start(run: Run, confirm: str) -> Table:
    stopped = _stopped(run)
    if stopped is False:
        return Table("The application was started already", [])
    if confirm and stopped is None and _left_nothing(run):
        return Table("The application was not stopped", [])
    if stopped and not confirm and at_screen():
        offer("Start the application", lambda: start_application(run, run.target.dbname))
        return Table("The application is stopped: start it by the button", [])
    try:
        return _carried_out(run, confirm, "start", run.environment.application.start)
    except ToolError as error:
        stands = "is rolled back" if run.passed("rollback") else "was not rolled back"
        error.message = f"The database {stands}, and the application not started: {error.message}"
        error.remedy = f"Start it by hand, or mend the command in {FILE} and begin at the gate."
        raise


@contextmanager
def started_again(run: Run, stands: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Start the application again where the block fails, this run stopped it and the target stands.

    ``stands`` tells that; where a COMMIT has no known end, nobody knows it yet.
    """
    try:
        yield
    except OutcomeUnknownError:
        raise
    except RunbookError as error:
        if _stopped(run):
            error.remedy = f"{error.remedy} {_start_again(run, stands)}".strip()
        raise


def _start_again(run: Run, stands: Callable[[], bool]) -> str:
    """Start the application if the target stands; return what came of it."""
    try:
        if not stands():
            return "The application stays stopped: the rollback has to be finished first."
        _start(run, run.target.dbname)
    except RunbookError as error:
        return f"The application stays stopped: {error.message}"
    return "The application was started again."


def _left_nothing(run: Run) -> bool:
    """Tell whether the target has nothing of a run, not even a restore of it that is not over."""
    if run.passed("rollback") or run.backup() is None:
        return False
    with run.database.runner_session() as connection:
        seen = diagnose_run(run, connection)
        return (seen is None or seen.nothing) and read_stage(connection) is None


def _stopped(run: Run) -> bool | None:
    """Tell whether this run stopped the application, None where it did neither."""
    found = run.directory.read(_STATE)
    return None if found is None else bool(found["stopped"])


def _carried_out(run: Run, confirm: str, what: str, commands: Sequence[str]) -> Table:
    """Run the commands and record each one; raises ToolError for the first that fails."""
    if not commands:
        return Table(f"{FILE} has no command to {what} the application: do it by hand", [])
    if not confirm:
        return Table(f"No command to {what} the application was run: confirm is empty", [])
    check_confirmed(run, confirm)
    done: list[CommandRun] = []
    limit = run.environment.application.time_limit
    with Progress(f"{what.capitalize()} the application", len(commands)) as progress:
        sender = Sender(to_all(run.journal.emit, progress.follow), f"{what} the application")
        for each in run_commands(commands, limit, run.root, sender.runner(process.run)):
            done.append(each)
            passed = len(done) == len(commands) and not each.failure
            run.record(passed, {"commands": done}, f"90_{what}_application")
            if each.failure:
                raise ToolError(f"'{each.command}': {each.failure}")
            progress.advance()
    run.record(True, {"stopped": what == "stop"}, _STATE)
    rows = [
        {
            "status": Status.PASS.value,
            "command": each.command,
            "took": duration(each.seconds),
            "last words": tail(each.output),
        }
        for each in done
    ]
    return Table(f"{len(rows)} commands to {what} the application were run", rows)
