"""Know the page that this kernel works for: what it executed, where it lies, what it says."""

import ast
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from IPython import get_ipython

INJECTED = "# Parameters\n"  # how papermill begins the cell it injects
_VARIABLE = "JPY_SESSION_NAME"  # in which Jupyter tells a kernel where its page lies
_VS_CODE = "__vsc_ipynb_file__"  # and Visual Studio Code, among the page's own names


def executed_cells() -> list[str]:
    """Return the sources of the cells this kernel executed; none outside a notebook."""
    return list(names().get("In", []))


def names() -> Mapping[str, Any]:
    """Return what the page's cells have named; nothing outside a notebook."""
    shell = get_ipython()
    return shell.user_ns if shell is not None else {}


def injected() -> bool:
    """Tell whether papermill executes this notebook, with parameters."""
    return any(cell.startswith(INJECTED) for cell in executed_cells())


def at_screen() -> bool:
    """Tell whether a person sits before this notebook, and not papermill, nbval or a script.

    A kernel that papermill started from a page knows that page too.
    """
    return not injected() and (_VARIABLE in os.environ or _VS_CODE in names())


def path() -> Path | None:
    """Return where the page lies on the disk, None where nobody sits before it or told that."""
    said = names().get(_VS_CODE) or os.environ.get(_VARIABLE, "")
    found = Path(said)
    return found if at_screen() and said and found.is_file() else None


def saved_parameters() -> Mapping[str, Any]:
    """Return the parameters that the page says, as it was saved last; nothing where unknown."""
    found = path()
    try:
        cells = json.loads(found.read_text(encoding="utf-8"))["cells"] if found else []
    except (OSError, ValueError):  # it is being saved at this moment
        return {}
    tagged = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", ()))
    return {name: value for cell in tagged for name, value in _literals("".join(cell["source"]))}


def assigned(source: str) -> Mapping[str, ast.expr | None]:
    """Return what a cell assigns at its top level, nothing for one of IPython's own syntax."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    plain = ((item.targets, item.value) for item in tree.body if isinstance(item, ast.Assign))
    typed = ((x.target, x.value) for x in tree.body if isinstance(x, ast.AnnAssign))
    found = [(target, value) for targets, value in plain for target in targets] + [*typed]
    return {target.id: value for target, value in found if isinstance(target, ast.Name)}


def _literals(source: str) -> Iterator[tuple[str, Any]]:
    for name, value in assigned(source).items():
        if isinstance(value, ast.Constant):
            yield name, value.value
