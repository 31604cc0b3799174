"""The whole release, headless, as a person types it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from runbook_lib.config.policies import Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import catalog, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.release import plan
from runbook_lib.release.reader import read_release
from tests.support.projects import REPOSITORY, command, fresh_project, papermill, record, runs, stop

MIGRATIONS = 7


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Hand over a project whose release went through on dev."""
    project = fresh_project(tmp_path_factory.mktemp("finished") / "a project")
    done = papermill("notebooks/run.ipynb", "env=dev", project=project)
    assert done.returncode == 0, done.stderr[-3000:]
    yield project
    stop(project)


@pytest.fixture
def applied_by_the_library(database: dict[str, str], tmp_path: Path) -> str:
    """Apply the release undisturbed in this process; return what schema it comes to."""
    release = read_release(REPOSITORY / "sql")
    target = Database(database)
    applier = Applier(target, Policy(), Journal(tmp_path / "library.jsonl").emit)
    for name in plan.order(release).names:
        applier.migrate(release.migration(name))
    with target.connect() as connection:
        return snapshot.take_snapshot(connection).fingerprint


@contextmanager
def connect(project: Path, dbname: str = "citadelbuy_dev") -> Iterator[Connection]:
    with Sandbox(project) as server, Database(server.conninfo(dbname)).connect() as connection:
        yield connection


def fingerprint(project: Path, dbname: str = "citadelbuy_dev") -> str:
    with connect(project, dbname) as connection:
        return snapshot.take_snapshot(connection).fingerprint


@pytest.mark.account
@pytest.mark.xdist_group("finished")
class TestAFinishedRun:
    def test_brings_every_object_of_the_brief(self, finished: Path) -> None:
        with connect(finished) as connection:
            tables = connection.value(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' "
                "AND tablename <> '_prisma_migrations'"
            )
            indexes = connection.rows(
                "SELECT indisvalid AND indisready AS good FROM pg_index "
                "JOIN pg_class ON oid = indexrelid WHERE relname LIKE 'idx\\_%'"
            )
            keys = connection.rows("SELECT convalidated FROM pg_constraint WHERE contype = 'f'")
        assert tables >= 8 + 40 + 5 + 1 + 4 + 20
        assert len(indexes) >= 30
        assert all(row["good"] for row in indexes)
        assert keys
        assert all(row["convalidated"] for row in keys)

    def test_writes_prismas_ledger(self, finished: Path) -> None:
        release = read_release(finished / "sql")
        with connect(finished) as connection:
            rows = connection.rows("SELECT * FROM _prisma_migrations")
        assert {row["migration_name"]: row["checksum"] for row in rows} == {
            item.name: item.checksum for item in release.migrations
        }
        assert len(rows) == MIGRATIONS
        assert all(row["finished_at"] and row["applied_steps_count"] == 1 for row in rows)

    def test_comes_to_the_schema_that_the_library_gives(
        self, finished: Path, applied_by_the_library: str
    ) -> None:
        assert fingerprint(finished) == applied_by_the_library

    def test_keeps_an_executed_notebook_for_each_phase_and_file(self, finished: Path) -> None:
        (run,) = runs(finished)
        names = {path.stem for path in run.glob("*.ipynb")}
        steps = {name for name in names if name.startswith("40_migrate_")}
        assert len(steps) == MIGRATIONS + 1  # and the demo rows
        phases = {"00_brief", "10_prechecks", "20_backup", "30_rehearsal", "50_index_timing"}
        assert names - steps == phases | {"60_verify", "70_monitor", "80_signoff"}

    def test_leaves_its_sign_off_open_and_says_what_of_it(self, finished: Path) -> None:
        signoff = record(runs(finished)[0], "80_signoff")
        assert (signoff["status"], signoff["left"]) == ("open", "23 criteria, 5 approvals")
        executed = (finished / "out.ipynb").read_text()
        assert "Applied, sign-off open: 23 criteria, 5 approvals; the evidence is in" in executed

    def test_seals_its_evidence(self, finished: Path) -> None:
        (run,) = runs(finished)
        assert command("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=run).returncode == 0
        (run / "60_verify.json").write_text("{}")
        assert command("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=run).returncode != 0

    def test_charts_index_builds_over_rows(self, finished: Path) -> None:
        (run,) = runs(finished)
        indexes = record(run, "50_index_timing")["indexes"]
        assert len(indexes) >= 30
        assert sum(item["rows"] for item in indexes) > 10_000
        cells = json.loads((run / "50_index_timing.ipynb").read_text())["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        assert sum("image/png" in output.get("data", ()) for output in outputs) == 2

    @pytest.mark.slow
    def test_applies_nothing_the_second_time(self, finished: Path) -> None:
        before = fingerprint(finished)
        done = papermill("run.ipynb", "env=dev", project=finished, cwd=finished / "notebooks")
        assert done.returncode == 0, done.stderr[-3000:]
        second = runs(finished)[-1]
        assert not list(second.glob("40_*"))
        # Verification gathers statistics; nothing of the release is sent.
        lines = list(Journal(second / "journal.jsonl").lines())
        assert {line["event"] for line in lines} == {"sending", "sent"}
        assert all(line["sql"].startswith("ANALYZE ") for line in lines)
        assert record(second, "60_verify")["status"] == "passed"
        assert fingerprint(finished) == before

    def test_is_taken_back_to_the_state_of_its_backup(self, finished: Path) -> None:
        first = runs(finished)[0]  # later ones applied nothing, and took no backup
        backup = record(first, "20_backup")["backup"]
        shown = papermill("notebooks/90_rollback.ipynb", "env=dev", project=finished)
        assert shown.returncode == 0, shown.stderr[-3000:]
        wrong = papermill("notebooks/90_rollback.ipynb", "confirm=other", project=finished)
        assert wrong.returncode != 0
        assert fingerprint(finished) != backup["schema_fingerprint"]
        confirmed = "notebooks/90_rollback.ipynb", "confirm=citadelbuy_dev"
        torn = papermill(*confirmed, project=finished)
        assert torn.returncode != 0
        assert "No way back is proven to lose nothing" in torn.stderr  # the demo rows
        refused = papermill(*confirmed, "way=revert", project=finished)
        assert "would lose what was written since: public." in refused.stderr
        assert fingerprint(finished) != backup["schema_fingerprint"]
        done = papermill(*confirmed, "way=restore", project=finished)
        assert done.returncode == 0, done.stderr[-3000:]
        assert fingerprint(finished) == backup["schema_fingerprint"]
        carried = papermill("notebooks/90_rollback.ipynb", "carry_rows=true", project=finished)
        assert carried.returncode == 0, carried.stderr[-3000:]
        assert record(first, "90_carry")["tables"] == []  # nobody wrote into the tables of before
        kept = record(first, "90_rollback")["rollback"]["kept_as"]
        assert fingerprint(finished, kept) != backup["schema_fingerprint"]


@pytest.mark.slow
def test_staging_records_what_production_has_as_baseline(tmp_path: Path) -> None:
    project = fresh_project(tmp_path)
    settings = project / "environments.toml"
    hooks = '\n[staging.application]\nstop = ["touch stopped"]\nstart = ["mv stopped started"]\n'
    settings.write_text(settings.read_text().replace("scale = 1.0", "scale = 0.05") + hooks)
    try:
        done = papermill("notebooks/run.ipynb", "env=staging", project=project)
        assert done.returncode == 0, done.stderr[-3000:]
        (run,) = runs(project, "staging")
        steps = record(run, "plan")["steps"]
        assert [step["kind"] for step in steps] == ["baseline"] * 3 + ["apply"] * 4
        with connect(project, "citadelbuy_staging") as connection:
            adopted = connection.value(
                "SELECT count(*) FROM _prisma_migrations WHERE logs = '' "
                "AND applied_steps_count = 0 AND started_at = finished_at"
            )
        assert adopted == 3
        backup = record(run, "20_backup")["backup"]
        assert backup["rows"]["public.orders"] > 1000
        assert [x["failed"] for x in record(run, "rehearsal")["ways"]] == ["", ""]
        confirm = "confirm=citadelbuy_staging"
        told = "notebooks/90_rollback.ipynb", "env=staging", confirm
        astray = papermill(*told, "way=backwards", project=project)
        assert "'backwards' is no way back" in astray.stderr
        assert not (project / "stopped").exists()  # it was refused before anything was stopped
        back = papermill(*told, project=project)
        assert back.returncode == 0, back.stderr[-3000:]
        assert record(run, "90_rollback")["rollback"]["way"] == "revert"
        assert fingerprint(project, "citadelbuy_staging") == backup["schema_fingerprint"]
        acts = [record(run, f"90_{act}_application")["status"] for act in ("stop", "start")]
        assert acts == ["passed", "passed"]
        assert (project / "started").exists()
    finally:
        stop(project)


@pytest.mark.slow
def test_staging_that_differs_is_not_adopted(tmp_path: Path) -> None:
    project = fresh_project(tmp_path)
    settings = project / "environments.toml"
    settings.write_text(settings.read_text().replace("scale = 1.0", "scale = 0.01"))
    try:
        assert papermill("notebooks/00_brief.ipynb", "env=staging", project=project).returncode == 0
        with connect(project, "citadelbuy_staging") as connection:
            connection.execute("ALTER TABLE orders ALTER COLUMN carrier TYPE varchar(40)")
        done = papermill("notebooks/run.ipynb", "env=staging", project=project)
        assert done.returncode != 0
        assert "column public.orders.carrier is" in done.stderr
    finally:
        stop(project)


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("evn=dev", "The notebook has no parameter 'evn'. Did you mean 'env'?"),
        pytest.param(
            "env=devel",
            "There is no environment 'devel'. Use one of: dev, staging, prod.",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "release=nowhere",
            "There is no release directory 'nowhere'.",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "env=prod",
            "The environment 'prod' names no server. Set RUNBOOK_PROD_URL",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_wrong_parameter_stops_before_anything_is_touched(
    parameter: str, said: str, tmp_path: Path
) -> None:
    project = fresh_project(tmp_path)
    clean = {name: "" for name in os.environ if name.startswith("PG")}
    done = papermill("notebooks/run.ipynb", parameter, project=project, env=clean)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (project / ".runbook").exists()
    assert not (project / "runs").exists()


def prisma_release(directory: Path, **files: str) -> Path:
    for name, sql in files.items():
        (directory / name).mkdir(parents=True)
        (directory / name / "migration.sql").write_text(sql)
    return directory


GOOD = "CREATE TABLE a (id text PRIMARY KEY);\nINSERT INTO a VALUES ('100 %');\n"


SYNTAX = "CREATE TABLE b (id int);\nCREATE TABEL c (id int);\n", 2, "42601"
MISSING_TABLE = "CREATE TABLE b (id int);\n\nALTER TABLE c ADD d int;\n", 3, "42P01"
MISSING_COLUMN = "CREATE TABLE b (id int);\nSELECT\n  nothing\nFROM a;\n", 3, "42703"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "line", "sqlstate"),
    [
        pytest.param(*SYNTAX, id="syntax"),
        pytest.param(*MISSING_TABLE, id="missing-table"),
        pytest.param(*MISSING_COLUMN, id="missing-column"),
    ],
)
def test_a_defect_stops_the_run_with_its_place(
    bad: str, line: int, sqlstate: str, tmp_path: Path
) -> None:
    project = fresh_project(tmp_path)
    files = {"0001_good": GOOD, "0002_bad": bad, "0003_later": "CREATE TABLE e (id int);"}
    release = prisma_release(project / "my release", **files)
    try:
        done = papermill("notebooks/run.ipynb", "env=dev", "release=my release", project=project)
        assert done.returncode != 0
        assert f"my release/0002_bad/migration.sql:{line}: " in done.stderr
        assert f"SQLSTATE {sqlstate}" in done.stderr
        with connect(project, "postgres") as server:
            names = {row["datname"] for row in server.rows("SELECT datname FROM pg_database")}
        if "citadelbuy_dev" in names:
            with connect(project) as connection:
                assert not catalog.relations(connection) & {"public.b", "public.e"}
        # Mended, the same command goes through.
        (release / "0002_bad" / "migration.sql").write_text("CREATE TABLE b (id int);\n")
        again = papermill("notebooks/run.ipynb", "env=dev", "release=my release", project=project)
        assert again.returncode == 0, again.stderr[-3000:]
        with connect(project) as connection:
            assert catalog.relations(connection) >= {"public.a", "public.b", "public.e"}
            assert connection.value("SELECT id FROM a") == "100 %"
    finally:
        stop(project)


@pytest.mark.slow
def test_every_defect_of_a_release_is_reported_in_one_run(tmp_path: Path) -> None:
    project = fresh_project(tmp_path)
    files = {
        "0001_good": GOOD,
        "0002_broken": "CREATE TABEL b (id int);\nALTER TABLE a ADD CHECK (id = 'x');\n",
        "0003_missing": "ALTER TABLE nowhere ADD x int;\nALTER TABLE b ADD y int;\n",
        "0004_drops": "DO $$ BEGIN\n  DROP TABLE old;\nEND $$;\n",
    }
    prisma_release(project / "many", **files)
    try:
        old = "CREATE TABLE old (id int);\nINSERT INTO old VALUES (1);\n"
        first = prisma_release(project / "first", **{"0000_old": old})
        begun = papermill("notebooks/run.ipynb", f"release={first}", project=project)
        assert begun.returncode == 0, begun.stderr[-3000:]
        done = papermill("notebooks/run.ipynb", "release=many", project=project)
        assert done.returncode != 0
        assert "Prechecks stopped" in done.stderr
        assert "Rehearsal stopped" in done.stderr
        (run,) = [path for path in runs(project) if path.name.endswith("_many")]
        verdict = record(run, "rehearsal")
        blocking = [
            (item["path"].split("/")[1], item["line"], item["sqlstate"])
            for item in verdict["findings"]
            if item["severity"] == "error"
        ]
        assert verdict["verdict"] == "failed"
        assert blocking == [
            ("0002_broken", 1, "42601"),
            ("0002_broken", 2, "23514"),
            ("0003_missing", 1, "42P01"),
            ("0003_missing", 2, "42P01"),
            ("0004_drops", 2, ""),
        ]
        with connect(project) as connection:
            assert catalog.relations(connection) == {"public.old", "public._prisma_migrations"}
        refused = papermill("notebooks/40_migrate.ipynb", "release=many", project=project)
        assert refused.returncode != 0
        assert "Migration waits for Prechecks" in refused.stderr
    finally:
        stop(project)


def written(project: Path, record: str) -> int:
    """Return how many runs have a record."""
    return len([run for run in runs(project) if (run / f"{record}.json").is_file()])


def journalled(project: Path, event: str) -> int:
    """Return how often the journals of all runs name an event."""
    texts = [path.read_text() for path in (project / "runs").glob("*/*/journal.jsonl")]
    return sum(text.count(f'"event": "{event}"') for text in texts)


# Each comes once more in the try that is killed at it; together they lie in every phase.
KILLED_AT = (
    partial(written, record="10_prechecks"),
    partial(written, record="20_backup"),
    partial(written, record="rehearsal"),
    partial(journalled, event="started"),
    partial(journalled, event="committed"),
    partial(journalled, event="ended"),
    partial(journalled, event="committing"),
    partial(written, record="60_verify"),
)


def kill_at(project: Path, count: Callable[[Path], int]) -> None:
    """Start a run, and kill it with all its kernels as soon as what is counted comes once more."""
    words = [sys.executable, "-m", "papermill", "notebooks/run.ipynb", "out.ipynb"]
    before = count(project)
    process = subprocess.Popen(
        [*words, "-p", "env", "dev"],
        cwd=project,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while count(project) == before:
            assert process.poll() is None, f"it ended before {count} came"
            time.sleep(0.005)
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_run_that_is_killed_in_each_phase_goes_on_to_the_same_schema(
    tmp_path: Path, applied_by_the_library: str
) -> None:
    project = fresh_project(tmp_path)
    try:
        for count in KILLED_AT:
            kill_at(project, count)
        done = papermill("notebooks/run.ipynb", "env=dev", project=project)
        assert done.returncode == 0, done.stderr[-3000:]
        last = runs(project)[-1]
        assert record(last, "60_verify")["status"] == "passed"
        with connect(project) as connection:
            ledger = connection.rows("SELECT migration_name FROM _prisma_migrations")
        assert len({row["migration_name"] for row in ledger}) == len(ledger) == MIGRATIONS
        assert fingerprint(project) == applied_by_the_library
    finally:
        stop(project)
