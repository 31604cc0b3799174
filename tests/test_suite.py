"""What holds for the tests themselves."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.projects import REPOSITORY

TESTS = REPOSITORY / "tests"


def imported(path: Path) -> Iterator[str]:
    """Yield the full names of what a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{item.name}" for item in node.names)


def test_no_test_imports_a_test() -> None:
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 50
    wrong = [
        f"{path.relative_to(REPOSITORY)} imports {name}: move what they share to tests/support"
        for path in files
        for name in imported(path)
        if name.startswith((".", "tests.")) and not name.startswith("tests.support.")
    ]
    assert wrong == []


@pytest.mark.xdist_group("together")
def test_a_group_stays_on_one_worker(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ or not request.config.option.loadgroup:
        pytest.skip("without --dist loadgroup there are no groups to keep together")
    # pytest-xdist tells groups apart by the end of a test's name.
    assert request.node.nodeid.endswith("@together")
