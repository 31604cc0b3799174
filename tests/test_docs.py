"""What the documentation names is there, and what is there is named."""

import re
from pathlib import Path

import pytest

from tests.support.projects import REPOSITORY

LIBRARY = REPOSITORY / "runbook_lib"
DOCS = REPOSITORY / "docs"
SINGLE = "Single modules"


def modules() -> dict[str, set[str]]:
    """Return the modules of each package; single modules under their heading."""
    there = {
        path.name: {item.stem for item in path.iterdir() if is_module(item)}
        for path in LIBRARY.iterdir()
        if (path / "__init__.py").is_file()
    }
    single = {path.stem for path in LIBRARY.glob("[a-z]*.py")}
    return {**there, SINGLE: single}


def is_module(path: Path) -> bool:
    named = path.suffix == ".py" and path.stem != "__init__"
    return named or (path / "__init__.py").is_file()


def named(text: str) -> dict[str, set[str]]:
    """Return what the list below each heading of a package names, before each colon."""
    sections = re.findall(r"^### `?([\w ]+)`?\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)
    items = r"^- ((?:`\w+`(?:,\s+)?)+):"
    return {
        title: {name for item in re.findall(items, body, re.MULTILINE) for name in words(item)}
        for title, body in sections
    }


def words(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_the_architecture_names_every_package_and_module_that_is_there_and_no_other() -> None:
    assert named((DOCS / "architecture.md").read_text()) == modules()


def test_modules_that_pages_name_with_their_package_exist() -> None:
    there = modules()
    packages = "|".join(name for name in there if name != SINGLE)
    for path in DOCS.rglob("*.md"):
        for package, module in re.findall(rf"`({packages})\.(?!toml)(\w+)", path.read_text()):
            assert module in there[package], f"{path.name}: {package}.{module}"


@pytest.mark.parametrize("page", ["architecture.md", "contributing.md", "decisions/README.md"])
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    path = DOCS / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_decision_is_in_the_index_and_is_short() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    pages = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in pages] == list(range(1, len(pages) + 1))
    for path in pages:
        text = path.read_text()
        assert f"({path.name})" in index, path.name
        assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences"))
        assert len(text.splitlines()) <= 30, path.name
