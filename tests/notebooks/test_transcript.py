"""What a page executed and showed is among the evidence, though nobody ever saves the page."""

import hashlib
import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import Page, opened
from tests.support.projects import command, fresh_project, runs, stop

pytestmark = pytest.mark.slow

_PARAMETERS = 'env = "dev"\nrelease = ""'
_BRIEF = ("from runbook_lib import *", 'run = open_run(env, release, "brief")\nrun')


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = fresh_project(tmp_path_factory.mktemp("transcript") / "project")
    yield made
    stop(made)


@pytest.fixture
def page(project: Path) -> Iterator[Page]:
    with opened(project / "notebooks" / "page.ipynb") as page:
        page.save(_PARAMETERS)
        for cell in (_PARAMETERS, *_BRIEF):
            assert page.run(cell).error == ""
        yield page


def kept(project: Path, name: str) -> list[dict[str, Any]]:
    (directory,) = runs(project)
    path = directory / f"{name}.ipynb"
    assert path.stat().st_mode & 0o777 == 0o600
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def text(cell: dict[str, Any]) -> str:
    return json.dumps(cell["outputs"])


def test_each_cell_is_kept_with_what_it_showed_and_its_error(page: Page, project: Path) -> None:
    page.run("show_release(run)")
    page.run('print("one"); print("two")')
    page.run("1/0")
    page.run("from IPython.display import Image, display\ndisplay(Image(b'PNG', format='png'))")
    cells = kept(project, "00_brief")
    sources = ["".join(cell["source"]) for cell in cells]
    assert sources[:3] == [_PARAMETERS, *_BRIEF]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3, 4, 5, 6, 7]
    assert "citadelbuy_dev" in text(cells[2])
    assert "7 migrations as listed" in text(cells[3])
    assert cells[4]["outputs"] == [
        {"name": "stdout", "output_type": "stream", "text": ["one\n", "two\n"]}
    ]
    assert "ZeroDivisionError" in text(cells[5])
    assert b64decode(cells[6]["outputs"][0]["data"]["image/png"]) == b"PNG"


def test_what_is_shown_in_place_of_something_is_kept_and_a_widget_is_not(
    page: Page, project: Path
) -> None:
    page.run(
        "from IPython.display import display\n"
        'handle = display("early", display_id=True)\nhandle.update("late")'
    )
    page.run("import ipywidgets\nipywidgets.Button(description='press')")
    *_, updated, pressed = kept(project, _last(project))
    assert "late" in text(updated)
    assert "early" not in text(updated)
    assert pressed["outputs"] == []


def test_a_kernel_that_was_restarted_begins_another_page(page: Page, project: Path) -> None:
    before = _last(project)
    with opened(page.path) as again:
        for cell in (_PARAMETERS, *_BRIEF):
            assert again.run(cell).error == ""
    assert _last(project) != before
    assert len(kept(project, _last(project))) == 3


def test_a_secret_is_not_kept(page: Page, project: Path) -> None:
    page.run("from runbook_lib.redaction import keep_secret\nkeep_secret('hunter' + '2!x', 'it')")
    page.run("print('hunter' + '2!x')")
    assert "hunter2!x" not in (runs(project)[0] / f"{_last(project)}.ipynb").read_text()


def test_the_page_of_the_seal_is_in_the_seal(project: Path) -> None:
    done = "from runbook_lib import *\n" + _THROUGH
    assert command(sys.executable, "-c", done, cwd=project).returncode == 0
    with opened(project / "notebooks" / "page.ipynb") as page:
        page.save(_PARAMETERS)
        for cell in (_PARAMETERS, _BRIEF[0], 'run = open_run(env, release, "signoff")'):
            assert page.run(cell).error == ""
        assert page.run("answer_criteria(run)").error == ""
        assert "files sealed" in page.run("seal_evidence(run)").shown
    (directory,) = runs(project)
    sums = (directory / "SHA256SUMS").read_text(encoding="utf-8")
    page_text = (directory / "80_signoff.ipynb").read_bytes()
    assert "files sealed" in page_text.decode()
    assert f"{hashlib.sha256(page_text).hexdigest()}  80_signoff.ipynb" in sums
    assert command("sha256sum", "--quiet", "-c", "SHA256SUMS", cwd=directory).returncode == 0


_THROUGH = """
run = open_run("dev", "", "prechecks"); review_release(run); check_target(run)
take_backup(open_run("dev", "", "backup"))
run = open_run("dev", "", "migrate"); apply_step(run, "", run.pending()[-1].name)
verify_target(open_run("dev", "", "verify"))
"""


def _last(project: Path) -> str:
    found = runs(project)[0].glob("00_brief*.ipynb")
    return max(found, key=lambda path: path.stat().st_mtime_ns).stem
