"""What stops at a screen is one sentence and a card, and what comes behind it does nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PLAYWRIGHT = "no playwright: pip install playwright (it is in the extra 'dev')"
pytest.importorskip("playwright.sync_api", reason=_PLAYWRIGHT)

from playwright.sync_api import Locator, expect  # noqa: E402

from runbook_lib.notebook import startup  # noqa: E402
from tests.support.lab import (  # noqa: E402
    PATIENCE,
    Notebook,
    make_home,
    make_project,
    open_screen,
    run_python,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

# The copy that the prechecks try the release on has no rows, so that nothing sleeps there.
_SQL = "SELECT 1;\nSELECT pg_sleep(seconds) FROM naps;\nSELECT 2;\n"
_FILL = """
from runbook_lib import *
with open_run("dev", "small", "brief").database.connect() as session:
    session.execute("CREATE TABLE naps (seconds int); INSERT INTO naps VALUES (600)")
"""
_PREPARE = """
from runbook_lib import *
run = open_run("dev", "small", "prechecks")
review_release(run), check_target(run)
take_backup(open_run("dev", "small", "backup"))
"""


@dataclass(frozen=True)
class Desk:
    """A page of a run that sleeps in its second statement, in a browser."""

    environment: dict[str, str]
    project: Path
    page: Notebook

    def ask(self, script: str) -> str:
        return run_python(self.environment, self.project, "-c", script)

    def cell(self, source: str) -> Locator:
        return self.page.panel.locator(".jp-CodeCell", has_text=source).first

    def press(self, source: str) -> str:
        """Run one cell as a person does, wait for its end and return what it shows."""
        cell = self.cell(source)
        cell.locator(".cm-content").click()
        self.page.page.keyboard.press("Control+Enter")
        prompt = cell.locator(".jp-InputPrompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE * 1000)
        return str(cell.locator(".jp-Cell-outputArea").first.inner_text())

    def choose(self, menu: str, entry: str) -> None:
        self.page.page.locator(".lm-MenuBar-itemLabel", has_text=menu).first.click()
        self.page.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    environment = make_home(tmp_path / "home") | {"PYTHONSTARTUP": startup.__file__}
    project = make_project(tmp_path / "project")
    path = project / "notebooks" / "40_migrate.ipynb"
    path.write_text(path.read_text().replace('release = \\"\\"', 'release = \\"small\\"'))
    (project / "small").mkdir()
    (project / "small" / "0001_naps.sql").write_text(_SQL)
    with open_screen(tmp_path, environment, project) as screen:
        run_python(environment, project, "-c", _FILL)
        with screen.open(path, height=2200) as page:
            yield Desk(environment, project, page)


def test_out_of_order_refused_and_interrupted_are_a_card_each_and_nothing_is_done(
    desk: Desk,
) -> None:
    said = desk.press("apply_step(run")
    assert "'apply_step' is not known to this kernel" in said
    assert "Run > Run All Above Selected Cell" in said

    desk.choose("Run", "Run All Cells")
    gate = desk.cell("open_run(env")
    expect(gate).to_contain_text("Migration waits for Prechecks", timeout=PATIENCE * 1000)
    assert "Run 10_prechecks.ipynb" in gate.inner_text()
    said = desk.press("apply_step(run")
    assert "'run' is not known to this kernel" in said
    desk.page.photograph("refused")

    desk.ask(_PREPARE)
    assert "Migration" in desk.press("open_run(env")
    desk.press("apply_step(run")
    act = desk.cell("apply_step(run")
    act.get_by_role("button", name="Apply 1 of 1: 0001_naps").click()
    expect(act).to_contain_text("pg_sleep", timeout=PATIENCE * 1000)
    desk.choose("Kernel", "Interrupt Kernel")
    stands = "no part of 0001_naps is applied; it was stopped at line 2"
    expect(act).to_contain_text(stands, timeout=PATIENCE * 1000)
    expect(act).to_contain_text("what was under way is cancelled")
    desk.page.photograph("interrupted")
    assert "0001_naps stopped: what it took is not drawn" in desk.press("chart_traffic(run)")

    shown = desk.page.panel.inner_text()
    assert "Traceback" not in shown
    assert all(error.count("\n") == 0 for error in desk.page.errors())
