"""A password that is a word blots out nothing: the run is read back, and the person is warned."""

import os
from pathlib import Path

import pytest

from runbook_lib import apply_step, check_target, choose_way, rehearse, review_release, take_backup
from runbook_lib.evidence.run import SERVER_BEFORE, Run
from runbook_lib.postgres.connection import Connection
from runbook_lib.redaction import HIDDEN, redact
from tests.support.defects import project
from tests.support.releases import write_release

FILES = {
    "0001_users": "CREATE TABLE users (id int PRIMARY KEY, pass text);",
    "0002_index": "CREATE INDEX CONCURRENTLY organizations_name ON public.organizations (name);",
}
BEFORE = "CREATE TABLE organizations (id int, name text)"
WORDS = ["users", "public", "pass", "passed", "migration", "rehearsal", "organizations", "20"]


@pytest.mark.one_of_each()
@pytest.mark.parametrize("word", WORDS)
def test_the_records_of_a_run_are_read_back(
    word: str,
    database: dict[str, str],
    connection: Connection,
    tmp_path: Path,
    shared_root: Path,
) -> None:
    connection.execute(BEFORE)
    release = write_release(tmp_path / "release", FILES)
    with project(tmp_path, {**database, "password": word}, shared_root) as shop:

        def opened(phase: str) -> Run:
            return shop.run(release, phase)

        review_release(opened("prechecks"))
        check_target(opened("prechecks"))
        take_backup(opened("backup"))
        rehearse(opened("rehearsal"))
        for _ in FILES:
            apply_step(opened("migrate"))
        run = opened("verify")
        choose_way(opened("rollback"), run.target.dbname)
        assert all(run.passed(name) for name in ("prechecks", "backup", "rehearsal", "migrate"))
        assert [line["label"] for line in run.journal.runs()] == [
            "create table users",
            "create index concurrently organizations_name on organizations",
        ]
        assert {"public.organizations"} <= run.backup().rows.keys()  # type: ignore[union-attr]
        checks = run.recorded("prechecks")
        assert checks is not None
        (warning,) = (item for item in checks["checks"] if item["name"] == "secrets")
        assert warning["status"] == "warn"
        assert "the password in RUNBOOK_TEST_URL" in warning["observed"]
        files = (path for path in run.directory.path.rglob("*") if path.is_file())
        # What belongs to the whole server may hold secrets of tests that run beside this one.
        others = f"{SERVER_BEFORE}.json"
        written = [path for path in files if path.suffix != ".ipynb" and path.name != others]
        assert [path.name for path in written if HIDDEN in path.read_text()] == []
        assert redact(f"{os.environ['RUNBOOK_TEST_URL']} said") == "*** said"
