"""Every error says what was wrong, where, and what to do; the tree is as it is drawn."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runbook_lib import errors
from runbook_lib.errors import ReleaseError, RunbookError, SqlState, StatementError
from tests.support.projects import REPOSITORY

# findings.py is a table of remedies by code; the others are still to follow.
_SPELT_OUT = ("findings",)  # its table of remedies; the two may not import each other


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = ReleaseError(
        "It is wrong.", path=Path("a/b.sql"), line=3, sqlstate="42601", remedy="Mend it."
    )
    assert str(error) == "a/b.sql:3: It is wrong. (SQLSTATE 42601) Mend it."


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RunbookError("It is wrong."), "It is wrong."),
        (RunbookError("It is wrong.", path="a.toml"), "a.toml: It is wrong."),
        (RunbookError("It is wrong.", line=3), "It is wrong."),
        (RunbookError("It is wrong.", remedy="Mend it."), "It is wrong. Mend it."),
    ],
)
def test_an_error_says_as_much_as_it_knows(error: RunbookError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(("position", "line"), [(0, 10), (1, 10), (8, 10), (9, 11), (18, 12)])
def test_the_line_of_a_statement_error_is_counted_from_its_statement(
    position: int, line: int
) -> None:
    error = StatementError("No.", sqlstate="42703", position=position)
    assert error.at("a.sql", 10, "SELECT \n  a, \n  b").line == line


def test_a_notebook_shows_the_sentence_and_no_traceback() -> None:
    error = ReleaseError("It is wrong.", path="a.sql", line=3)
    assert error._render_traceback_() == ["ReleaseError: a.sql:3: It is wrong."]


def test_the_tree_that_is_drawn_is_the_tree_that_is_there() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    there = [name for name in classes if issubclass(classes[name], RunbookError)]
    assert sorted(["RunbookError", *drawn]) == sorted(there)


def test_every_branch_hangs_where_it_is_drawn() -> None:
    above = {0: RunbookError}
    for indent, name in re.findall(r"\n    ([│ ]*)[├└]── (\w+)", errors.__doc__ or ""):
        depth = len(indent) // 4
        assert getattr(errors, name).__bases__ == (above[depth],), name
        above[depth + 1] = getattr(errors, name)
    assert set(above) == {0, 1, 2}


@pytest.mark.parametrize("state", SqlState)
def test_a_condition_has_the_name_that_psycopg_gives_it(state: SqlState) -> None:
    assert psycopg.errors.lookup(state).__name__ == state.name.title().replace("_", "")


def spelt_out() -> Iterator[str]:
    """Yield the modules that hold a code as a text of its own."""
    library = REPOSITORY / "runbook_lib"
    for path in library.rglob("*.py"):
        name = path.relative_to(library).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {item.value for item in ast.walk(tree) if isinstance(item, ast.Constant)}
        if name != "errors.py" and texts & set(SqlState):
            yield name


def test_no_module_spells_a_code_out() -> None:
    assert [name for name in spelt_out() if not name.startswith(_SPELT_OUT)] == []
