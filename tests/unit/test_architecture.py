"""Imports point down the layers, and what is dangerous has one door."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import runbook_lib

LIBRARY = Path(runbook_lib.__file__).parent
LAYERS = {  # top to bottom
    "face": "__init__ launch kernels preparation trial approvals migration window conclusion "
    "undoing application work opening gates run targets display",
    "steps": "review prechecks backup rehearsal apply indexes verify monitor rollback signoff "
    "baseline revert carry",
    "means": "changes archive dropping build catalog checks ledger database probe sandbox accounts "
    "locks programs shell evidence queries config release guard builds building buildwatch "
    "duplicates waits traffic health drift sending retries locking position "
    "backup_files dumping offsite hooks",
    "pure": "plan inverse keys partitions trace holds hazards lock_rules habit_rules losses units "
    "statements recovery bodies effects rewrites objects parameters remedies report",
    "words": "observed model policy findings manifest errors",
}
OWNERS = {  # who may import it
    "psycopg": {"database"},
    "subprocess": {"shell"},
    "multiprocessing": set[str](),
    "postgast": {
        "statements",
        "recovery",
        "bodies",
        "effects",
        "rewrites",
        "hazards",
        "lock_rules",
        "habit_rules",
        "losses",
        "objects",
        "units",
        "partitions",
    },
    "psutil": {"monitor"},
    "fsspec": {"offsite"},
    "tenacity": {"retries"},
    "IPython": {"display"},
    "ipywidgets": {"display"},
    "matplotlib": {"display"},
    "pandas": {"display"},
    # Notebook kernels are forked from a process that has these already.
    "matplotlib_inline": {"kernels"},
    "ipykernel": {"kernels"},
    "jupyter_client": {"kernels"},
    "papermill": {"launch"},
    "nbclient": {"launch"},
}
CALLERS = {  # who may name the attribute
    "create_engine": {"database"},
    "system": set[str](),
    "popen": set[str](),
    "import_module": {"__init__"},
    "__import__": set[str](),
}
RANK = {module: rank for rank, names in enumerate(LAYERS.values()) for module in names.split()}
STEPS = set(LAYERS["steps"].split())
WORDS_ORDER = LAYERS["words"].split()  # these import one another downwards too
WORDS = set(WORDS_ORDER)


def violations(name: str, source: str) -> list[str]:
    """Return what the module ``name`` with this source may not do, each with its line."""
    if name not in RANK:
        return [f"{name} stands in no layer"]
    found = []
    for line, imported in _imports(ast.parse(source)):
        top, _, module = imported.partition(".")
        if name not in OWNERS.get(top, {name}):
            found.append(f"{name}:{line} imports {top}")
        if top != "runbook_lib" or not module:
            continue
        module = module.split(".")[0]
        if module not in RANK:
            found.append(f"{name}:{line} imports {module}, which stands in no layer")
        elif RANK[module] < RANK[name]:
            found.append(f"{name}:{line} imports {module}, which stands above it")
        elif name in STEPS and module in STEPS:
            found.append(f"{name}:{line} imports {module}, another step")
        elif name in WORDS and WORDS_ORDER.index(module) <= WORDS_ORDER.index(name):
            found.append(f"{name}:{line} imports {module}, which stands above it")
    for line, used in _names(ast.parse(source)):
        if name not in CALLERS.get(used, {name}):
            found.append(f"{name}:{line} uses {used}")
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything imported, wherever it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, item.name) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = f"runbook_lib.{node.module or ''}".rstrip(".") if node.level else node.module
            if home == "runbook_lib":
                yield from ((node.lineno, f"{home}.{item.name}") for item in node.names)
            elif home:
                yield node.lineno, home


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.alias):
            yield node.lineno, node.name


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_keeps_to_its_layer(path: Path) -> None:
    assert violations(path.stem, path.read_text(encoding="utf-8")) == []


def test_every_module_of_the_table_is_there() -> None:
    assert set(RANK) - {path.stem for path in LIBRARY.glob("*.py")} == set()


def test_the_library_has_no_packages_below_it() -> None:
    assert [path.parent.name for path in LIBRARY.glob("*/*.py")] == []


@pytest.mark.parametrize("name", runbook_lib.__all__)
def test_a_public_name_lives_in_the_face(name: str) -> None:
    home = getattr(runbook_lib, name).__module__
    assert home.split(".")[-1] in LAYERS["face"].split()
    assert getattr(importlib.import_module(home), name) is getattr(runbook_lib, name)


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("plan", "from runbook_lib.release import read_release", "release, which stands above"),
        ("plan", "from runbook_lib import catalog", "catalog, which stands above"),
        ("plan", "def f():\n    import runbook_lib.database", "plan:2 imports database"),
        ("plan", "from . import apply", "apply, which stands above"),
        ("plan", "from .apply import Applier", "apply, which stands above"),
        ("catalog", "from runbook_lib.verify import analyze", "verify, which stands above"),
        ("apply", "from runbook_lib import display", "display, which stands above"),
        ("apply", "from runbook_lib.verify import analyze", "verify, another step"),
        ("model", "from runbook_lib.report import size", "report, which stands above"),
        ("findings", "from runbook_lib.model import Plan", "model, which stands above"),
        ("plan", "from runbook_lib.helpers import x", "helpers, which stands in no layer"),
        ("ledger", "import psycopg", "imports psycopg"),
        ("ledger", "from psycopg.rows import dict_row", "imports psycopg"),
        ("backup", "import subprocess", "imports subprocess"),
        ("backup", "import os\nos.system('pg_dump')", "backup:2 uses system"),
        ("verify", "import pandas as pd", "imports pandas"),
        ("run", "from IPython.display import display", "imports IPython"),
        ("run", "import matplotlib.pyplot", "imports matplotlib"),
        ("work", "import ipywidgets", "imports ipywidgets"),
        ("launch", "import ipykernel.kernelapp", "imports ipykernel"),
        (
            "verify",
            "import sqlalchemy\nsqlalchemy.create_engine('')",
            "verify:2 uses create_engine",
        ),
        ("verify", "from sqlalchemy import create_engine", "uses create_engine"),
        ("apply", "from importlib import import_module", "uses import_module"),
        ("helpers", "", "helpers stands in no layer"),
    ],
)
def test_a_violation_is_seen(name: str, source: str, said: str) -> None:
    assert any(said in item for item in violations(name, source))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("plan", "from runbook_lib.statements import read_statements"),
        ("catalog", "from runbook_lib.database import quote"),
        ("display", "from runbook_lib.indexes import GroupTiming\nimport ipywidgets"),
        ("run", "from runbook_lib.targets import reach"),
        ("database", "import psycopg, sqlalchemy\nsqlalchemy.create_engine('')"),
        ("shell", "import subprocess"),
        ("verify", "import sqlalchemy\nsqlalchemy.inspect(1)"),
        ("kernels", "import ipykernel.kernelapp"),
        ("model", "from dataclasses import dataclass"),
    ],
)
def test_what_is_allowed_is_no_violation(name: str, source: str) -> None:
    assert violations(name, source) == []
