"""What holds for the tests themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

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
