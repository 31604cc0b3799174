"""Check the parameters that papermill injected into a notebook."""

import ast
import difflib
from collections.abc import Iterable

from runbook_lib.errors import ConfigError

_INJECTED = "# Parameters\n"  # how papermill begins the cell it injects


def check_parameters(cells: Iterable[str]) -> None:
    """Stop at a parameter that was injected and that the notebook does not have.

    ``cells`` are the sources of the executed cells, in order. Papermill itself only warns, and
    goes on with the defaults. Raises ConfigError.
    """
    declared: set[str] = set()
    for source in cells:
        names = _assigned(source)
        if not source.startswith(_INJECTED):
            declared |= names
            continue
        for name in sorted(names - declared):
            close = difflib.get_close_matches(name, declared, n=1)
            known = f"The parameters are: {', '.join(sorted(declared))}."
            message = f"The notebook has no parameter '{name}'."
            raise ConfigError(message, remedy=f"Did you mean '{close[0]}'?" if close else known)


def _assigned(source: str) -> set[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell of IPython's own syntax assigns no parameters
        return set()
    targets = (item.targets for item in tree.body if isinstance(item, ast.Assign))
    plain = {item.id for found in targets for item in found if isinstance(item, ast.Name)}
    typed = (item.target for item in tree.body if isinstance(item, ast.AnnAssign))
    return plain | {item.id for item in typed if isinstance(item, ast.Name)}
