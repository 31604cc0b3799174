"""The command line of the runbook, for what no notebook does: ``python -m runbook_lib``."""

import argparse
import shutil
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.config.environments import find_root
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.at_work import last_standing, running
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.requests import Wish, ask, take_back
from runbook_lib.evidence.writer import writer_of
from runbook_lib.formatting import duration, visible
from runbook_lib.rehearsal import server

_EVERY = 1.0  # seconds between two looks at a run
_WATCHED = {"watch": "show on this terminal how the act stands that works on a run, until it ends"}
_ASKED = {
    "stop": "stop a run at the next safe point; run again, it goes on from there",
    "pause": "let a run wait at the next safe point",
    "resume": "let a run go on that was asked to pause",
}


def _ask(command: str, name: str) -> str:
    """Ask a run for something, and say of whom it was asked."""
    path = RunDirectory.named(find_root(), name).path
    if command == "resume":
        return f"It goes on: {take_back(path)}"
    wish = Wish(command)
    return f"Asked to {wish} at the next safe point: {ask(path, wish)}"


def _run(env: str, release: str) -> None:
    """Take a release through every phase, and say where its evidence is and what comes next."""
    from runbook_lib.notebook.run import execute_release  # noqa: PLC0415  it loads half of it

    begin = time.monotonic()
    try:
        execute_release(env, release, Path("out.ipynb"), sys.stdout)
        print(f"done in {duration(time.monotonic() - begin)}")
        print(f'to roll back: papermill notebooks/90_rollback.ipynb back.ipynb -p env "{env}"')
    finally:
        with suppress(RunbookError):  # it stopped before there was one
            path = RunDirectory.named(find_root(), env).path
            print(f"evidence: {path.relative_to(find_root())}")


def _watch(directory: Path) -> None:
    """Show how the act stands that works on a run, each second until it ends."""
    before: list[str] = []
    while (standing := running(directory)) is not None:
        lines = (str(writer_of(directory) or "it ends"), *standing.lines(datetime.now(UTC)))
        before = _drawn([visible(line) for line in lines], before)
        time.sleep(_EVERY)
    last = last_standing(directory)
    if last is None:
        print(f"Nobody works on the run {directory.name}.")
    elif last.ended is None:
        print(visible(f"{last.title}: its process is gone, and did not say how it ended."))
    else:
        print(visible("\n".join(last.lines(last.ended))))


def _drawn(lines: list[str], before: list[str]) -> list[str]:
    """Print lines in the place of those before, elsewhere than on a terminal only what is new."""
    if not sys.stdout.isatty():
        for line in lines:
            if line not in before:
                print(line, flush=True)
        return lines
    width, height = shutil.get_terminal_size()
    cut = [line[: width - 1] for line in lines[: height - 1]]
    up = f"\x1b[{len(before)}A\x1b[J" if before else ""
    print(up + "\n".join(cut), flush=True)
    return cut


def main(words: list[str] | None = None) -> int:
    """Carry out one command; return 1 where it is refused, with the reason in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m runbook_lib")
    commands = parser.add_subparsers(dest="command", required=True)
    about = "say that a server holds nothing but rehearsals"
    command = commands.add_parser("mark-rehearsal-server", help=about)
    command.add_argument("variable", help="the environment variable that holds its URL")
    command = commands.add_parser("run", help="take a release through every phase")
    command.add_argument("env", help="a table of environments.toml")
    command.add_argument("release", nargs="?", default="", help="a directory of migrations")
    commands.add_parser("lab", help="open the start page in JupyterLab")
    for name, about in (*_WATCHED.items(), *_ASKED.items()):
        command = commands.add_parser(name, help=about)
        command.add_argument("run", help="its directory, or an environment's name for the latest")
    given = parser.parse_args(words)
    try:
        if given.command == "lab":
            from runbook_lib.notebook.start import open_lab  # noqa: PLC0415  it loads half of it

            open_lab(find_root())
        elif given.command == "run":
            _run(given.env, given.release)
        elif given.command == "watch":
            _watch(RunDirectory.named(find_root(), given.run).path)
        elif given.command in _ASKED:
            print(_ask(given.command, given.run))
        else:
            print(server.mark(find_root(), given.variable))
    except RunbookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
