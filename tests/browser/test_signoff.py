"""People answer what was not measured and approve, in the form of 80_signoff."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: it is in the extra 'dev'")

from playwright.sync_api import Locator, expect

from tests.support.lab import (
    PATIENCE,
    Notebook,
    make_home,
    make_project,
    open_screen,
    run_python,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

WHO = 'Ann "O" <b>é'
POLICY = "[dev.policy.signoff]\nrequired = true\n"
MANIFEST = """name = "shop"
title = "Shop"
migration = [{number = 1, name = "0001_a", purpose = "", risk = "", estimate = "", tables = ["a"]}]
role = [{name = "Lead", group = "Technical"}, {name = "Owner", group = "Business"}]
criterion = [
    {section = "Application", text = "Health checks pass", check = ""},
    {section = "Application", text = "No errors in logs", check = ""},
    {section = "Performance", text = "No exhaustion", check = "", metrics = ["connection_pool"]},
]
threshold = [{name = "connection_pool", scope = "database", above = 90, unit = "%"}]
"""
PREPARE = """
from runbook_lib import (
    apply_step, check_target, open_run, review_release, take_backup, verify_target, watch_metrics,
)
run = open_run("dev", "", "prechecks")
review_release(run)
check_target(run)
take_backup(open_run("dev", "", "backup"))
apply_step(open_run("dev", "", "migrate"), "")
verify_target(open_run("dev", "", "verify"))
watch_metrics(open_run("dev", "", "monitor"))
"""


def shop(root: Path) -> Path:
    """Make a project whose release is one small file with a checklist."""
    made = make_project(root, POLICY)
    shutil.rmtree(made / "sql")
    directory = made / "sql" / "migrations" / "0001_a"
    directory.mkdir(parents=True)
    (directory / "migration.sql").write_text("CREATE TABLE a (id int PRIMARY KEY);\n")
    (made / "sql" / "release.toml").write_text(MANIFEST)
    return made


def signed(project: Path) -> dict[str, Any]:
    (path,) = (project / "runs" / "dev").glob("*/80_signoff.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def answer(form: Locator, criterion: str, word: str, note: str = "") -> None:
    row = form.locator(".widget-hbox", has_text=criterion)
    row.get_by_label(criterion).select_option(word)
    row.get_by_placeholder("note").fill(note)


def record(form: Locator, said: str) -> None:
    """Press the button, and wait until it can be pressed again."""
    button = form.get_by_role("button", name="Record")
    button.click()
    expect(form).to_contain_text(said, timeout=PATIENCE * 1000)
    expect(button).to_be_enabled()


def execute(page: Notebook, source: str, said: str) -> None:
    """Run one cell again, and wait for what it says."""
    cell = page.panel.locator(".jp-CodeCell", has_text=source).last
    cell.locator(".cm-content").click()
    page.page.keyboard.press("Control+Enter")
    expect(cell).to_contain_text(said, timeout=PATIENCE * 1000)


def test_people_sign_off_in_the_form_and_the_record_says_who_and_when(tmp_path: Path) -> None:
    environment = make_home(tmp_path / "home")
    project = shop(tmp_path / "shop")
    path = project / "notebooks" / "80_signoff.ipynb"
    with open_screen(tmp_path, environment, project) as screen:
        run_python(environment, project / "notebooks", "-c", PREPARE)
        with screen.open(path) as page:
            page.run_all()
            assert "its sign-off is open: 2 criteria, 2 approvals" in " ".join(page.errors())
            assert signed(project)["status"] == "open"

            form = page.panel.locator(".widget-vbox:has(button)")
            assert form.get_by_text("No exhaustion").count() == 0, "what was measured is asked"
            answer(form, "Health checks pass", "yes", "all <i>green</i>")
            record(form, "Type your name")
            started = datetime.now(UTC).replace(microsecond=0)
            form.get_by_label("your name").fill(WHO)
            answer(form, "No errors in logs", "not applicable")
            form.get_by_label("Lead").fill(WHO)
            form.get_by_label("Owner").fill(WHO)
            record(form, "approves as Lead and as Owner")
            form.get_by_label("Owner").fill("Bo Oster")
            record(form, "Recorded.")
            verdict = page.panel.locator(".jp-CodeCell", has_text="sign_off(run)").last
            expect(verdict).to_contain_text("Signed off: 3 criteria hold")
            expect(verdict).not_to_contain_text("sign-off open")
            expect(form).to_contain_text("all <i>green</i>")
            page.photograph("signed")
            execute(page, "decide(run)", "Decision: go on")
            execute(page, "seal_evidence(run)", "files sealed")

    found = signed(project)
    said = [item["answer"] for item in found["criteria"]]
    assert [item and (item["answer"], item["who"]) for item in said] == [
        ("yes", WHO),
        ("not applicable", WHO),
        None,
    ]
    assert found["status"] == "passed"
    assert [item["approval"]["name"] for item in found["approvals"]] == [WHO, "Bo Oster"]
    assert all(datetime.fromisoformat(item["at"]) >= started for item in said[:2])
