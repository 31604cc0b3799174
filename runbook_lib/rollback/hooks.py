"""Run the commands that stop and start the application, and keep what they said."""

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runbook_lib.errors import ToolError
from runbook_lib.postgres import process
from runbook_lib.postgres.process import Runner
from runbook_lib.redaction import learn, redact


@dataclass(frozen=True)
class CommandRun:
    """Hold what came of a command; ``exit_code`` is None where it was not started or was ended."""

    command: str
    exit_code: int | None
    seconds: float
    output: str
    failure: str = ""


def run_commands(
    commands: Sequence[str], time_limit: float, directory: Path, run: Runner
) -> Iterator[CommandRun]:
    """Run commands in order, each in ``directory`` within ``time_limit`` seconds.

    The first that fails is the last. What they say is kept, with secrets hidden; ``run`` runs a
    program as ``process.run`` does.
    """
    for command in commands:
        learn(command, "an argument of a hook")  # the command may repeat it in what it says
        done = _run(command, time_limit, directory, run)
        yield done
        if done.failure:
            return


def _run(command: str, time_limit: float, directory: Path, run: Runner) -> CommandRun:
    started = time.monotonic()
    try:
        done = run(shlex.split(command), check=False, timeout=time_limit, cwd=directory)
    except ToolError as error:
        output, failure, code = redact(error.output), redact(str(error)), None
    else:
        output, code = redact(f"{done.stdout}{done.stderr}"), done.returncode
        failure = process.failure(replace(done, stderr=output)) if code else ""
    seconds = time.monotonic() - started
    return CommandRun(redact(command), code, seconds, output, failure)
