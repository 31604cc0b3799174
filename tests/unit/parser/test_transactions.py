"""A plan takes out of a file what would hold locks for long, and nothing whose meaning changes."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.plans import read_plan
from runbook_lib.parser import transactions
from runbook_lib.parser.statement import Split
from runbook_lib.release import plan
from runbook_lib.release.model import Migration
from runbook_lib.release.plan import Plan
from tests.support.plans import PLAN
from tests.support.releases import migration_of

BUSY = frozenset({"public.t"})
INDEX = "CREATE INDEX i ON t (c)"
KEY = "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES r (id)"


def chosen(
    tmp_path: Path,
    sql: str,
    busy: frozenset[str] = BUSY,
    partitioned: frozenset[str] = frozenset(),
    *,
    concurrent: bool = True,
    apart: bool = True,
) -> Split:
    migration = migration_of(tmp_path, sql)
    return transactions.choose_split(
        migration.statements, busy, partitioned, concurrent=concurrent, apart=apart
    )


def shapes(migration: Migration, split: Split) -> list[tuple[list[int], bool, bool]]:
    """Return the numbers of each one's statements, whether it is a block, or builds."""
    return [
        ([item.number for item in transaction.statements], transaction.in_block, transaction.builds)
        for transaction in transactions.transactions_of(migration.statements, split)
    ]


# --- what is chosen -----------------------------------------------------------------------------


def test_an_index_on_a_table_with_rows_is_built_concurrently(tmp_path: Path) -> None:
    sql = f"CREATE TABLE new (c int); {INDEX}; CREATE INDEX j ON new (c); CREATE INDEX k ON t (c)"
    assert chosen(tmp_path, sql) == Split(concurrent=(2, 4))


def test_a_table_of_another_schema_is_another_table(tmp_path: Path) -> None:
    sql = "SET search_path = other; CREATE INDEX i ON t (c); CREATE INDEX j ON public.t (c)"
    assert chosen(tmp_path, sql) == Split(concurrent=(3,))


def test_a_foreign_key_is_taken_apart_where_its_table_or_its_target_has_rows(
    tmp_path: Path,
) -> None:
    sql = (
        "ALTER TABLE a ADD CONSTRAINT k1 FOREIGN KEY (c) REFERENCES t (id);"
        "ALTER TABLE a ADD CONSTRAINT k2 FOREIGN KEY (c) REFERENCES b (id);"
        "ALTER TABLE t ADD CONSTRAINT k3 FOREIGN KEY (c) REFERENCES b (id)"
    )
    assert chosen(tmp_path, sql) == Split(apart=(1, 3))


@pytest.mark.parametrize(
    ("concurrent", "apart", "split"),
    [
        (True, True, Split((1,), (2,))),
        (True, False, Split((1,), ())),
        (False, True, Split((), (2,))),
        (False, False, Split()),
    ],
)
def test_the_policy_decides_what_is_taken_out(
    tmp_path: Path, concurrent: bool, apart: bool, split: Split
) -> None:
    assert chosen(tmp_path, f"{INDEX}; {KEY}", concurrent=concurrent, apart=apart) == split


def test_a_table_without_rows_splits_nothing(tmp_path: Path) -> None:
    assert not chosen(tmp_path, f"{INDEX}; {KEY}", busy=frozenset())


@pytest.mark.parametrize(
    "bound",
    [
        "SET LOCAL lock_timeout = 1",
        "LOCK TABLE t IN SHARE MODE",
        "SAVEPOINT s; RELEASE s",
        "CREATE TEMP TABLE x (c int) ON COMMIT DROP",
        "CREATE TEMP TABLE x (c int) ON COMMIT DELETE ROWS",
        "CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1 AS c",
        "SELECT set_config('a.b', 'c', true)",
        "SELECT pg_catalog.set_config('a.b', 'c', true)",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SET CONSTRAINTS ALL DEFERRED",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "DECLARE cur CURSOR FOR SELECT 1",
        "DO $$ BEGIN SET LOCAL lock_timeout = 1; END $$",
        "DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$",
    ],
)
def test_a_file_whose_statements_hold_for_its_transaction_is_left_alone(
    tmp_path: Path, bound: str
) -> None:
    assert not chosen(tmp_path, f"{bound}; {INDEX}; {KEY}")


@pytest.mark.parametrize(
    "free",
    [
        "SET lock_timeout = 1",
        "SET search_path = public",
        "CREATE TEMP TABLE x (c int)",
        "CREATE TEMP TABLE x (c int) ON COMMIT PRESERVE ROWS",
        "INSERT INTO r VALUES (1)",
    ],
)
def test_what_outlives_its_transaction_does_not_keep_a_file_whole(
    tmp_path: Path, free: str
) -> None:
    assert chosen(tmp_path, f"{free}; {INDEX}; {KEY}") == Split((2,), (3,))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX ON t (c)",
        "CREATE INDEX i ON ONLY t (c)",
        "CREATE INDEX CONCURRENTLY i ON t (c)",
        f"BEGIN; {INDEX}; COMMIT",
        f"{INDEX}; BEGIN; SELECT 1",
    ],
)
def test_an_index_that_is_left_as_it_is(tmp_path: Path, sql: str) -> None:
    assert not chosen(tmp_path, sql)


def test_beside_the_files_own_transaction_a_free_index_is_taken_out(tmp_path: Path) -> None:
    assert chosen(tmp_path, f"BEGIN; SELECT 1; COMMIT; {INDEX}; {KEY}") == Split((4,), ())


@pytest.mark.parametrize(
    "key",
    [
        "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES r (id)",
        f"{KEY} NOT VALID",
        f"{KEY}, ADD d int",
        "ALTER TABLE t ADD COLUMN d int CONSTRAINT k REFERENCES r (id)",
        "ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0)",
        "ALTER TABLE IF EXISTS gone ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES t (id)",
        f"{KEY}; SELECT 1",
        f"{KEY}; {INDEX}",
    ],
)
def test_a_foreign_key_that_stays_in_its_transaction(tmp_path: Path, key: str) -> None:
    assert chosen(tmp_path, key).apart == ()


def test_only_the_foreign_keys_behind_everything_else_are_taken_apart(tmp_path: Path) -> None:
    last = KEY.replace(" k ", " l ")
    assert chosen(tmp_path, f"{KEY}; UPDATE t SET c = 1; {last}") == Split(apart=(3,))


def test_a_foreign_key_of_a_partitioned_table_stays(tmp_path: Path) -> None:
    assert not chosen(tmp_path / "old", KEY, partitioned=BUSY)
    new = (
        "CREATE TABLE p (c int) PARTITION BY RANGE (c);"
        "ALTER TABLE p ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES t (id)"
    )
    assert not chosen(tmp_path / "new", new)


# --- the order ----------------------------------------------------------------------------------


def test_the_units_of_a_split_file_are_in_order_and_its_foreign_keys_last(tmp_path: Path) -> None:
    other = KEY.replace(" k ", " l ").replace("TABLE t", "TABLE u")
    sql = f"SELECT 1; {INDEX}; CREATE INDEX j ON t (d); SELECT 2; {KEY}; {other}"
    migration = migration_of(tmp_path, sql)
    assert shapes(migration, Split((2, 3), (5,))) == [
        ([1], True, False),
        ([2, 3], False, True),
        ([4, 6], True, False),
        ([5], True, False),
        ([5], True, False),
    ]


def test_a_build_at_either_end_makes_no_empty_unit(tmp_path: Path) -> None:
    migration = migration_of(tmp_path, f"{INDEX}; SELECT 1; CREATE INDEX j ON t (d)")
    assert shapes(migration, Split((1, 3))) == [
        ([1], False, True),
        ([2], True, False),
        ([3], False, True),
    ]


def test_builds_that_the_file_and_the_plan_ask_for_are_one_unit(tmp_path: Path) -> None:
    sql = f"SELECT 1; CREATE INDEX CONCURRENTLY a ON t (c); {INDEX}; BEGIN; SELECT 2; COMMIT"
    assert shapes(migration_of(tmp_path, sql), Split((3,))) == [
        ([1], True, False),
        ([2, 3], False, True),
        ([5], True, False),
    ]


def test_as_planned_are_the_statements_in_the_order_they_run(tmp_path: Path) -> None:
    migration = migration_of(tmp_path, f"{KEY};\n{INDEX};\n{KEY.replace(' k ', ' l ')}")
    assert transactions.as_planned(migration.statements, Split()) == migration.statements
    planned = transactions.as_planned(migration.statements, Split((2,), (3,)))
    assert [(item.number, item.line) for item in planned] == [(1, 1), (2, 2), (3, 3), (3, 3)]
    assert [item.label for item in planned[1:]] == [
        "create index concurrently i on t",
        "alter table t: add foreign key to r, not valid",
        "alter table t: validate l",
    ]


def test_the_plan_is_bound_to_its_splits_and_comes_back_with_them(tmp_path: Path) -> None:
    def with_split(split: Split) -> Plan:
        steps = (replace(PLAN.steps[0], split=split),)
        changed = replace(PLAN, steps=steps, digest="")
        return replace(changed, digest=plan.digest(changed))

    variants = [Split(), Split((1,)), Split((2,)), Split((), (1,)), Split((1,), (2,))]
    plans = [with_split(split) for split in variants]
    assert len({item.digest for item in plans}) == len(variants)
    directory = RunDirectory(tmp_path)
    directory.write("plan", plans[-1])
    assert read_plan(directory) == plans[-1]
    assert read_plan(directory).splits == {"b": Split((1,), (2,))}
