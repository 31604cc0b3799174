"""The rules of a runbook notebook: what may stand in it, and what its outputs must prove.

Before each commit the notebooks in it are read: python -m tests.support.notebooks.lint FILE...
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]

_TAGS = {"parameters", "gate", "mutates", "evidence", "nbval-ignore-output"}
_WHY = {"why:silent", "why:timings", "why:digests"}
_GATE = re.compile(r"run = open_run\(|show_environments\(")  # the start page opens no run yet
_FORBIDDEN = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.While,
    ast.Try,
    ast.With,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_SQL = re.compile(r"\b(select|insert|update|delete|create|alter|drop|grant)\b\s+\w+", re.IGNORECASE)
_MACHINE = re.compile(r"/(tmp|root|home|Users|work)/\w")


def defects(notebook: Notebook) -> list[str]:
    """Return everything in which a notebook breaks the rules, in plain words."""
    cells: list[Cell] = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    found = [] if len(cells) <= 30 else [f"{len(cells)} cells, at most 30"]
    found += _order(cells, code)
    for cell in code:
        found += [f"{_source(cell)[:40]!r}: {text}" for text in (*_content(cell), *_proof(cell))]
    return found


def _source(cell: Cell) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _tags(cell: Cell) -> set[str]:
    return set(cell["metadata"].get("tags", ()))


def _order(cells: list[Cell], code: list[Cell]) -> Iterator[str]:
    first = _source(cells[0])
    if cells[0]["cell_type"] != "markdown" or not first.startswith("# "):
        yield "it does not begin with its title"
    if any(f"**{name}**" not in first for name in ("When", "How long", "Abort if", "Next")):
        yield "its purpose table lacks when, how long, abort if or next"
    if "parameters" not in _tags(code[0]):
        yield "its first code cell is not tagged parameters"
    if not _source(code[1]).startswith("from runbook_lib import "):
        yield "its second code cell is not the import"
    if "gate" not in _tags(code[2]) or not _GATE.match(_source(code[2])):
        yield "its third code cell is not the gate"
    if sum("import " in _source(cell) for cell in code) != 1:
        yield "it has more than one import"
    for before, cell in pairwise(cells):
        if cell in code[2:] and before["cell_type"] != "markdown":
            yield f"no words stand before {_source(cell)!r}"
    if cells[-1]["cell_type"] != "markdown" or not _source(cells[-1]).startswith("**Next:**"):
        yield "it does not end with what is next"


def _content(cell: Cell) -> Iterator[str]:
    source = _source(cell)
    if len(source.splitlines()) > 7 and "parameters" not in _tags(cell):  # one a line
        yield "more than seven lines"
    if unknown := {tag for tag in _tags(cell) if tag not in _TAGS | _WHY}:
        yield f"unknown tags {sorted(unknown)}"
    try:
        tree = ast.parse(source)
    except SyntaxError:
        yield "not plain Python (a magic or a shell escape)"
        return
    for node in ast.walk(tree):
        if isinstance(node, _FORBIDDEN):
            yield f"{type(node).__name__} belongs into the library"
        if isinstance(node, ast.Import) or (
            isinstance(node, ast.ImportFrom) and node.module != "runbook_lib"
        ):
            yield "imports something else than runbook_lib"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"input", "exec", "eval"}:
            yield "input, exec or eval"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _SQL.search(node.value):
                yield "SQL text"
            if "://" in node.value:
                yield "a URL"
            if "pip install" in node.value:
                yield "pip"


def _proof(cell: Cell) -> Iterator[str]:
    """Yield what makes a committed cell validate less than it seems to."""
    if cell.get("execution_count") is None:
        yield "never executed"
    tags = _tags(cell)
    ignored = "nbval-ignore-output" in tags or not cell["outputs"]
    if ignored and not tags & _WHY:
        yield "no compared output, and no tag that says why"
    if not ignored and "why:silent" in tags:
        yield "tagged silent, and it has output"
    if any(output["output_type"] == "error" for output in cell["outputs"]):
        yield "its output is an error"
    if _MACHINE.search(str(cell["outputs"])):
        yield "a path of the machine it ran on"


def main(files: Sequence[str]) -> int:
    """Print what is wrong with each notebook; return 1 where something is."""
    read = {name: json.loads(Path(name).read_text(encoding="utf-8")) for name in files}
    found = [f"{name}: {text}" for name, notebook in read.items() for text in defects(notebook)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
