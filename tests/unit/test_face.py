"""What importing the library costs, loads and starts, each asked of a fresh interpreter."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

import runbook_lib
from tests.support.projects import REPOSITORY

_LIMIT = 100_000  # microseconds; it takes about 4,000


def fresh(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def answer(code: str) -> Any:
    return json.loads(fresh(code).stdout)


def test_importing_the_library_costs_next_to_nothing() -> None:
    said = fresh("import runbook_lib", "-X", "importtime").stderr
    found = re.search(r"\|\s*(\d+) \| runbook_lib$", said, re.MULTILINE)
    assert found is not None
    assert int(found[1]) < _LIMIT


def test_no_import_starts_a_process_or_a_thread() -> None:
    code = """
import json, threading, psutil, runbook_lib
found = [getattr(runbook_lib, name).__name__ for name in runbook_lib.__all__]
left = [" ".join(child.cmdline()) for child in psutil.Process().children()]
print(json.dumps([found, left, [thread.name for thread in threading.enumerate()]]))
"""
    names, processes, threads = answer(code)
    assert names == sorted(runbook_lib.__all__)
    assert processes == []
    assert threads == ["MainThread"]


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("from runbook_lib import open_run", {"sqlalchemy", "matplotlib", "papermill"}),
        (
            "import tests.support.faults.driver, tests.support.faults.undoer",
            {"sqlalchemy", "pandas", "matplotlib", "IPython", "ipywidgets"},
        ),
        ("import runbook_lib.postgres.embedded", {"psycopg", "postgast", "pandas", "IPython"}),
    ],
    ids=["open_run", "a fault test's child", "the embedded server's watcher"],
)
def test_nothing_is_loaded_that_is_not_needed(imported: str, absent: set[str]) -> None:
    loaded = answer(f"{imported}\nimport sys, json; print(json.dumps(list(sys.modules)))")
    assert not absent & set(loaded)


def test_the_notebooks_use_all_that_is_named_for_them() -> None:
    used: set[str] = set()
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        for source in sources:
            for named in re.findall(r"from runbook_lib import (\([^)]*\)|.*)", source):
                used |= set(re.findall(r"\w+", named))
    assert used == set(runbook_lib.__all__)
