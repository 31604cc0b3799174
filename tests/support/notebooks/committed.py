"""Walk through the committed notebooks in the order a DBA does; refresh their outputs.

``make notebooks`` runs this module. A walk needs two projects: in one the phases are opened one by
one, the other is for ``run.ipynb``, which does them all.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import papermill

from tests.support.projects import REPOSITORY, command, fresh_project, stop

BEFORE = ("start", "00_brief", "10_prechecks", "20_backup", "30_rehearsal", "40_migrate")
AFTER = ("50_index_timing", "60_verify", "70_monitor", "80_signoff", "90_rollback")
ALL = ("run", *BEFORE, *AFTER)

_FINISH = """
from runbook_lib import apply_step, open_run
while open_run("dev", "", "migrate").pending():
    apply_step(open_run("dev", "", "migrate"), "")
"""

Visit = Callable[[Path, Sequence[str]], None]


def walk(directory: Path, visit: Visit) -> None:
    """Call ``visit`` with a project and the notebooks whose turn it is there."""
    phases = fresh_project(directory / "phases")
    whole = fresh_project(directory / "whole")
    try:
        visit(phases, BEFORE)
        finish_migration(phases)
        visit(phases, AFTER)
        visit(whole, ("run",))
    finally:
        stop(phases)
        stop(whole)


def finish_migration(project: Path) -> None:
    """Carry out the steps that are left, as 40_migrate does, in one process of its own."""
    done = command(sys.executable, "-c", _FINISH, cwd=project)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


def refresh(project: Path, names: Sequence[str]) -> None:
    """Execute notebooks without parameters and put them, with output, into the repository."""
    for name in names:
        source = REPOSITORY / "notebooks" / f"{name}.ipynb"
        executed = papermill.execute_notebook(
            source, None, cwd=project / "notebooks", progress_bar=False
        )
        _clean(executed)
        text: str = nbformat.writes(executed)  # type: ignore[no-untyped-call]
        source.write_text(text + "\n", encoding="utf-8")
        print(f"refreshed {source.name}")


def _clean(notebook: nbformat.NotebookNode) -> None:
    """Take out what papermill noted of this machine and moment."""
    notebook.metadata.pop("papermill", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for name in ("papermill", "execution", "exception"):
            cell.metadata.pop(name, None)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        walk(Path(temporary), refresh)
    sys.exit(0)
