"""What rewrites and builds will need is told beforehand, and about what the server then takes."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from runbook_lib.checks.room import Forecast, forecast
from runbook_lib.evidence.records import Status
from runbook_lib.postgres.connection import Connection, Database
from tests.support.prechecks import checked, identified_on, planned
from tests.support.releases import release_of

NAME = "disk for rewrites and builds"
SETUP = """
CREATE TABLE t (id int, name text, at timestamptz);
INSERT INTO t SELECT n, 'name ' || n, now() + n * interval '1 s' FROM generate_series(1, 20000) n;
CREATE TABLE empty (id int);
CREATE TABLE p (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10000) TO (30000);
INSERT INTO p SELECT id, name FROM t;
ANALYZE t, p;
"""
_SIZE = "SELECT pg_total_relation_size('t')"


def foreseen(connection: Connection, directory: Path, sql: str) -> Forecast:
    release = release_of(directory, {"0001": sql})
    plan = planned(connection, identified_on(connection), release)
    return forecast(connection, release, plan)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON t (id)",
        "CREATE INDEX CONCURRENTLY i ON t (name)",
        "CREATE UNIQUE INDEX i ON t (at, name)",
        "ALTER TABLE t ADD CONSTRAINT i UNIQUE (name, id)",
    ],
)
def test_an_index_takes_about_what_is_foreseen(
    sql: str, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    made = foreseen(connection, tmp_path, sql)
    connection.execute(sql)
    size = connection.value("SELECT pg_relation_size('i')")
    assert size * 0.7 < made.files < size * 1.5
    assert made.total == 3 * made.files


def test_an_index_of_a_partitioned_table_takes_room_for_each_partition(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    made = foreseen(connection, tmp_path, "CREATE INDEX i ON p (name)")
    connection.execute("CREATE INDEX i ON p (name)")
    size = connection.value(
        "SELECT sum(pg_relation_size(inhrelid))::int FROM pg_inherits "
        "WHERE inhparent = 'i'::regclass"
    )
    assert size * 0.7 < made.files < size * 1.5
    assert [item.what for item in made.needs] == ["index of p1", "index of p2"]


def test_a_rewrite_takes_about_what_the_table_has(connection: Connection, tmp_path: Path) -> None:
    connection.execute(SETUP)
    before: int = connection.value(_SIZE)
    sql = "ALTER TABLE t ALTER id TYPE bigint, ADD COLUMN u uuid DEFAULT gen_random_uuid()"
    made = foreseen(connection, tmp_path, sql)
    assert (made.files, len(made.needs)) == (before, 1)
    connection.execute(sql)
    assert connection.value(_SIZE) < 2 * made.files


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON empty (id)",
        "ALTER TABLE t ADD COLUMN n int",
        "ALTER TABLE t ADD CHECK (id > 0)",
        "CREATE TABLE fresh (id int PRIMARY KEY)",
    ],
)
def test_what_makes_no_file_of_a_table_with_rows_needs_nothing(
    sql: str, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    assert foreseen(connection, tmp_path, sql).needs == ()


def test_an_index_of_unknown_width_is_taken_to_be_as_large_as_its_table(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    whole = connection.value(_SIZE)
    for number, what in enumerate(("USING gin (to_tsvector('simple', name))", "(lower(name))")):
        made = foreseen(connection, tmp_path / str(number), f"CREATE INDEX i ON t {what}")
        assert made.files == whole


def test_it_is_held_against_what_is_free(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    release = release_of(tmp_path, {"0001": "CREATE INDEX i ON t (name)"})
    made = forecast(connection, release, planned(connection, identified_on(connection), release))
    for free, status in (
        (made.total, Status.PASS),
        (made.total - 1, Status.WARN),
        (made.files - 1, Status.FAIL),
    ):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert checked(connection, release)[NAME].status is status
    found = checked(connection, release, embedded=False)[NAME]
    assert found.status is Status.NOT_MEASURED
    assert "should be free" in found.remedy


def test_a_table_that_somebody_has_locked_is_not_measured(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    release = release_of(tmp_path, {"0001": "CREATE INDEX i ON t (name)"})
    plan = planned(connection, identified_on(connection), release)
    with target.connect() as other:
        other.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        found = checked(connection, release, plan)[NAME]
    assert found.status is Status.NOT_MEASURED
    assert "lock" in found.observed
