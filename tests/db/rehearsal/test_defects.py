"""Every defect of a release is reported in one run, and the target is left alone."""

from pathlib import Path

import pytest

from runbook_lib.postgres.connection import Connection, Database
from tests.support.defects import RELEASES, line_of, prepare, project
from tests.support.snapshots import state

FOLDERS = sorted(path.parent for path in RELEASES.glob("*/expected.txt"))
# Found by reading, by the ledger, by the server while it applies, and by the rows it has.
QUICK = {"many-at-once", "edited-after-applied", "missing-table", "unique-over-duplicates"}


def test_there_are_many_kinds_of_defects() -> None:
    assert len(FOLDERS) >= 25
    assert {path.name for path in RELEASES.iterdir()} == {path.name for path in FOLDERS}


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, marks=() if folder.name in QUICK else pytest.mark.slow, id=folder.name)
        for folder in FOLDERS
    ],
)
def test_every_defect_is_reported_at_once(
    folder: Path,
    database: dict[str, str],
    target: Database,
    connection: Connection,
    tmp_path: Path,
    shared_root: Path,
) -> None:
    prepare(folder, target, connection, tmp_path / "before.jsonl")
    before = state(connection)
    with project(tmp_path, database, shared_root) as shop:
        verdict = shop.review(folder / "release")
    found = verdict["findings"]
    assert [line_of(item) for item in found] == _expected(folder)
    assert all(item["cause"] and item["effect"] and item["remedy"] for item in found)
    blocks = any(item["severity"] == "error" for item in found)
    assert verdict["verdict"] == ("failed" if blocks else "passed")
    assert verdict["taken_back"] is True
    assert state(connection) == before


def _expected(folder: Path) -> list[str]:
    text = (folder / "expected.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
