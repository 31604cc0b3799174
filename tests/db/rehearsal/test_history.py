"""A long history with the habits of real ones rehearses to the schema that psql gives."""

from pathlib import Path

import pytest

from runbook_lib.postgres import catalog, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.reader import read_release
from tests.support.defects import project
from tests.support.history import FILES, STATEMENTS, run_files, write_history


@pytest.mark.slow
def test_a_history_rehearses_to_the_schema_that_psql_gives(
    database: dict[str, str],
    target: Database,
    connection: Connection,
    tmp_path: Path,
    shared_root: Path,
) -> None:
    files = write_history(tmp_path / "history")
    release = read_release(tmp_path / "history")
    assert release.defects == ()
    assert [item.path for item in release.migrations] == list(files)
    assert len(files) == FILES
    assert sum(len(item.statements) for item in release.migrations) > 0.9 * FILES * STATEMENTS
    with project(tmp_path, database, shared_root) as shop:
        verdict = shop.review(tmp_path / "history")
    failed = [item for item in verdict["findings"] if item["severity"] == "error"]
    assert failed == []
    assert catalog.relations(connection) == frozenset()
    run_files(target, files)
    assert verdict["fingerprint_after"] == snapshot.take_snapshot(connection).fingerprint


@pytest.mark.parametrize("missing", ["table", "column"])
@pytest.mark.one_of_each()
def test_forty_of_eighty_statements_that_fail_are_forty_findings(
    missing: str,
    database: dict[str, str],
    connection: Connection,
    tmp_path: Path,
    shared_root: Path,
) -> None:
    connection.execute("CREATE TABLE shop (id int PRIMARY KEY, name text)")
    bad = {"table": "ALTER TABLE nowhere_{0} ADD COLUMN a int;", "column": _COLUMN}[missing]
    lines = [
        text.format(number)
        for number in range(40)
        for text in (bad, "CREATE TABLE good_{0} (id int PRIMARY KEY);")
    ]
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "001_mixed.sql").write_text("\n".join(lines), encoding="utf-8")
    with project(tmp_path, database, shared_root) as shop:
        found = shop.review(tmp_path / "release")["findings"]
    assert [item["line"] for item in found] == list(range(1, 80, 2))
    assert {item["sqlstate"] for item in found} == {"42P01" if missing == "table" else "42703"}


_COLUMN = "CREATE VIEW shop_{0} AS SELECT nothing_{0} FROM shop;"
