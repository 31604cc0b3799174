"""The acts around a rollback: show what stops and starts the application, and run it."""

from collections.abc import Sequence

from runbook_lib.config import FILE
from runbook_lib.errors import GateError, ToolError
from runbook_lib.evidence.records import Status
from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration
from runbook_lib.notebook.gates import check_confirmed
from runbook_lib.notebook.show import Progress, Table
from runbook_lib.postgres.process import tail
from runbook_lib.rollback.hooks import CommandRun, hide, run_commands


def show_hooks(run: Run) -> Table:
    """Show the commands that stop and start the application, as they will be run."""
    hooks = run.environment.application
    parts = (("before the rollback", hooks.stop), ("after it", hooks.start))
    rows = [
        {"when": when, "command": hide(command), "time limit": duration(hooks.time_limit)}
        for when, commands in parts
        for command in commands
    ]
    caption = f"{len(hooks.stop)} commands stop the application, {len(hooks.start)} start it"
    by_hand = f"No command in {FILE} stops or starts the application: do both by hand"
    return Table(caption if rows else by_hand, rows)


def stop_application(run: Run, confirm: str) -> Table:
    """Stop the application, if ``confirm`` names the database; what the commands said is kept.

    Raises GateError for another name, and for a command that fails: the later ones are not run.
    """
    try:
        return _carried_out(run, confirm, "stop", run.environment.application.stop)
    except ToolError as error:
        message = f"The application is not stopped, and nothing was rolled back: {error.message}"
        remedy = f"Mend the command in {FILE}, or stop by hand and take it out; then run again."
        raise GateError(message, remedy=remedy) from error


def start_application(run: Run, confirm: str) -> Table:
    """Start the application, if ``confirm`` names the database; what the commands said is kept.

    Raises GateError for another name, and ToolError for a command that fails.
    """
    try:
        return _carried_out(run, confirm, "start", run.environment.application.start)
    except ToolError as error:
        stands = "is rolled back" if run.passed("rollback") else "was not rolled back"
        error.message = f"The database {stands}, and the application not started: {error.message}"
        error.remedy = f"Start it by hand, or mend the command in {FILE} and run this cell again."
        raise


def _carried_out(run: Run, confirm: str, what: str, commands: Sequence[str]) -> Table:
    """Run the commands and record each one; raises ToolError for the first that fails."""
    if not commands:
        return Table(f"No command in {FILE} is there to {what} the application: do it by hand", [])
    if not confirm:
        return Table(f"No command to {what} the application was run: confirm is empty", [])
    check_confirmed(run, confirm)
    done: list[CommandRun] = []
    limit = run.environment.application.time_limit
    with Progress(f"{what.capitalize()} the application", len(commands)) as progress:
        for each in run_commands(commands, limit, run.root, progress.at):
            done.append(each)
            passed = len(done) == len(commands) and not each.failure
            run.record(passed, {"commands": done}, f"90_{what}_application")
            if each.failure:
                raise ToolError(f"'{each.command}': {each.failure}")
            progress.advance()
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
