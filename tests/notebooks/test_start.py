"""The start page, the pages of a run, and the runbook called from anywhere."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import opened
from tests.support.projects import command, fresh_project, papermill, runs, stop

pytestmark = pytest.mark.slow

_BEGIN = 'from runbook_lib.notebook.start import _opened\nprint(_opened("{}", ""))'
_GATE = 'from runbook_lib import open_run\nrun = open_run("{}", "", "{}")'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = fresh_project(tmp_path_factory.mktemp("start") / "project")
    yield made
    stop(made)


@pytest.fixture(scope="module")
def begun(project: Path) -> Path:
    """Begin a run of dev from the start page, and return its pages."""
    (project / "runs").mkdir()
    with opened(project / "runs" / "start.ipynb") as start:
        said = start.run(_BEGIN.format("dev")).shown
    (run,) = runs(project)
    assert f"dev/{run.name}/pages/00_brief.ipynb" in said
    return run / "pages"


def test_the_pages_of_a_run_have_its_parameters_and_no_outputs(begun: Path) -> None:
    names = {path.stem for path in begun.glob("*.ipynb")}
    assert {"00_brief", "40_migrate", "90_rollback"} <= names
    assert not names & {"run", "start"}
    cells = json.loads((begun / "40_migrate.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert {len(cell["outputs"]) for cell in code} == {0}
    parameters = "".join(code[0]["source"])
    assert 'env = "dev"' in parameters
    assert 'until = ""' in parameters
    assert (begun / "40_migrate.ipynb").stat().st_mode & 0o777 == 0o600


def test_a_page_of_a_run_is_for_its_target_alone(begun: Path, project: Path) -> None:
    with opened(begun / "00_brief.ipynb") as page:
        assert page.run(_GATE.format("dev", "brief")).error == ""
        said = page.run(_GATE.format("staging", "brief")).error
    assert f'belongs to the run {begun.parent.name} on "dev", and env says "staging"' in said
    assert not (project / "runs" / "staging").exists()


def test_a_page_begins_no_other_run_than_its_own(begun: Path, project: Path) -> None:
    file = project / "sql" / "migrations" / "organization_module" / "migration.sql"
    before = file.read_bytes()
    file.write_bytes(before + b"\n-- another release\n")
    try:
        with opened(begun / "00_brief.ipynb") as page:
            said = page.run(_GATE.format("dev", "brief")).error
        assert "which does not go on" in said
        assert "start.ipynb" in said
        assert runs(project) == [begun.parent]
    finally:
        file.write_bytes(before)


def test_what_a_person_wrote_into_a_page_stays(begun: Path, project: Path) -> None:
    page = begun / "10_prechecks.ipynb"
    page.write_text(page.read_text(encoding="utf-8").replace("Prechecks", "Mine"), encoding="utf-8")
    with opened(project / "runs" / "start.ipynb") as start:
        start.run(_BEGIN.format("dev"))
    assert "Mine" in page.read_text(encoding="utf-8")
    assert runs(project) == [begun.parent]


def test_the_pages_are_not_in_the_seal(begun: Path, project: Path) -> None:
    seal = 'from runbook_lib import open_run\nopen_run("dev", "", "brief").directory.seal()'
    assert command(sys.executable, "-c", seal, cwd=project).returncode == 0
    sums = (begun.parent / "SHA256SUMS").read_text(encoding="utf-8")
    assert "plan.json" in sums
    assert "pages/" not in sums


def test_from_another_directory_the_home_is_asked_for(project: Path, tmp_path: Path) -> None:
    notebook = str(project / "notebooks" / "00_brief.ipynb")
    lost = papermill(notebook, project=project, cwd=tmp_path)
    assert lost.returncode != 0
    assert f"There is no environments.toml in {tmp_path} or above it." in lost.stderr
    assert "or set RUNBOOK_HOME to it." in lost.stderr
    wrong = papermill(notebook, project=project, cwd=tmp_path, env={"RUNBOOK_HOME": "/usr"})
    assert "There is no environments.toml in /usr. Correct RUNBOOK_HOME." in wrong.stderr
    found = papermill(notebook, project=project, cwd=tmp_path, env={"RUNBOOK_HOME": str(project)})
    assert found.returncode == 0, found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
