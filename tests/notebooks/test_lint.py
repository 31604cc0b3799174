import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.notebooks.committed import ALL
from tests.support.notebooks.lint import defects, main
from tests.support.projects import REPOSITORY

Break = Callable[[list[dict[str, Any]]], object]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REPOSITORY / "notebooks" / f"{name}.ipynb").read_text())
    return content


def test_the_notebooks_are_those_of_the_design() -> None:
    there = {path.stem for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    assert there == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_keeps_the_rules(name: str) -> None:
    assert defects(read(name)) == []


def _code(cells: list[dict[str, Any]], number: int) -> dict[str, Any]:
    return [cell for cell in cells if cell["cell_type"] == "code"][number]


BREAKS: dict[str, tuple[Break, str]] = {
    "too many cells": (lambda cells: cells.extend(cells[1:2] * 30), "at most 30"),
    "long": (lambda cells: _code(cells, 3).update(source="run\n" * 8), "more than seven lines"),
    "def": (lambda cells: _code(cells, 3).update(source="def f(): pass"), "FunctionDef"),
    "class": (lambda cells: _code(cells, 3).update(source="class A: pass"), "ClassDef"),
    "loop": (lambda cells: _code(cells, 3).update(source="for a in b: run"), "For"),
    "try": (lambda cells: _code(cells, 3).update(source="try:\n run\nfinally:\n run"), "Try"),
    "sql": (lambda cells: _code(cells, 3).update(source='run("select 1")'), "SQL text"),
    "url": (lambda cells: _code(cells, 3).update(source='run("postgresql://h")'), "a URL"),
    "shell": (lambda cells: _code(cells, 3).update(source="!ls"), "not plain Python"),
    "input": (lambda cells: _code(cells, 3).update(source="input()"), "input, exec or eval"),
    "import": (lambda cells: _code(cells, 3).update(source="import os"), "something else"),
    "not run": (lambda cells: _code(cells, 3).update(execution_count=None), "never executed"),
    "no proof": (lambda cells: _code(cells, 3).update(outputs=[]), "no compared output"),
    "tag": (lambda cells: _code(cells, 3)["metadata"].update(tags=["odd"]), "unknown tags"),
    "no words": (lambda cells: cells.remove(cells[6]), "no words stand before"),
    "no purpose": (lambda cells: cells[0].update(source="# Title"), "purpose table"),
    "no gate": (lambda cells: _code(cells, 2).update(source="run"), "not the gate"),
    "no link": (lambda cells: cells.pop(), "what is next"),
    "error": (
        lambda cells: _code(cells, 3).update(outputs=[{"output_type": "error"}]),
        "its output is an error",
    ),
    "path": (
        lambda cells: _code(cells, 3).update(
            outputs=[{"output_type": "stream", "text": "/" + "home/somebody/x"}]
        ),
        "a path of the machine",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_found(name: str) -> None:
    broken = copy.deepcopy(read("00_brief"))
    act, said = BREAKS[name]
    act(broken["cells"])
    assert any(said in text for text in defects(broken)), defects(broken)


def test_before_a_commit_a_notebook_that_was_not_executed_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = read("00_brief")
    path = tmp_path / "stripped.ipynb"
    path.write_text(json.dumps(notebook))
    assert main([str(path)]) == 0
    _code(notebook["cells"], 3).update(execution_count=None)
    path.write_text(json.dumps(notebook))
    assert main([str(path)]) == 1
    assert re.fullmatch(rf"{path}: .*: never executed\n", capsys.readouterr().out)
