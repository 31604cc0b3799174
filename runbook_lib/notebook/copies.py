"""Lay out the pages that a person works in: copies of the notebooks, without outputs.

What is committed stays as it is, and another target's results never stand below a live cell. The
pages of a run lie in its directory; they are a workplace, not evidence, which the kernel keeps.
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runbook_lib.errors import ConfigError, GateError
from runbook_lib.evidence.directory import PAGES, RunDirectory
from runbook_lib.evidence.run import PHASES, ROLLBACK, Run
from runbook_lib.notebook import page

START = "start.ipynb"


def lay_out(run: Run) -> Path:
    """Make the pages of a run that are not there yet, its parameters set; return their directory.

    A page that is there keeps what a person wrote into it.
    """
    directory = run.directory.path / PAGES
    said = {"env": run.environment.name, "release": run.given}
    for phase in (*PHASES, ROLLBACK):
        target = directory / f"{phase.notebook}.ipynb"
        if not target.exists():
            copy(notebooks(run.root) / target.name, target, said)
    return directory


def notebooks(root: Path) -> Path:
    """Return where the notebooks of the phases lie; raises ConfigError where they are not found."""
    wanted = f"{PHASES[0].notebook}.ipynb"
    for directory in (root / "notebooks", Path.cwd()):
        if (directory / wanted).is_file():
            return directory
    message = f"There is no {wanted} in {root / 'notebooks'}, nor where this notebook runs."
    raise ConfigError(message, remedy="Copy the runbook's notebooks/ there.")


def copy(source: Path, target: Path, said: Mapping[str, str]) -> None:
    """Write a notebook without its outputs, and with these values in its parameters."""
    notebook = json.loads(source.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        if "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = _set("".join(cell["source"]), said)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.touch(0o600)
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _set(source: str, said: Mapping[str, str]) -> str:
    """Return the source of a cell of parameters with these values in the place of its own."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        for name in said.keys() & page.assigned(ast.unparse(node)).keys():
            lines[node.lineno - 1 : node.end_lineno] = [f"{name} = {_literal(said[name])}"]
    return "\n".join(lines)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def check_belongs(env: str) -> None:
    """Refuse a page of a run whose parameter names another environment; raises GateError."""
    directory = run_of_page()
    if directory is not None and directory.path.parent.name != env:
        its, name = directory.path.parent.name, directory.path.name
        message = f'This page belongs to the run {name} on "{its}", and env says "{env}".'
        raise GateError(message, remedy=f"Open a page of {env} from {START}, or set env back.")


def check_run(found: Run | None) -> None:
    """Refuse to go on in a page with another run than the one it belongs to; raises GateError."""
    directory = run_of_page()
    if directory is None or (found is not None and found.directory == directory):
        return
    message = f"This page belongs to the run {directory.path.name}, which does not go on"
    if found is not None:
        message = f"{message}: {found.ended or f'the latest is {found.directory.path.name}'}"
    else:
        message = f"{message}: it came to its end, or the release or the target is another by now"
    raise GateError(f"{message}.", remedy=f"Open the run that does, or a new one, from {START}.")


def run_of_page() -> RunDirectory | None:
    """Return the directory of the run that this kernel's page belongs to, None without one."""
    lies = page.path()
    return RunDirectory(lies.parent.parent) if lies and lies.parent.name == PAGES else None
