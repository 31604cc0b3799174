"""At a screen a cell that stops shows a card and one sentence, and never a traceback."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.notebook import startup
from tests.support.pages import PATIENCE, Page, opened
from tests.support.projects import command, fresh_project, runs, stop
from tests.support.releases import write_release

_PARAMETERS = 'env = "dev"\nrelease = "long"'
_IMPORT = "from runbook_lib import *"
_GATE = 'run = open_run(env, release, "{}")'
_APPLY = "apply_step(run)"
_PRESS = """
from ipywidgets import widgets
made = [item for item in widgets.widget._instances.values() if isinstance(item, widgets.Button)]
made[-1].click()
"""
_NAP = "run.database.connect().execute('SELECT pg_sleep(600)')"
# The copy that the prechecks try the release on has no rows, so that nothing sleeps there.
_FILES = {"0001_sleep": "SELECT 1;\nSELECT pg_sleep(seconds) FROM naps;\nSELECT 2;\n"}
_PREPARE = """
from runbook_lib import *
with open_run("dev", "long", "brief").database.connect() as session:
    session.execute("CREATE TABLE naps (seconds int); INSERT INTO naps VALUES (600)")
run = open_run("dev", "long", "prechecks")
review_release(run), check_target(run)
take_backup(open_run("dev", "long", "backup"))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Hand over a project whose release sleeps in its second line, ready to be migrated."""
    made = fresh_project(tmp_path_factory.mktemp("cards") / "project")
    write_release(made / "long", _FILES)
    done = command(sys.executable, "-c", _PREPARE, cwd=made)
    assert done.returncode == 0, done.stderr
    yield made
    stop(made)


@pytest.fixture
def page(project: Path) -> Iterator[Page]:
    with opened(project / "notebooks" / "page.ipynb") as page:
        page.save(_PARAMETERS)
        yield page


def interrupt_at(page: Page, project: Path, line: int) -> threading.Thread:
    """Interrupt the kernel as soon as the statement of this line was sent."""

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE
        journal, sent = runs(project)[-1] / "journal.jsonl", f'"line": {line}, "number"'
        while not (journal.is_file() and sent in journal.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.3)  # it is on the server
        page.interrupt()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
def test_an_interrupted_statement_is_a_card_that_says_where_things_stand(
    page: Page, project: Path
) -> None:
    for cell in (_PARAMETERS, _IMPORT, _GATE.format("migrate")):
        assert page.run(cell).error == ""
    assert "next is 1: 0001_sleep" in page.run(_APPLY).shown
    pressed = interrupt_at(page, project, 2)
    answer = page.run(_PRESS)
    pressed.join()
    assert answer.error == ""  # the button's own cell has ended before
    assert "Migration was interrupted on citadelbuy_dev." in answer.shown
    assert "Traceback" not in answer.shown
    for said in (
        "no part of 0001_sleep is applied; it was stopped at line 2",
        "of its 3 statements 0 are committed, and 1 that had been done were rolled back",
        "the server has ended the session: what was under way is cancelled",
        "Run the cells again from the gate on",
    ):
        assert said in answer.shown
    assert "0001_sleep stopped" in page.run("chart_traffic(run)").shown
    count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(seconds)%'"
    look = f"with run.database.connect() as s: print('left', s.value({count!r}) - 1)"
    assert "left 0" in page.run(look).shown


@pytest.mark.slow
def test_an_interrupted_cell_is_one_that_failed(page: Page) -> None:
    for cell in (_PARAMETERS, _IMPORT, _GATE.format("brief")):
        assert page.run(cell).error == ""
    pressed = threading.Timer(1.0, page.interrupt)
    pressed.start()
    answer = page.run(_NAP)
    pressed.join()
    assert answer.error == "KeyboardInterrupt: "
    assert answer.trace == "KeyboardInterrupt: The cell was interrupted."
    assert "Run the cells of this page again, from the top." in answer.shown


@pytest.mark.slow
def test_a_cell_out_of_order_says_which_to_run_first(page: Page) -> None:
    page.run(_PARAMETERS)
    page.run(_IMPORT)
    assert page.run('open_run("none")').error.startswith("ConfigError: ")
    answer = page.run(_APPLY)
    assert answer.error == "NameError: name 'run' is not defined"
    assert answer.trace.count("\n") == 0
    assert "'run' is not known to this kernel: an earlier cell" in answer.trace
    assert "Run > Run All Above Selected Cell" in answer.shown


@pytest.mark.slow
def test_the_first_cell_of_a_restarted_kernel_says_which_to_run_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", startup.__file__)
    with opened(project / "notebooks" / "page.ipynb") as page:
        page.save(_PARAMETERS)
        answer = page.run(_APPLY)
        assert answer.trace.startswith("NameError: 'apply_step' is not known to this kernel")
        assert "nothing was done" in answer.trace
        assert "[]" in page.run("[name for name in dir() if 'show' in name]").shown


@pytest.mark.slow
def test_a_refused_gate_is_a_card_and_one_sentence(page: Page) -> None:
    page.run(_PARAMETERS)
    page.run(_IMPORT)
    answer = page.run(_GATE.format("verify"))
    assert answer.trace == (
        "GateError: Verification waits for the migration; still to do: 0001_sleep."
    )
    assert "Run 40_migrate.ipynb first." in answer.shown
    assert "Traceback" not in answer.shown


@pytest.mark.slow
def test_a_mistake_in_python_keeps_its_traceback(page: Page) -> None:
    page.run(_PARAMETERS)
    page.run(_IMPORT)
    page.run(_GATE.format("brief"))
    answer = page.run("nobody_knows_this")
    assert "Traceback" in answer.trace
    assert answer.shown == ""
