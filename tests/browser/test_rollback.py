"""A DBA takes a release back in JupyterLab: ticks what is lost, types the name, presses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PLAYWRIGHT = "no playwright: pip install playwright (it is in the extra 'dev')"
pytest.importorskip("playwright.sync_api", reason=_PLAYWRIGHT)

from playwright.sync_api import expect  # noqa: E402

from tests.support.lab import (  # noqa: E402
    PATIENCE,
    Notebook,
    make_home,
    make_project,
    open_screen,
    run_python,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

_CONFIRM = "\n[dev.policy.approvals]\nconfirm = true\n"
_SQL = "CREATE TABLE notes (id int); CREATE TABLE idle (id int); INSERT INTO notes VALUES (1)"
_APPLY = """
from runbook_lib import apply_step, check_target, open_run, review_release, take_backup
run = open_run("dev", "small", "prechecks")
review_release(run)
check_target(run)
take_backup(open_run("dev", "small", "backup"))
apply_step(open_run("dev", "small", "migrate"))
"""
_SAY = """
from runbook_lib import open_run
with open_run("dev", "small", "rollback").database.connect() as session:
    print("said:", session.value("{}"))
"""
_WRITE = "INSERT INTO notes VALUES (2) RETURNING id"
_GONE = "SELECT to_regclass('notes') IS NULL"


@dataclass(frozen=True)
class Desk:
    """A project whose release was applied, and the page of its rollback in front."""

    environment: dict[str, str]
    project: Path
    rollback: Notebook

    def ask(self, sql: str) -> str:
        return run_python(self.environment, self.project, "-c", _SAY.format(sql))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    environment, project = make_home(tmp_path / "home"), make_project(tmp_path / "project")
    path = project / "notebooks" / "90_rollback.ipynb"
    path.write_text(path.read_text().replace('release = \\"\\"', 'release = \\"small\\"'))
    (project / "small").mkdir()
    (project / "small" / "0001_notes.sql").write_text(_SQL)
    with open_screen(tmp_path, environment, project) as screen:
        run_python(environment, project, "-c", _APPLY)
        with (project / "environments.toml").open("a") as settings:
            settings.write(_CONFIRM)
        with screen.open(path, height=2200) as page:
            yield Desk(environment, project, page)


def test_losses_are_ticked_and_refused_where_they_are_others_by_the_press(desk: Desk) -> None:
    rollback, patience = desk.rollback, PATIENCE * 1000
    rollback.run_all()
    assert rollback.errors() == []
    form = rollback.panel.locator(".jp-CodeCell", has_text="roll_back(run, confirm")
    revert = form.get_by_role("button", name="Revert", exact=True)
    expect(revert).to_be_disabled()
    unproven = form.get_by_label("take it though it is not proven").first
    unproven.check()
    expect(revert).to_be_disabled()
    form.get_by_label("lose 1 row of public.notes").first.check()
    expect(revert).to_be_enabled()
    form.get_by_label("database", exact=True).fill("another")
    rollback.photograph("ticked")
    revert.click()
    expect(form).to_contain_text("This was confirmed for 'another'", timeout=patience)

    desk.ask(_WRITE)
    form.get_by_label("database", exact=True).fill("citadelbuy_dev")
    unproven.check()
    form.get_by_label("lose 1 row of public.notes").first.check()
    revert.click()
    expect(form).to_contain_text("asks to accept now", timeout=patience)
    expect(form).to_contain_text('now it is accept = "2 rows of 1 table: ')
    assert "said: False" in desk.ask(_GONE)

    expect(revert).to_be_disabled()
    unproven.check()
    form.get_by_label("lose 2 rows of public.notes").first.check()
    revert.click()
    expect(form).to_contain_text("Reverted, and compared with the schema", timeout=patience)
    rollback.photograph("reverted")
    assert "said: True" in desk.ask(_GONE)
    (record,) = (desk.project / "runs" / "dev").glob("*/90_rollback.json")
    assert json.loads(record.read_text())["rollback"]["accepted"] == {"public.notes": 2}
