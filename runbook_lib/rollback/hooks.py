"""Run the commands that stop and start the application, and keep what they said."""

import os
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runbook_lib.errors import ToolError
from runbook_lib.postgres import process
from runbook_lib.postgres.process import Runner
from runbook_lib.redaction import redact

_SECRET_NAME = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|KEY$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@")
_SHORTEST_SECRET = 4  # a shorter one would blot out ordinary words


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
        done = _run(command, time_limit, directory, run)
        yield done
        if done.failure:
            return


def hide(text: str) -> str:
    """Hide passwords in URLs, and what a variable holds whose name tells of a secret.

    A command inherits the variables, and an application's tools print them.
    """
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return redact(_URL_PASSWORD.sub(r"\1:***@", text))


def _run(command: str, time_limit: float, directory: Path, run: Runner) -> CommandRun:
    started = time.monotonic()
    try:
        done = run(shlex.split(command), check=False, timeout=time_limit, cwd=directory)
    except ToolError as error:
        output, failure, code = hide(error.output), hide(str(error)), None
    else:
        output, code = hide(f"{done.stdout}{done.stderr}"), done.returncode
        failure = process.failure(replace(done, stderr=output)) if code else ""
    seconds = time.monotonic() - started
    return CommandRun(hide(command), code, seconds, output, failure)
