"""The runs of a release are listed with what each left, and an older one can be taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib import (
    apply_step,
    check_target,
    choose_run,
    review_release,
    roll_back,
    show_leftovers,
    take_backup,
)
from runbook_lib.errors import GateError, RunbookError
from runbook_lib.evidence.run import Run
from runbook_lib.postgres.connection import Connection
from tests.support.defects import Project, project
from tests.support.releases import write_release

HALVES = """BEGIN; CREATE TABLE half (id int); COMMIT;
BEGIN; INSERT INTO account VALUES (1); COMMIT;
"""


@pytest.fixture
def shop(
    database: dict[str, str], connection: Connection, tmp_path: Path, shared_root: Path
) -> Iterator[Project]:
    connection.execute("CREATE TABLE account (id int PRIMARY KEY); INSERT INTO account VALUES (1)")
    connection.close()
    with project(tmp_path, database, shared_root) as made:
        yield made


def backed_up(shop: Project, release: Path) -> Run:
    """Take a run of the release as far as its backup."""
    shop.run(release, "brief")
    run = shop.run(release, "prechecks")
    review_release(run)
    check_target(run)
    run = shop.run(release, "backup")
    take_backup(run)
    return run


def listed(run: Run) -> dict[object, tuple[object, ...]]:
    """Return of each run that is listed how it stands, what it left, and what this page does."""
    return {row["run"]: tuple(row.values())[1:] for row in show_leftovers(run).rows}


def test_an_older_run_is_taken_back_and_leaves_what_a_later_one_made(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = write_release(shop.root / "release", {"0001_a": "CREATE TABLE first (id int)"})
    older = backed_up(shop, release)
    apply_step(shop.run(release, "migrate"))
    (release / "0002_b").mkdir()
    (release / "0002_b" / "migration.sql").write_text("CREATE TABLE second (id int)")
    backed_up(shop, release)
    apply_step(shop.run(release, "migrate"))

    latest, name = shop.run(release, "rollback"), older.directory.path.name
    left = "1 migration; 1 object made"
    assert listed(latest) == {
        latest.directory.path.name: ("begun", left, "takes it back"),
        name: ("begun", left, f'of_run = "{name}"'),
    }
    with pytest.raises(GateError, match="'yesterday' is no run of this release on this target"):
        choose_run(latest, "yesterday")
    assert choose_run(latest, "") is latest
    page = older.directory.path / "pages" / "90_rollback.ipynb"
    page.parent.mkdir()
    page.write_text("{}")
    with monkeypatch.context() as lab:
        lab.setenv("JPY_SESSION_NAME", str(page))
        assert shop.run(release, "rollback").directory == older.directory
    chosen = choose_run(latest, name)
    roll_back(chosen, chosen.target.dbname, "revert")
    with shop.target.connect() as session:
        assert session.value("SELECT to_regclass('first') IS NULL")
        assert session.value("SELECT to_regclass('second') IS NOT NULL")
    assert listed(chosen)[name] == ("rolled back", "nothing", "takes it back")


def test_a_file_of_which_a_part_is_in_is_listed_with_the_run_that_began_it(shop: Project) -> None:
    release = write_release(shop.root / "release", {"0001_a": HALVES})
    older = backed_up(shop, release)
    with pytest.raises(RunbookError, match="Duplicate key"):
        apply_step(shop.run(release, "migrate"))
    name, left = older.directory.path.name, "1 object made; a part of 0001_a"
    assert listed(shop.run(release, "rollback")) == {name: ("begun", left, "takes it back")}
    (release / "0001_a").rename(release / "0001_b")
    without = shop.run(release, "rollback")
    assert "no longer has 0001_a" in str(listed(without)[name])
    with pytest.raises(GateError, match="no longer has 0001_a, which this run began"):
        choose_run(without, "")
