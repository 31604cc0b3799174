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
    """Try to apply the next step, by its name, and return how that was refused."""
    answer = page.run("apply_step(run, run.pending()[0].name)")
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
    answer = page.run("apply_step(older, older.pending()[0].name)")
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
