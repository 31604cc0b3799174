"""A setting is tuned between two tries of a release: a new plan, in the same run."""

from pathlib import Path

import pytest

from runbook_lib import (
    apply_step,
    check_target,
    choose_way,
    rehearse,
    review_release,
    roll_back,
    take_backup,
)
from runbook_lib.errors import GateError, StatementError
from runbook_lib.evidence.run import Run
from runbook_lib.postgres.connection import Connection
from tests.support.defects import Project, project
from tests.support.releases import write_release

pytestmark = pytest.mark.slow

HALF = {
    "0001_users": "CREATE TABLE users (id int PRIMARY KEY);",
    "0002_notes": "ALTER TABLE notes ADD COLUMN body text;",
    "0003_orders": "CREATE TABLE orders (id int PRIMARY KEY);",
}


def opened(shop: Project, phase: str) -> Run:
    return shop.run(shop.root / "release", phase)


def backed_up(shop: Project) -> None:
    run = opened(shop, "prechecks")
    review_release(run)
    check_target(run)
    take_backup(opened(shop, "backup"))


def prepared(shop: Project) -> None:
    backed_up(shop)
    rehearse(opened(shop, "rehearsal"))


def test_a_lock_timeout_is_tuned_half_way_and_the_way_back_leads_to_the_start(
    database: dict[str, str], connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)")
    write_release(tmp_path / "release", HALF)
    with project(tmp_path, database) as shop:
        settings = tmp_path / "environments.toml"
        head = settings.read_text()
        tuned = "[test.policy.locks]\ntimeout = {}\ntries = 1\npause = 0\n"
        settings.write_text(head + tuned.format(0.2))
        prepared(shop)
        first = opened(shop, "migrate")
        apply_step(first)
        with connection.transaction():
            connection.execute("LOCK TABLE notes IN SHARE MODE")
            with pytest.raises(StatementError, match="lock timeout"):
                apply_step(opened(shop, "migrate"))
        settings.write_text(head + tuned.format(30.0))
        change = "policy.locks.timeout was 0.2 when the plan was made and is 30.0"
        with pytest.raises(GateError, match=change):
            opened(shop, "migrate")
        assert change in repr(opened(shop, "prechecks"))
        prepared(shop)
        second = opened(shop, "migrate")
        assert (second.directory, second.backup()) == (first.directory, first.backup())
        assert second.plan.steps == first.plan.steps
        for _ in second.pending():
            apply_step(second)
        assert opened(shop, "verify").passed("migrate")
        back = opened(shop, "rollback")
        choose_way(back, back.target.dbname)
        roll_back(back, back.target.dbname)
        assert connection.value("SELECT to_regclass('users')") is None
        assert connection.value("SELECT count(*) FROM notes") == 1


def test_the_way_back_is_that_of_the_run_that_changed_the_target(
    database: dict[str, str], connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE notes (id int)")
    release = write_release(tmp_path / "release", HALF)
    with project(tmp_path, database) as shop:
        backed_up(shop)
        first = opened(shop, "migrate")
        apply_step(first)
        edited = release / "0003_orders" / "migration.sql"
        edited.write_text(HALF["0003_orders"].replace("int", "bigint"))
        backed_up(shop)
        second = opened(shop, "migrate")
        assert second.backup() != first.backup()
        back = opened(shop, "rollback")
        assert back.directory == first.directory
        roll_back(back, back.target.dbname, "revert")
        assert connection.value("SELECT to_regclass('users')") is None


@pytest.mark.parametrize("phase", ["backup", "migrate", "verify"])
def test_a_run_that_is_rolled_back_is_final(
    phase: str, database: dict[str, str], connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE notes (id int)")
    write_release(tmp_path / "release", HALF)
    with project(tmp_path, database) as shop:
        backed_up(shop)
        before = opened(shop, "migrate")
        apply_step(before)
        back = opened(shop, "rollback")
        roll_back(back, back.target.dbname, "revert")
        record = back.directory.read("90_rollback")
        with pytest.raises(GateError, match=f"{back.directory.path.name} is rolled back, recorded"):
            opened(shop, phase)
        with pytest.raises(GateError, match=r"is rolled back.*nothing was done"):
            apply_step(before)  # of a page that was open all the while
        assert back.directory.read("90_rollback") == record
        assert opened(shop, "brief").directory != back.directory
