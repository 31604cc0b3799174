"""Many files share a migration notebook; each stays a transaction and a record of its own."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import apply_step, chart_traffic, show_incidents
from runbook_lib.config.policies import Policy
from runbook_lib.errors import EvidenceError, GateError, StatementError
from runbook_lib.evidence import touched
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.run import SCHEMA_BEFORE, SCHEMA_TOUCHED, Run
from runbook_lib.migrate.execute import Applier, HeldRunner
from runbook_lib.notebook.run import migrations
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import CleanSession, Connection, Database
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose_run
from tests.support.defects import Project, project
from tests.support.releases import release_of, write_release

FILES = {
    "0001_users": "CREATE TABLE users (id int PRIMARY KEY);",
    "0002_name": "ALTER TABLE users ADD name text; ALTER TABLE notes ADD title text;",
    "0003_orders": "CREATE TABLE orders (id int REFERENCES users);",
    "0004_drop": "DROP TABLE orders; CREATE VIEW named AS SELECT name FROM users;",
}
NAMES = list(FILES)


@pytest.fixture
def shop(database: dict[str, str], connection: Connection, tmp_path: Path) -> Iterator[Project]:
    connection.execute("CREATE TABLE notes (id int)")
    write_release(tmp_path / "release", FILES)
    with project(tmp_path, database) as made:
        yield made


def opened(shop: Project) -> Run:
    """Open the run for the migration, which here waits for nothing."""
    return replace(shop.run(shop.root / "release", "run"), phase="migrate")


def diagnosed(shop: Project) -> Diagnosis:
    with shop.target.connect() as connection:
        found = diagnose_run(opened(shop), connection)
    assert found is not None
    return found


def blocked(shop: Project) -> None:
    """Let the third file fail, and then not."""
    run = opened(shop)
    with shop.target.connect() as connection:
        connection.execute("CREATE VIEW orders AS SELECT 1")
        with pytest.raises(StatementError, match="already exists"):
            apply_step(run, "", NAMES[-1])
        connection.execute("DROP VIEW orders")


def test_several_files_are_applied_in_one_go_each_by_itself(shop: Project) -> None:
    run = opened(shop)
    shown = apply_step(run, NAMES[0], NAMES[-1])
    assert shown.caption.startswith("0001_users to 0004_drop: 4 steps are done, 6 statements")
    assert [(row["step"], row["outcome"]) for row in shown.rows] == [(x, "done") for x in NAMES]
    committed = [line["step"] for line in run.journal.lines() if line["event"] == "committed"]
    assert committed == NAMES
    with shop.target.connect() as connection:
        rows = ledger.read(connection)
        transactions = connection.value("SELECT count(DISTINCT xmin::text) FROM _prisma_migrations")
    assert ([row.name for row in rows], transactions) == (NAMES, len(NAMES))
    records = [run.directory.read(run.step_record(name)) for name in NAMES]
    assert [record and record["statements"] for record in records] == [1, 2, 1, 2]
    assert opened(shop).passed("migrate")
    assert "ran for" in repr(chart_traffic(run))
    assert show_incidents(run).caption.startswith("No wait, retry or pause during ")


def test_their_way_back_knows_what_was_there_and_what_is_theirs(shop: Project) -> None:
    with shop.target.connect() as connection:
        before = snapshot.take_snapshot(connection)
    apply_step(opened(shop), "", NAMES[1])
    with shop.target.connect() as connection:
        connection.execute("CREATE TABLE strange (id int)")
    apply_step(opened(shop), "", NAMES[-1])
    found = diagnosed(shop)
    assert found.before == before
    assert found.strangers == ("column public.strange.id", "table public.strange")
    assert {"view public.named", "column public.notes.title"} <= found.made
    assert found.migrations == tuple(NAMES)


def test_a_file_that_fails_leaves_those_before_it_done_and_the_next_try_goes_on(
    shop: Project,
) -> None:
    blocked(shop)
    run = opened(shop)
    assert [step.name for step in run.pending()] == NAMES[2:]
    failed = run.directory.read(run.step_record(NAMES[2]))
    assert failed is not None
    assert (failed["status"], "already exists" in failed["error"]) == ("failed", True)
    apply_step(run, "", NAMES[-1])
    assert [item.first for item in touched.stretches(run)] == [NAMES[0], NAMES[2]]
    assert diagnosed(shop).migrations == tuple(NAMES)


def test_the_schema_before_a_later_notebook_is_kept_as_what_differs(shop: Project) -> None:
    blocked(shop)
    run = opened(shop)
    with shop.target.connect() as connection:
        now = snapshot.take_snapshot(connection, settings=True)
    apply_step(run, "", NAMES[-1])
    later = run.directory.read(f"{SCHEMA_BEFORE}{run.step_record(NAMES[2])}")
    assert later is not None
    assert "table public.users" in later["objects"]
    assert "table public.notes" not in later["objects"]
    kept = touched.stretches(run)[-1].before
    assert (kept, kept.addresses, kept.settings) == (now, now.addresses, now.settings)


def test_what_came_until_the_next_notebook_is_taken_for_one_that_was_killed(
    shop: Project,
) -> None:
    blocked(shop)
    run = opened(shop)
    (run.directory.path / f"{SCHEMA_TOUCHED}{run.step_record(NAMES[0])}.json").unlink()
    apply_step(run, "", NAMES[-1])
    with shop.target.connect() as connection:
        connection.execute("CREATE TABLE strange (id int)")
    found = diagnosed(shop)
    assert "table public.users" in found.made
    assert found.strangers == ("column public.strange.id", "table public.strange")


@pytest.mark.slow
def test_a_schema_that_is_missing_between_two_is_said(shop: Project) -> None:
    blocked(shop)
    run = opened(shop)
    apply_step(run, "", NAMES[-1])
    (run.directory.path / f"{SCHEMA_BEFORE}{run.step_record(NAMES[0])}.json").unlink()
    with pytest.raises(EvidenceError, match=r"since schema_before_40_migrate_01_0001_users, which"):
        touched.stretches(run)


def test_a_notebook_takes_no_more_files_than_the_policy_says(shop: Project) -> None:
    settings = shop.root / "environments.toml"
    settings.write_text(f"{settings.read_text()}[test.policy.notebooks]\nfiles = 3\n")
    with pytest.raises(
        GateError, match=r"'0004_drop' is 4 steps from here, and a notebook takes 3"
    ):
        apply_step(opened(shop), "", NAMES[-1])
    with pytest.raises(GateError, match=r"no step '0009'"):
        apply_step(opened(shop), "", "0009")
    apply_step(opened(shop), "", NAMES[2])
    assert [step.name for step in opened(shop).pending()] == NAMES[3:]
    assert len(apply_step(opened(shop), NAMES[0]).rows) == 1  # it was done before


@pytest.mark.one_of_each("files")
@pytest.mark.parametrize(("files", "notebooks"), [(21, 1), (20, 20), (250, 2)])
def test_up_to_twenty_files_have_a_notebook_each_and_more_share_them(
    files: int, notebooks: int, database: dict[str, str], tmp_path: Path
) -> None:
    names = [f"{number:04}" for number in range(1, files + 1)]
    release = write_release(tmp_path / "release", dict.fromkeys(names, "SELECT 1;"))
    with project(tmp_path, database) as made:
        planned = migrations(made.run(release, "run"))
    assert len(planned) == notebooks
    assert planned[-1][0].get("until", planned[-1][0]["step"]) == names[-1]
    assert len({name for _, name in planned}) == notebooks
    assert sorted(name for _, name in planned) == [name for _, name in planned]


def test_a_file_sees_what_one_before_it_set_for_the_database_and_nothing_else_of_it(
    database: dict[str, str], connection: Connection, tmp_path: Path
) -> None:
    name = database["dbname"]
    files = {
        "0001_a": f"ALTER DATABASE {name} SET search_path = late; SET timezone = 'Asia/Tokyo'; "
        "CREATE SCHEMA late; CREATE TEMP TABLE scratch (id int);",
        "0002_b": "CREATE TABLE here (zone text DEFAULT current_setting('timezone')); "
        "INSERT INTO here DEFAULT VALUES; CREATE TEMP TABLE scratch (id int);",
    }
    write_release(tmp_path / "release", files)
    with project(tmp_path, database) as shop:
        apply_step(opened(shop), "", "0002_b")
    assert connection.value("SELECT zone FROM late.here") == connection.value("SHOW timezone")


def taken_and_let_go(target: Database) -> None:
    """Take the runner's lock, which a session lets go of as it ends on the server."""
    with target.runner_session() as other:
        ledger.take_runner_lock(other, 10.0)


def test_the_runners_lock_is_kept_from_file_to_file_and_let_go_with_a_failure(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    release = release_of(tmp_path, {"0001_a": "SELECT 1;", "0002_b": "SELECT 1/0;"})
    journal = Journal(tmp_path / "journal.jsonl")
    with HeldRunner() as held, closing(CleanSession(target)) as sessions:
        applier = Applier(target, Policy(), journal.emit, sessions=sessions, held=held)
        applier.migrate(release.migrations[0])
        assert ledger.at_work(connection)
        with pytest.raises(StatementError, match="Division by zero"):
            applier.migrate(release.migrations[1])
        taken_and_let_go(target)
        assert applier.migrate(release.migrations[0]) is Outcome.ALREADY_DONE
        assert ledger.at_work(connection)
    taken_and_let_go(target)
