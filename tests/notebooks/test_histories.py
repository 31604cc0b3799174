"""A long history goes through from an empty database, and ends as with psql."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.postgres import process, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.histories import HISTORIES
from tests.support.history import run_files
from tests.support.projects import fresh_project, papermill, record, runs, stop

MOST = 20_000_000 / 820  # bytes of evidence a file, in each of which are ten statements at most
FACTOR, MORE = 5, 240  # times psql's own seconds, and seconds: wide, for others run beside it


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Hand over a project whose dev starts empty and gets no demo rows."""
    made = fresh_project(tmp_path / "project")
    settings = made / "environments.toml"
    text = re.sub(r"(?m)^demo_rows = .*$", "demo_rows = false", settings.read_text())
    settings.write_text(text, encoding="utf-8")
    yield made
    stop(made)


def schema(database: Database) -> str:
    argv = [tools.find_program("pg_dump"), "--schema-only", "--no-owner", "--restrict-key=x"]
    argv += ["--exclude-table=_prisma_migrations", "-d", database.conninfo()]
    return process.run([str(word) for word in argv], timeout=120).stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_ends_as_with_psql_and_nothing_has_to_be_accepted(
    name: str, project: Path
) -> None:
    files = HISTORIES[name].write_to(project / "history")
    with Sandbox(project) as server:
        own = Database(server.conninfo("by_psql"))
        own.create(own.dbname)
        begin = time.perf_counter()
        run_files(own, files)
        psql = time.perf_counter() - begin
        begin = time.perf_counter()
        done = papermill("notebooks/run.ipynb", "env=dev", "release=history", project=project)
        took = time.perf_counter() - begin
        assert done.returncode == 0, done.stderr[-3000:]
        assert schema(own.on("citadelbuy_dev")) == schema(own)
    (run,) = runs(project)
    verified, reviewed = record(run, "60_verify"), record(run, "10_review")
    assert {item["status"] for item in verified["checks"]} == {"pass"}
    assert not [item for item in reviewed["findings"] if item["severity"] == "error"]
    assert not (run / "acceptances.toml").exists()
    assert len(list(run.glob("40_migrate_*.ipynb"))) == -(-len(files) // 200)
    assert sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) < MOST * len(files)
    assert took < FACTOR * psql + MORE, f"{took:.0f} s, and psql took {psql:.0f} s"
