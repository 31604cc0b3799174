"""A run is gone on with by a version that reads its records; any other says so in one sentence."""

import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from runbook_lib import open_run, review_release
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.schemas import FORMATS
from tests.support.cases import ENVIRONMENT, Case, at, project

PRODUCT = version("migration-runbook")


@pytest.fixture
def opened(database: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    """Return what opens the run of a release of one file; it was reviewed once."""
    (tmp_path / "shared").mkdir()
    case = Case(kind="", name="", ends="", dbname=database["dbname"])
    release = project(tmp_path, case, tmp_path / "shared") / "release"
    release.mkdir()
    (release / "001.sql").write_text("CREATE TABLE item (id int)")
    url = f"postgresql://{database['user']}@/{case.dbname}?host={database['host']}"
    with at(tmp_path, url):
        review_release(open_run(ENVIRONMENT, str(release), "prechecks"))
        yield lambda phase: open_run(ENVIRONMENT, str(release), phase)


def made_by(run: Run, product: str, formats: int) -> None:
    run.directory.write("version", {"product": product, "formats": formats})


def test_a_run_says_which_version_made_it(opened: Callable[[str], Run]) -> None:
    found = json.loads((opened("prechecks").directory.path / "version.json").read_text())
    assert (found["product"], found["formats"]) == (PRODUCT, FORMATS)


def test_another_version_goes_on_where_it_reads_every_record(opened: Callable[[str], Run]) -> None:
    run = opened("prechecks")
    made_by(run, "0.0.7", FORMATS)
    assert opened("prechecks").directory == run.directory


def with_other_formats(run: Run) -> None:
    made_by(run, "9.0", FORMATS + 1)


def with_a_record_of_its_own(run: Run) -> None:
    made_by(run, "9.0", FORMATS)
    run.directory.write("10_review", {"status": "passed", "plan": "p", "findings": [], "more": 1})


def without_saying(run: Run) -> None:
    (run.directory.path / "version.json").unlink()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (with_other_formats, rf"version 9.0 \(formats {FORMATS + 1}\) made it, and this is"),
        (with_a_record_of_its_own, r"which cannot read 10_review\.json"),
        (without_saying, "an older version made it"),
    ],
)
def test_what_this_version_cannot_read_is_left_to_the_other(
    make: Callable[[Run], None], says: str, opened: Callable[[str], Run]
) -> None:
    make(opened("prechecks"))
    for phase in ("brief", "prechecks", "rollback"):
        with pytest.raises(EvidenceError, match=says) as caught:
            opened(phase)
        assert caught.value.remedy.startswith("Finish it with the version that began it")


def test_a_run_that_is_over_is_followed_by_one_of_this_version(
    opened: Callable[[str], Run],
) -> None:
    run = opened("prechecks")
    with_other_formats(run)
    run.record(True, {}, "80_signoff")
    with pytest.raises(EvidenceError, match="cannot go on"):
        opened("rollback")
    assert opened("brief").directory != run.directory
    assert opened("prechecks").directory != run.directory
