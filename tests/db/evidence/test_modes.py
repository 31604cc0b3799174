"""What a run writes is for nobody else, whatever the umask: it may hold statements and rows."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import apply_step, check_target, rehearse, review_release, take_backup
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.embedded import stop
from tests.support.defects import project
from tests.support.releases import write_release


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(root: Path) -> Iterator[str]:
    """Yield the files that somebody else may read or write, but for the schemas of records."""
    for part in ("runs", "backups", ".runbook"):
        for path in (root / part).rglob("*"):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & 0o066 and path.parent.name != "schemas":
                yield f"{path.relative_to(root)} {mode & 0o777:o}"


@pytest.mark.usefixtures("no_umask")
def test_what_a_run_writes_is_for_nobody_else(
    database: dict[str, str], connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)")
    files = {"0001_notes": "ALTER TABLE notes ADD body text;", "0002_no": "SELECT 1/0;"}
    release = write_release(tmp_path / "release", files)
    with project(tmp_path, database) as shop:
        try:
            run = shop.run(release, "prechecks")
            review_release(run)
            check_target(run)
            take_backup(shop.run(release, "backup"))
            rehearse(shop.run(release, "rehearsal"))
            apply_step(replace(run, phase="migrate"))
            run.directory.seal()
            notebook = run.directory.path / "10_prechecks.ipynb"
            notebook.write_text("{}")
            run.directory.scrub(notebook)
            assert list(open_to_others(tmp_path)) == []
            assert stat.S_IMODE(run.directory.path.stat().st_mode) == 0o700
        finally:
            stop(tmp_path)
