"""A person clicks a whole release: start page, every page, step by step, to the sign-off."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_PLAYWRIGHT = "no playwright: pip install playwright (it is in the extra 'dev')"
pytest.importorskip("playwright.sync_api", reason=_PLAYWRIGHT)

from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402

from runbook_lib.evidence.run import PHASES  # noqa: E402
from tests.support.lab import (  # noqa: E402
    PATIENCE,
    Lab,
    Notebook,
    find_chromium,
    make_home,
    make_project,
    no_process_left,
    open_browser,
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
def start(tmp_path: Path) -> Iterator[tuple[Page, Path, Path]]:
    """Open the start page of a project; hand over the browser's page, the project, the shots."""
    with sync_playwright() as playwright:
        executable = find_chromium(playwright)
        if executable is None:
            pytest.skip("no Chromium: see tests/browser/test_lab.py")
        environment = make_home(tmp_path / "home")
        project = make_project(tmp_path / "project")
        settings = project / "environments.toml"
        settings.write_text(settings.read_text(encoding="utf-8").replace(*_SMALL), encoding="utf-8")
        run_python(environment, project, "-c", _START)
        shots = Path(os.environ.get("RUNBOOK_SHOTS") or tmp_path / "shots")
        shots.mkdir(parents=True, exist_ok=True)
        with (
            no_process_left(environment, project),
            Lab(tmp_path, environment) as lab,
            open_browser(playwright, executable, environment) as browser,
        ):
            page = browser.new_page(viewport={"width": 1440, "height": 1700})
            page.set_default_timeout(PATIENCE * 1000)
            page.goto(lab.url("lab/tree/project/runs/start.ipynb") + "&reset")
            with _photographed(page, shots):
                yield page, project, shots


@contextlib.contextmanager
def _photographed(page: Page, shots: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        page.screenshot(path=shots / "release_failed.png")
        raise


def _press(notebook: Notebook, name: str | re.Pattern[str]) -> None:
    notebook.panel.get_by_role("button", name=name).click()


def _apply_all(migrate: Notebook, steps: int) -> None:
    """Press the button of each step when its turn has come, and look at what it says."""
    for number in range(1, steps + 1):
        _press(migrate, re.compile(rf"^Apply {number} of {steps}: "))
        said = f"next is {number + 1}:" if number < steps else f"All {steps} steps are done"
        expect(migrate.panel.get_by_text(said).last).to_be_visible(timeout=PATIENCE * 1000)


def test_a_whole_release_is_clicked_from_the_start_page_to_the_sign_off(
    start: tuple[Page, Path, Path],
) -> None:
    page, project, shots = start
    first = Notebook(page, project / "runs" / "start.ipynb", shots)
    first.run_all()
    assert "staging" in first.table("3 targets").column("environment")
    _press(first, "Open staging")
    first.panel.get_by_role("link", name="00_brief").click()
    (run,) = (project / "runs" / "staging").iterdir()
    notebook = Notebook(page, run / "pages" / "00_brief.ipynb", shots)
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
