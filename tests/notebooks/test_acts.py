"""At a screen nothing is done but what the page shows: cells run out of order, files edited."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import Page, opened
from tests.support.projects import command, fresh_project, stop

PREPARE = """
from runbook_lib import check_target, open_run, review_release, take_backup
run = open_run("dev", "", "prechecks")
review_release(run), check_target(run)
take_backup(open_run("dev", "", "backup"))
"""
_FAIL = '\n[fail]\nembedded = true\ndbname = "fail"\nsystem_identifier = "1"\n'
_PARAMETERS = 'env = "{}"\nrelease = ""'
_GATE = 'run = open_run(env, release, "migrate")'
NOTHING = "nothing was done"
SQL_FILE = "sql/migrations/add_performance_indexes/migration.sql"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Hand over a project whose dev may be migrated, and with an environment that is refused."""
    made = fresh_project(tmp_path_factory.mktemp("acts") / "project")
    settings = made / "environments.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + _FAIL, encoding="utf-8")
    done = command(sys.executable, "-c", PREPARE, cwd=made)
    assert done.returncode == 0, done.stderr
    yield made
    stop(made)


@pytest.fixture
def page(project: Path) -> Iterator[Page]:
    """Open 40_migrate of dev up to its gate, which is green."""
    with opened(project / "notebooks" / "page.ipynb") as page:
        page.save(_PARAMETERS.format("dev"))
        for cell in (_PARAMETERS.format("dev"), "from runbook_lib import *", _GATE):
            assert page.run(cell).error == ""
        yield page


def apply(page: Page) -> str:
    """Try what a button does, whatever it names, and return how that was refused."""
    answer = page.run("from runbook_lib.notebook.migrate import _apply\n_apply(run, 'x', '')")
    assert NOTHING in answer.error
    return answer.error


@pytest.mark.slow
def test_a_refused_gate_stops_the_next_cell(page: Page) -> None:
    before = page.run("print([step.name for step in run.pending()])").shown
    page.run(_PARAMETERS.format("fail"))
    page.save(_PARAMETERS.format("fail"))
    assert "pinned to the server 1" in page.run(_GATE).error
    assert "The gate of this page refused" in apply(page)
    assert page.run("print([step.name for step in run.pending()])").shown == before


@pytest.mark.slow
def test_parameters_that_were_changed_and_not_opened_stop_it(page: Page) -> None:
    page.run(_PARAMETERS.format("fail"))
    said = apply(page)
    assert 'env = "fail" was executed, and the gate was not asked since' in said
    assert 'the run is open for "dev"' in said


@pytest.mark.slow
def test_parameters_that_were_saved_and_not_executed_stop_it(page: Page) -> None:
    page.save(_PARAMETERS.format("fail"))
    assert 'env = "fail" was saved in this page, and not executed' in apply(page)
    page.path.write_text("{", encoding="utf-8")  # it is being saved at this moment
    page.save(_PARAMETERS.format("dev"))
    assert page.run("from runbook_lib.notebook.acts import check_act").error == ""
    assert page.run("check_act(run, 'migrate')").error == ""


@pytest.mark.slow
def test_an_older_run_of_the_kernel_is_void(page: Page) -> None:
    page.run("older = run")
    assert page.run(_GATE).error == ""
    answer = page.run("apply_step(older)")
    assert "Since this run of 'dev' was opened, the gate was asked anew" in answer.error


@pytest.mark.slow
def test_a_run_opened_for_another_phase_is_refused(page: Page) -> None:
    assert page.run('run = open_run(env, release, "brief")').error == ""
    assert "open for the phase 'brief', and this belongs to 'migrate'" in apply(page)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        (SQL_FILE, "\n-- one byte more\n", "add_performance_indexes/migration.sql was changed"),
        ("environments.toml", "[dev.policy.indexes]\nrest = 0.5\n", "policy.indexes.rest was"),
    ],
)
def test_what_was_edited_since_the_gate_is_named(
    name: str, more: str, said: str, page: Page, project: Path
) -> None:
    path = project / name
    before = path.read_bytes()
    path.write_bytes(before + more.encode())
    try:
        assert said in apply(page)
    finally:
        path.write_bytes(before)


@pytest.mark.slow
def test_a_plan_that_another_page_put_in_place_is_named(page: Page, project: Path) -> None:
    settings = project / "environments.toml"
    before = settings.read_bytes()
    settings.write_bytes(before + b"[dev.policy.indexes]\nrest = 0.5\n")
    again = 'from runbook_lib import open_run; open_run("dev", "", "brief")'
    try:
        assert command(sys.executable, "-c", again, cwd=project).returncode == 0
    finally:
        settings.write_bytes(before)
    assert "Another page has put a new plan in the place" in apply(page)
    assert command(sys.executable, "-c", again, cwd=project).returncode == 0


_WATCH = """
from runbook_lib.notebook import steps
shown = []
steps.Spot.show = lambda self, thing: shown.append(repr(thing).splitlines()[0])
offered = []
steps.show = offered.append
apply_step(run)
"""
_PRESS = (
    "button = offered[-1].children[-1]\nprint(button.description)\nbutton.click()\nprint(shown)"
)


@pytest.mark.slow
def test_a_button_applies_the_step_it_names_and_no_other(page: Page) -> None:
    listed = page.run(_WATCH)
    assert listed.error == ""
    first, second = page.run("print(*[step.name for step in run.plan.steps[:2]])").shown.split()
    assert f"next is 1: {first}" in page.run("print(shown)").shown
    pressed = page.run(_PRESS).shown
    assert f"Apply 1 of 8: {first}" in pressed
    assert f"{first} is applied" in pressed
    assert f"next is 2: {second}" in pressed
    again = page.run("shown.clear()\nbutton.click()\nprint(shown)").shown
    assert f"{first} was done before; the server says so, and nothing was run" in again
    assert page.run("print(offered[-1].children[-1].description)").shown.strip() == (
        f"Apply 2 of 8: {second}"
    )
    assert page.run("print(run.pending()[0].name)").shown.strip() == second


_ASKING = """
from dataclasses import replace
from runbook_lib.notebook.show import Table
asking = replace(run.policy, approvals=replace(run.policy.approvals, confirm=True))
asked = replace(run, environment=replace(run.environment, policy=asking))
acted = []
act = lambda run, step, until: acted.append(step) or Table("acted", [])
steps.StepButton(asked, act).offer(*run.plan.steps[:1] * 2)
"""


@pytest.mark.slow
def test_where_the_policy_asks_the_name_of_the_database_is_typed(page: Page) -> None:
    page.run(_WATCH)
    assert page.run(_ASKING).error == ""
    assert "confirmed for '', and the database is citadelbuy_dev" in page.run(_PRESS).shown
    for typed, acted in (("citadelbuy_prod", 0), ("citadelbuy_dev", 1)):
        page.run(f"offered[-1].children[0].value = '{typed}'")
        page.run(_PRESS)
        assert page.run("print(len(acted))").shown.strip() == str(acted)
