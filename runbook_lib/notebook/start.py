"""The acts of start: the environments, their runs, and the pages in which a run is worked on."""

import html
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import ipywidgets as widgets
from IPython.display import HTML, display

from runbook_lib.config.environments import Environment, find_root, read_environments
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.directory import PAGES, RunDirectory
from runbook_lib.evidence.run import PHASES, ROLLBACK
from runbook_lib.notebook import page
from runbook_lib.notebook.banner import colour_of
from runbook_lib.notebook.copies import START, copy, lay_out, notebooks
from runbook_lib.notebook.session import find_run, release_directory
from runbook_lib.notebook.show import Link, Table, show, shown
from runbook_lib.postgres import ledger
from runbook_lib.postgres.targets import locate
from runbook_lib.release.model import Release
from runbook_lib.release.reader import read_release

_RUNS = 10  # of an environment at most


def show_environments(release: str = "") -> Table:
    """Show each environment: whether its server answers, what is pending there, its last run."""
    root = find_root()
    found = read_release(release_directory(root, release))
    with ThreadPoolExecutor() as threads:  # a server that does not answer keeps nobody waiting
        rows = list(threads.map(lambda item: _row(root, item, found), read_environments(root)))
    return Table(f"{found.title}: {len(found.migrations)} migrations, {len(rows)} targets", rows)


def _row(root: Path, environment: Environment, release: Release) -> dict[str, object]:
    runs = RunDirectory.all(root, environment.name, release.name)
    server, pending = _server(root, environment, release)
    return {
        "environment": environment.name,
        "policy": colour_of(environment.policy).words,
        "database": environment.dbname,
        "server": server,
        "pending": pending,
        "runs": len(runs),
        "the last": _state(runs[-1]) if runs else "none yet",
    }


def _server(root: Path, environment: Environment, release: Release) -> tuple[str, str]:
    """Return what answers at an environment, and how much of the release is to be done there."""
    try:
        database = locate(environment, root)
        if database is None:
            return "embedded, started with a run", ""
        with database.on(environment.dbname).runner_session() as connection:
            applied = ledger.applied(ledger.read(connection))
            version = connection.value("SHOW server_version")
    except RunbookError as error:
        return f"does not answer: {error.message}", ""
    left = [item.name for item in release.migrations if item.name not in applied]
    return f"PostgreSQL {version}", f"{len(left)} of {len(release.migrations)}"


def _state(directory: RunDirectory) -> str:
    """Say how far a run came, by its records."""
    passed = {phase.name for phase in (*PHASES, ROLLBACK) if _passed(directory, phase.notebook)}
    if "rollback" in passed:
        return "rolled back"
    if "signoff" in passed:
        return "signed off"
    waiting = next(phase for phase in PHASES if phase.name not in passed)
    return f"open, {waiting.title.lower()} is next"


def _passed(directory: RunDirectory, notebook: str) -> bool:
    found = directory.read(notebook)
    return found is not None and found.get("status") == "passed"


def show_runs(release: str = "") -> Table:
    """Show the latest runs of a release on each environment, with the way to their pages."""
    root = find_root()
    name = read_release(release_directory(root, release)).name
    rows = [
        {
            "environment": environment.name,
            "run": directory.path.name,
            "state": _state(directory),
            "pages": _link(directory, _next_page(directory)),
            "back": _link(directory, ROLLBACK.notebook),
        }
        for environment in read_environments(root)
        for directory in reversed(RunDirectory.all(root, environment.name, name)[-_RUNS:])
    ]
    return Table(f"The latest runs: {len(rows)}" if rows else "No run was begun yet", rows)


def _next_page(directory: RunDirectory) -> str:
    left = (phase.notebook for phase in PHASES if not _passed(directory, phase.notebook))
    return next(left, PHASES[-1].notebook)


def _link(directory: RunDirectory, notebook: str) -> Link | str:
    """Return the way from this page to one of a run, or nothing where none was laid out."""
    target = directory.path / PAGES / f"{notebook}.ipynb"
    here = lies.parent if (lies := page.path()) else Path.cwd()
    return Link(target.stem, os.path.relpath(target, here)) if target.is_file() else ""


def begin_run(release: str = "") -> Table:
    """Show at a screen a button for each environment that opens its run, or begins a new one.

    Headless nothing is begun here: ``papermill run.ipynb`` does all of it.
    """
    names = [item.name for item in read_environments(find_root())]
    if not page.at_screen():
        return Table("Nothing is begun here; headless, run.ipynb takes a release through", [])
    buttons = [widgets.Button(description=f"Open {name}") for name in names]
    said = widgets.Output()
    for name, button in zip(names, buttons, strict=True):
        button.on_click(partial(_begin, name, release, buttons, said))
    show(widgets.VBox([widgets.HBox(buttons), said]))
    return Table("Open the run of an environment: its first page is shown below the buttons", [])


def _begin(
    env: str, release: str, buttons: list[widgets.Button], said: widgets.Output, _: object
) -> None:
    """Open the run of an environment, or begin one, and lead to its next page."""
    for button in buttons:
        button.disabled = True  # one press is one run
    said.clear_output()
    try:
        with said:
            display(HTML(_opened(env, release)))  # type: ignore[no-untyped-call]
    finally:
        for button in buttons:
            button.disabled = False


def _opened(env: str, release: str) -> str:
    """Return what leads to the pages of a run, or says in one sentence why there is none."""
    try:
        run = find_run(env, release, "brief")
        lay_out(run)
    except RunbookError as error:
        return f"<p><strong>{html.escape(shown(str(error)))}</strong></p>"
    link = _link(run.directory, _next_page(run.directory))
    way = link.html if isinstance(link, Link) else ""
    name = html.escape(shown(run.directory.path.name))
    return f"<p>The run {name} on {html.escape(env)}: go on with {way}</p>"


def open_lab(root: Path) -> None:
    """Become JupyterLab on this runbook's directory, with a start page that has no outputs yet."""
    start = root / "runs" / START
    copy(notebooks(root) / START, start, {})
    words = ["--KernelManager.transport=ipc", f"--ServerApp.root_dir={root}", str(start)]
    account = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    argv = [sys.executable, "-m", "jupyterlab", *account, *words]
    # A kernel reads this before its first cell.
    environment = {**os.environ, "PYTHONSTARTUP": str(Path(__file__).with_name("startup.py"))}
    # The same process, so that Ctrl-C reaches it.
    os.execve(sys.executable, argv, environment)  # noqa: S606
