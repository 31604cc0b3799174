"""Indexes are built beside the application's writes, side by side, and never left invalid."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.evidence.journal import SAID, Event, Journal, to_all
from runbook_lib.migrate.execute import Applier
from runbook_lib.parser.statement import Split
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Database
from tests.support.applying import failed, valid
from tests.support.policies import changed
from tests.support.releases import migration_of
from tests.support.sessions import PATIENCE, beside, events, holding, until, waiting

# An index over this takes as long as the test wants, whatever the machine.
SLOW = """
CREATE FUNCTION slow(c int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.4); RETURN c; END $$;
"""
# An index over this tells what is set in the session that builds it.
TELLING = """
CREATE FUNCTION tell(c int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'Lock % statement % memory % workers % own %', current_setting('lock_timeout'),
current_setting('statement_timeout'), current_setting('maintenance_work_mem'),
current_setting('max_parallel_maintenance_workers'), current_setting('my.own', true); END $$;
CREATE TABLE t (c int); INSERT INTO t VALUES (1);
"""
TABLE = "CREATE TABLE t (c int, d text); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n"


def with_policy(applier: Applier, **parts: Any) -> Applier:
    return replace(applier, policy=changed(applier.policy, **parts))


def spans(journal: Journal) -> dict[str, tuple[datetime, datetime]]:
    """Return when each build began and ended, by its label."""
    found = {}
    for line in events(journal, "ended"):
        assert line["outcome"] == "done"  # not even a deadlock that was tried again
        begin = datetime.fromisoformat(line["started_at"])
        found[line["label"]] = begin, begin + timedelta(seconds=line["seconds"])
    return found


def overlap(first: tuple[datetime, datetime], second: tuple[datetime, datetime]) -> bool:
    return first[0] < second[1] and second[0] < first[1]


@contextmanager
def invalid_index(connection: Connection, table: str = "t") -> Iterator[None]:
    """Leave an invalid index i behind, as a unique build over two equal rows does."""
    connection.execute(f"INSERT INTO {table} (c) VALUES (-1), (-1)")
    with pytest.raises(StatementError, match="23505"):
        connection.execute(f"CREATE UNIQUE INDEX CONCURRENTLY i ON {table} (c)")
    connection.execute(f"DELETE FROM {table} WHERE c = -1")
    assert valid(connection) is False
    yield


# --- lanes --------------------------------------------------------------------------------------


LANES = """CREATE INDEX CONCURRENTLY a1 ON a (slow(c));
CREATE INDEX CONCURRENTLY a2 ON a (slow(c));
CREATE INDEX CONCURRENTLY b1 ON b (slow(c));
"""


@pytest.mark.parametrize("lanes", [1, 2])
def test_tables_are_built_side_by_side_as_the_policy_says_and_a_table_never_twice(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path, lanes: int
) -> None:
    connection.execute(
        f"{SLOW} CREATE TABLE a AS SELECT 1 AS c FROM generate_series(1, 3);"
        "CREATE TABLE b AS SELECT 1 AS c"
    )
    with_policy(applier, indexes={"lanes": lanes}).migrate(migration_of(tmp_path, LANES))
    took = spans(journal)
    a1, a2 = (took[f"create index concurrently {name} on a"] for name in ("a1", "a2"))
    b1 = took["create index concurrently b1 on b"]
    assert not overlap(a1, a2)
    assert (overlap(a1, b1) or overlap(a2, b1)) is (lanes == 2)
    assert all(valid(connection, name) for name in ("a1", "a2", "b1"))


def test_a_lane_rests_between_two_builds_in_proportion_and_not_after_the_last(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(f"{SLOW} CREATE TABLE a AS SELECT 1 AS c; CREATE TABLE b AS SELECT 1 AS c")
    rested = with_policy(applier, indexes={"lanes": 1, "rest": 3})
    begin = datetime.now(UTC)
    rested.migrate(migration_of(tmp_path, LANES))
    lasted = (datetime.now(UTC) - begin).total_seconds()
    ordered = sorted(spans(journal).values())
    assert len(ordered) == 3
    for one, next_one in pairwise(ordered):  # of one table, then of two
        assert (next_one[0] - one[1]) > 2.5 * (one[1] - one[0])
    rests = sum((after[0] - one[1]).total_seconds() for one, after in pairwise(ordered))
    builds = sum((end - start).total_seconds() for start, end in ordered)
    assert lasted - rests - builds < 2.5 * (ordered[-1][1] - ordered[-1][0]).total_seconds()


def test_what_goes_on_is_said_in_a_line_for_each_lane_and_how_long_it_rests(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(
        f"{SLOW} CREATE TABLE a AS SELECT 1 AS c FROM generate_series(1, 6); "
        "CREATE TABLE b AS SELECT 1 AS c FROM generate_series(1, 6)"
    )
    heard: list[str] = []

    def hear(event: Event) -> None:
        if event.name == SAID:
            heard.append(event.content["what"])

    told = replace(applier, emit=to_all(applier.emit, hear))
    rested = with_policy(told, indexes={"lanes": 2, "rest": 1.0})
    rested.migrate(migration_of(tmp_path, LANES))
    both = [lines for what in heard if len(lines := what.split("\n")) == 2]
    assert any({line.partition(":")[0] for line in lines} == {"a1", "b1"} for lines in both)
    assert any(re.search(r"^a: resting \d+ s of \d+$", what, re.M) for what in heard)


def test_after_the_first_error_no_further_build_begins(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(
        f"{SLOW} CREATE TABLE a AS SELECT generate_series(1, 5) AS c; CREATE TABLE b (c int);"
        "CREATE TABLE d (c int); INSERT INTO b VALUES (1), (1)"
    )
    sql = (
        "CREATE INDEX CONCURRENTLY a1 ON a (slow(c));\nCREATE INDEX CONCURRENTLY a2 ON a (c);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY b1 ON b (c);\nCREATE INDEX CONCURRENTLY b2 ON b (c);\n"
        "CREATE INDEX CONCURRENTLY d1 ON d (c);\n"
    )
    error = failed(with_policy(applier, indexes={"lanes": 2}), migration_of(tmp_path, sql))
    assert (error.sqlstate, error.line) == ("23505", 3)
    assert {line["line"] for line in events(journal, "started")} <= {1, 3, 5}
    assert valid(connection, "a1")  # what ran was let end
    assert (valid(connection, "b1"), valid(connection, "a2"), valid(connection, "b2")) == (
        None,
    ) * 3


# --- the session --------------------------------------------------------------------------------


def told(applier: Applier, connection: Connection, tmp_path: Path, before: str = "") -> str:
    """Return what a build says is set in its session."""
    connection.execute(TELLING)
    sql = f"{before}CREATE INDEX CONCURRENTLY i ON public.t (public.tell(c))"
    return failed(applier, migration_of(tmp_path, sql)).message


def test_a_build_has_the_policys_memory_and_workers_and_no_timeouts(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    bounded = with_policy(applier, indexes={"memory": "7MB", "workers": 1})
    assert "Lock 0 statement 0 memory 7MB workers 1 " in told(bounded, connection, tmp_path)
    assert valid(connection) is None


def test_a_build_has_the_servers_memory_and_workers_where_the_policy_says_nothing(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    memory = connection.value("SHOW maintenance_work_mem")
    workers = connection.value("SHOW max_parallel_maintenance_workers")
    silent = with_policy(applier, indexes={"workers": -1})
    assert f"memory {memory} workers {workers} " in told(silent, connection, tmp_path)


def test_what_the_file_set_holds_in_the_build_too(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "SET my.own = 'here'; SET lock_timeout = 900; SET statement_timeout = 900;"
    assert "Lock 0 statement 0 " in (said := told(applier, connection, tmp_path, sql))
    assert "own here" in said


@pytest.mark.parametrize(
    "setting", ["SET search_path = other", "SELECT set_config('search_path', 'other', false)"]
)
def test_a_build_looks_for_its_table_where_the_file_does(
    applier: Applier, connection: Connection, tmp_path: Path, setting: str
) -> None:
    connection.execute(f"{TABLE}; CREATE SCHEMA other; CREATE TABLE other.t (c int)")
    sql = f"{setting}; CREATE INDEX CONCURRENTLY i ON t (c)"
    applier.migrate(migration_of(tmp_path, sql))
    assert (valid(connection, "other.i"), valid(connection, "public.i")) == (True, None)


def test_what_a_transaction_set_and_took_back_is_not_set_in_a_build(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    sql = "BEGIN; SET my.own = 'taken back'; ROLLBACK;"
    assert "taken back" not in told(applier, connection, tmp_path, sql)


def test_a_temporary_table_of_the_file_can_be_indexed(applier: Applier, tmp_path: Path) -> None:
    sql = "CREATE TEMP TABLE x (c int); CREATE INDEX CONCURRENTLY x_c ON x (c)"
    applier.migrate(migration_of(tmp_path, sql))


# --- leftovers ----------------------------------------------------------------------------------


def test_an_invalid_leftover_is_dropped_and_built_again(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLE)
    with invalid_index(connection):
        applier.migrate(migration_of(tmp_path, "CREATE INDEX CONCURRENTLY i ON t (c)"))
    assert valid(connection) is True
    assert [line["index"] for line in events(journal, "leftover")] == ["i"]


@pytest.mark.parametrize("tried", [False, True])
def test_a_leftover_of_that_name_on_another_table_is_not_touched(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path, tried: bool
) -> None:
    connection.execute(f"{TABLE}; CREATE TABLE other (c int)")
    with invalid_index(connection, "other"):
        before = connection.value("SELECT 'i'::regclass::oid")
    migration = migration_of(tmp_path, "CREATE INDEX CONCURRENTLY i ON t (c)")
    if tried:
        failed(applier, migration)
    with pytest.raises(StatementError, match="42P07"):
        applier.migrate(migration, journal.own_rows)
    assert (connection.value("SELECT 'i'::regclass::oid"), valid(connection)) == (before, False)


def test_a_valid_index_of_that_name_on_another_table_is_no_work_of_an_earlier_try(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(f"{TABLE}; CREATE TABLE other (c int); CREATE INDEX i ON other (c)")
    migration = migration_of(tmp_path, "CREATE INDEX CONCURRENTLY i ON t (c)")
    failed(applier, migration)
    with pytest.raises(StatementError, match="42P07"):
        applier.migrate(migration, journal.own_rows)


def test_a_build_that_waits_too_long_is_given_up_and_its_blocker_named(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(f"{TABLE}; CREATE TABLE busy (c int)")
    migration = migration_of(tmp_path, "\nCREATE INDEX CONCURRENTLY i ON t (c)")
    # A snapshot older than the build, in a transaction that never touched the table.
    reading = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM busy"
    with holding(target, reading) as session:
        error = failed(with_policy(applier, indexes={"wait": 1.2}), migration)
        pid = session.pid
    assert (error.sqlstate, error.line) == ("57014", 2)
    (given_up,) = events(journal, "given up")
    (blocker,) = given_up["blockers"]
    assert (blocker["pid"], blocker["application"], blocker["user"]) == (
        pid,
        "shop",
        connection.value("SELECT current_user"),
    )
    assert events(journal, "waiting")
    assert valid(connection) is None


def test_a_build_given_up_for_a_lock_on_its_own_table_ends_in_time_and_is_built_later(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLE)
    migration = migration_of(tmp_path, "\nCREATE INDEX CONCURRENTLY i ON t (c)")
    quick = with_policy(applier, indexes={"wait": 1.2})
    begin = datetime.now()
    with holding(target, "UPDATE t SET c = c WHERE c = 1"):
        error = failed(quick, migration)
    assert datetime.now() - begin < timedelta(seconds=PATIENCE / 2)
    assert (error.sqlstate, error.line) == ("57014", 2)
    quick.migrate(migration, journal.own_rows)
    assert valid(connection) is True


def test_a_build_that_still_runs_on_the_server_is_waited_for(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(TABLE)
    sql = "CREATE INDEX CONCURRENTLY i ON t (c)"
    migration = migration_of(tmp_path, f"SELECT 1; {sql}; SELECT 2")

    def build() -> None:
        with target.connect() as orphan:
            orphan.execute(sql)

    with holding(target, "INSERT INTO t VALUES (0)") as session, beside(build) as orphaned:
        until(lambda: valid(connection) is False)
        with beside(lambda: applier.migrate(migration)) as ours:
            until(lambda: events(journal, "adopted"))
            session.rollback()
            until(lambda: not waiting(connection))
            assert orphaned.exception(PATIENCE) is None
            assert isinstance(ours.exception(PATIENCE), StatementError)  # a first try: 42P07
    assert valid(connection) is True


# --- what a plan turns concurrent ---------------------------------------------------------------


SAME = """CREATE UNIQUE INDEX i ON t USING btree (lower(d) COLLATE "C" DESC, c) INCLUDE (d)
NULLS NOT DISTINCT WITH (fillfactor = 70) WHERE c > 0; CREATE INDEX "odd index" ON t USING hash (d);
ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES r (id) ON DELETE CASCADE -- the end"""


def test_what_a_plan_takes_apart_ends_as_the_plain_file_does(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    setup = f"{TABLE}; CREATE TABLE r (id int PRIMARY KEY); INSERT INTO r SELECT c FROM t"
    found = []
    for split in (Split(), Split((1, 2), (3,))):
        connection.execute(f"DROP TABLE IF EXISTS t, r, _prisma_migrations; {setup}")
        name = f"000{bool(split):d}"
        applier.migrate(migration_of(tmp_path / name, SAME, name), split=split)
        found.append(snapshot.take_snapshot(connection).fingerprint)
    assert found[0] == found[1]
    assert connection.value("SELECT bool_and(convalidated) FROM pg_constraint") is True
