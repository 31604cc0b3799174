"""A unique build says which rows are in its way; a partitioned table is built part by part."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.parser.statement import Split
from runbook_lib.postgres.connection import Connection, Database
from tests.support.applying import failed, valid
from tests.support.policies import changed
from tests.support.releases import migration_of
from tests.support.sessions import PATIENCE, Writer, beside, events, holding, until

# --- duplicates ---------------------------------------------------------------------------------


def in_the_way(
    applier: Applier, connection: Connection, tmp_path: Path, index: str, rows: str
) -> str:
    """Return what is said of the rows that a unique index on t (c, d) meets."""
    connection.execute(f"CREATE TABLE t (c text, d int); INSERT INTO t VALUES {rows}")
    sql = f"SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY i ON t {index}"
    error = failed(applier, migration_of(tmp_path, sql))
    assert (error.sqlstate, error.line) == ("23505", 2)
    assert valid(connection) is None  # dropped
    return error.message.partition("Duplicates of ")[2]


@pytest.mark.parametrize(
    ("index", "rows", "said"),
    [
        ("(c)", "('a', 1), ('a', 2), ('b', 3)", "(c): (a) in 2 rows."),
        (
            "(c, d)",
            "('a', 1), ('a', 1), ('b', 1), ('b', 1), ('b', 1)",
            "(c, d): (b, 1) in 3 rows; (a, 1) in 2 rows.",
        ),
        ("(lower(c))", "('A', 1), ('a', 2), ('B', 3)", "(lower(c)): (a) in 2 rows."),
        ("(c) WHERE d > 1", "('a', 1), ('a', 1), ('b', 2), ('b', 3)", "(c): (b) in 2 rows."),
        ("(c)", "(NULL, 1), (NULL, 1), (NULL, 1), ('a', 1), ('a', 1)", "(c): (a) in 2 rows."),
        ("(c) INCLUDE (d)", "('a', 1), ('a', 2)", "(c): (a) in 2 rows."),
    ],
)
def test_the_rows_in_the_way_are_named_with_their_number(
    applier: Applier, connection: Connection, tmp_path: Path, index: str, rows: str, said: str
) -> None:
    assert in_the_way(applier, connection, tmp_path, index, rows) == said


def test_a_null_is_in_the_way_where_nulls_are_not_distinct(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    index, rows = "(c, d) NULLS NOT DISTINCT", "(NULL, 1), (NULL, 1), (NULL, 2)"
    said = in_the_way(applier, connection, tmp_path, index, rows)
    assert said == "(c, d): (NULL, 1) in 2 rows."


def test_of_many_keys_the_most_frequent_are_shown_and_the_others_counted(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    rows = ", ".join(f"('k{n}', 1)" for n in range(1, 24) for _ in range(n + 1))
    said = in_the_way(applier, connection, tmp_path, "(c)", rows)
    assert said.startswith("(c): (k23) in 24 rows; (k22) in 23 rows; ")
    shown, _, rest = said.partition("; and 3 more keys: SELECT c, count(*) FROM ")
    assert shown.endswith("; (k4) in 5 rows")
    assert rest


# --- partitions ---------------------------------------------------------------------------------


PARTED = """CREATE TABLE p (c int NOT NULL, d int) PARTITION BY RANGE (c);
CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (100);
CREATE TABLE p_high PARTITION OF p FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (c);
CREATE TABLE p_high_a PARTITION OF p_high FOR VALUES FROM (100) TO (150);
CREATE TABLE p_high_b PARTITION OF p_high FOR VALUES FROM (150) TO (200);
INSERT INTO p SELECT n, n FROM generate_series(0, 199) AS n;
"""
PARTS = ("p_low", "p_high", "p_high_a", "p_high_b")
FILE = "SELECT 1;\nCREATE INDEX i ON p (d);\nSELECT 2"
SPLIT = Split(concurrent=(2,))


def built(column: str) -> set[str]:
    """Return the indexes by the names that one CREATE INDEX gives them."""
    return {"i", *(f"{part}_{column}_idx" for part in PARTS)}


def states(connection: Connection) -> dict[str, bool]:
    """Return the indexes of the partitioned table and its parts, and whether each is valid."""
    rows = connection.rows(
        "SELECT i.relname AS name, x.indisvalid AS valid FROM pg_index x"
        " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
        " WHERE t.relname ~ '^p(_|$)'"
    )
    return {row["name"]: row["valid"] for row in rows}


def tree(connection: Connection, index: str = "i") -> set[str]:
    """Return an index and all that are attached under it."""
    rows = connection.rows(
        "SELECT relid::text AS name FROM pg_partition_tree(%(index)s::text::regclass)",
        {"index": index},
    )
    return {row["name"] for row in rows}


def spoken(journal: Journal) -> list[dict[str, Any]]:
    """Return every end of a statement, the parts of one statement among them."""
    return events(journal, "ended")


def test_an_index_of_a_partitioned_table_is_built_on_each_part_and_attached(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(PARTED)
    applier.migrate(migration_of(tmp_path, FILE), split=SPLIT)
    assert states(connection) == dict.fromkeys(built("d"), True)
    assert tree(connection) == built("d")
    connection.execute("DROP INDEX i; CREATE INDEX i ON p (d)")
    assert tree(connection) == built("d")
    concurrent = {str(run["label"]) for run in spoken(journal) if "concurrently" in run["label"]}
    assert concurrent == {
        f"create index concurrently {table}_{index} on {table}"
        for table, index in (("p_low", "i"), ("p_high_a", "p_high_i"), ("p_high_b", "p_high_i"))
    }


def test_writes_go_on_while_the_parts_are_built(
    applier: Applier, connection: Connection, target: Database, tmp_path: Path
) -> None:
    connection.execute(
        PARTED + "CREATE FUNCTION slow(c int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.01); RETURN c; END $$"
    )
    migration = migration_of(tmp_path, "SELECT 1; CREATE INDEX i ON p (slow(d)); SELECT 2")
    with Writer(target, "UPDATE p SET d = d WHERE c = 7") as writer:
        applier.migrate(migration, split=SPLIT)
    assert states(connection)["i"]
    assert writer.longest < applier.policy.locks.timeout + 0.5


def test_a_build_on_parts_goes_on_where_it_stopped(
    applier: Applier, connection: Connection, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(f"{PARTED} UPDATE p SET d = 0 WHERE c = 50")
    # 100 / d fails in p_low alone, which comes behind p_high.
    migration = migration_of(tmp_path, "CREATE INDEX i ON p ((100 / d)); SELECT 2")
    split = Split(concurrent=(1,))
    with pytest.raises(StatementError, match="22012"):
        applier.migrate(migration, split=split)
    before = states(connection)
    parts = {"p_high_i", "p_high_a_expr_idx", "p_high_b_expr_idx"}
    assert before == {"i": False, **dict.fromkeys(parts, True)}
    indexes = (
        "SELECT indexrelid FROM pg_index WHERE indrelid::regclass::text ~ '^p_high' ORDER BY 1"
    )
    oids = connection.rows(indexes)
    connection.execute("UPDATE p SET d = 1 WHERE d = 0")
    applier.migrate(migration, journal.own_rows, split)
    assert states(connection) == dict.fromkeys(built("expr"), True)
    assert connection.rows(indexes) == oids  # what was done was not done again


def test_a_unique_index_on_the_partition_key_is_built_and_holds(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(PARTED)
    migration = migration_of(tmp_path, "CREATE UNIQUE INDEX i ON p (c); SELECT 2")
    applier.migrate(migration, split=Split((1,)))
    assert states(connection) == dict.fromkeys(built("c"), True)
    with pytest.raises(StatementError, match="23505"):
        connection.execute("INSERT INTO p VALUES (7, 7)")


def test_a_part_that_holds_duplicates_is_named_and_no_part_stays_invalid(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(f"{PARTED} INSERT INTO p VALUES (160, 1)")
    migration = migration_of(tmp_path, "CREATE UNIQUE INDEX i ON p (c); SELECT 2")
    with pytest.raises(StatementError) as caught:
        applier.migrate(migration, split=Split((1,)))
    assert (caught.value.sqlstate, caught.value.line) == ("23505", 1)
    assert "(160) in 2 rows" in caught.value.message
    assert {name for name, good in states(connection).items() if not good} <= {"i", "p_high_i"}


def test_an_index_of_that_name_on_a_first_try_is_an_error_on_parts_too(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(f"{PARTED} CREATE INDEX i ON p (c)")
    before = states(connection)
    with pytest.raises(StatementError, match="42P07"):
        applier.migrate(migration_of(tmp_path, FILE), split=SPLIT)
    assert states(connection) == before


def test_an_index_that_is_there_is_passed_over_where_the_file_allows_it(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(f"{PARTED} CREATE INDEX i ON p (d)")
    before = states(connection)
    sql = FILE.replace("INDEX i", "INDEX IF NOT EXISTS i")
    applier.migrate(migration_of(tmp_path, sql), split=SPLIT)
    assert states(connection) == before


def test_a_part_that_has_no_parts_yet_is_no_hindrance(
    applier: Applier, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(
        f"{PARTED} CREATE TABLE p_new PARTITION OF p FOR VALUES FROM (200) TO (300)"
        " PARTITION BY RANGE (c)"
    )
    applier.migrate(migration_of(tmp_path, FILE), split=SPLIT)
    assert states(connection) == dict.fromkeys({*built("d"), "p_new_d_idx"}, True)


def test_the_short_lock_on_the_parent_is_bounded_and_tried_again(
    applier: Applier, connection: Connection, target: Database, journal: Journal, tmp_path: Path
) -> None:
    connection.execute(PARTED)
    migration = migration_of(tmp_path, FILE)
    patient = replace(applier, policy=changed(applier.policy, locks={"tries": 100}))

    def act() -> object:
        return patient.migrate(migration, split=SPLIT)

    with holding(target, "LOCK TABLE ONLY p IN ROW EXCLUSIVE MODE") as other, beside(act) as ours:
        until(lambda: events(journal, "retried"))
        other.rollback()
        assert ours.exception(PATIENCE) is None
    assert states(connection) == dict.fromkeys(built("d"), True)
