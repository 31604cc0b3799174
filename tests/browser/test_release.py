"""A person clicks a whole release: start page, every page, step by step, to the sign-off."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_PLAYWRIGHT = "no playwright: pip install playwright (it is in the extra 'dev')"
pytest.importorskip("playwright.sync_api", reason=_PLAYWRIGHT)

from playwright.sync_api import expect  # noqa: E402

from runbook_lib.evidence.run import PHASES  # noqa: E402
from tests.support.lab import (  # noqa: E402
    PATIENCE,
    Notebook,
    make_home,
    make_project,
    open_screen,
    run_python,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

_START = """
from pathlib import Path
from runbook_lib.notebook.copies import START, copy, notebooks
copy(notebooks(Path()) / START, Path("runs") / START, {})
"""
_SMALL = ("scale = 1.0", "scale = 0.05")  # the rows of staging


@pytest.fixture
def start(tmp_path: Path) -> Iterator[tuple[Path, Notebook]]:
    """Hand over a project and its start page, which is open."""
    environment, project = make_home(tmp_path / "home"), make_project(tmp_path / "project")
    settings = project / "environments.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace(*_SMALL), encoding="utf-8")
    run_python(environment, project, "-c", _START)
    with (
        open_screen(tmp_path, environment, project) as screen,
        screen.open(project / "runs" / "start.ipynb") as page,
    ):
        yield project, page


def _press(notebook: Notebook, name: str | re.Pattern[str]) -> None:
    notebook.panel.get_by_role("button", name=name).click()


def _apply_all(migrate: Notebook, steps: int) -> None:
    """Press the button of each step when its turn has come, and look at what it says."""
    for number in range(1, steps + 1):
        _press(migrate, re.compile(rf"^Apply {number} of {steps}: "))
        said = f"next is {number + 1}:" if number < steps else f"All {steps} steps are done"
        expect(migrate.panel.get_by_text(said).last).to_be_visible(timeout=PATIENCE * 1000)


def test_a_whole_release_is_clicked_from_the_start_page_to_the_sign_off(
    start: tuple[Path, Notebook],
) -> None:
    project, first = start
    first.run_all()
    assert "staging" in first.table("3 targets").column("environment")
    _press(first, "Open staging")
    first.panel.get_by_role("link", name="00_brief").click()
    (run,) = (project / "runs" / "staging").iterdir()
    notebook = first.opened(run / "pages" / "00_brief.ipynb")
    for phase, after in zip(PHASES, (*PHASES[1:], None), strict=True):
        notebook.run_all()
        assert notebook.errors() == [], phase.name
        if phase.name == "migrate":
            plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
            _apply_all(notebook, len(plan["steps"]))
            notebook.photograph("applied")
        if after is not None:
            notebook = notebook.follow(after.title, run / "pages" / f"{after.notebook}.ipynb")
    for phase in PHASES:
        assert (run / f"{phase.notebook}.ipynb").is_file(), "the kernel kept no page"
    assert json.loads((run / "60_verify.json").read_text(encoding="utf-8"))["status"] == "passed"
    assert (run / "SHA256SUMS").is_file()
