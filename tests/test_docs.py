"""What the documentation names is there, and what is there is named."""

import re
from pathlib import Path

import pytest

from tests.support import rule_pages
from tests.support.projects import REPOSITORY

LIBRARY = REPOSITORY / "runbook_lib"
DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
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


def test_the_picture_of_the_layers_shows_every_package() -> None:
    text = (DOCS / "architecture.md").read_text()
    picture = text.split("```mermaid\n")[1].split("```")[0]
    there = modules()
    assert {*there, *there[SINGLE]} - {SINGLE} <= set(re.findall(r"\w+", picture))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_and_files_that_a_page_names_are_there(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), target
    roots = r"runbook_lib|docs|notebooks|sql|benchmarks|changes|tests"
    for name in re.findall(rf"`((?:{roots})/[\w./-]+)`", text):
        assert (REPOSITORY / name).exists(), name


def test_every_decision_is_in_the_index_and_is_short() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    pages = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in pages] == list(range(1, len(pages) + 1))
    for path in pages:
        text = path.read_text()
        title = text.splitlines()[0].removeprefix("# ")
        assert f"| [{title}]({path.name}) |" in index, path.name
        assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences"))
        assert len(text.splitlines()) <= 30, path.name


def test_the_pages_of_rules_are_those_of_the_rules() -> None:
    written = {path.name: path.read_text("utf-8") for path in (DOCS / "rules").iterdir()}
    assert written == rule_pages.pages(), "run make docs"
