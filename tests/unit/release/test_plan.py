"""A release is ordered by what its files need, and the plan binds everything it says."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import ReleaseError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.plans import read_plan
from runbook_lib.findings import Finding
from runbook_lib.parser import transactions
from runbook_lib.release import plan
from runbook_lib.release.model import Declaration, Release
from runbook_lib.release.plan import Moved, Plan, Step, StepKind, Target
from tests.support.plans import DEFECT, PLAN, TARGET
from tests.support.releases import migration_of, release_of


def require(release: Release, name: str, *others: str) -> Release:
    """Give one migration the ``requires`` of a manifest."""
    return replace(
        release,
        migrations=tuple(
            replace(item, declared=Declaration(requires=others)) if item.name == name else item
            for item in release.migrations
        ),
    )


def refused(release: Release, existing: frozenset[str] = frozenset()) -> Finding:
    """Return the only defect of the order."""
    (finding,) = plan.order(release, existing).defects
    return finding


# --- order --------------------------------------------------------------------------------------


def test_files_that_do_not_need_each_other_stay_as_listed(tmp_path: Path) -> None:
    release = release_of(tmp_path, {name: f"CREATE TABLE {name} ()" for name in "abcd"})
    found = plan.order(release)
    assert (found.names, found.moved) == (("a", "b", "c", "d"), ())


def test_a_file_moves_behind_the_one_that_creates_what_it_needs(tmp_path: Path) -> None:
    release = release_of(
        tmp_path,
        {
            "1": "CREATE TABLE one ()",
            "2": "-- why\nALTER TABLE late\n  ADD COLUMN c int",
            "3": "CREATE TABLE three ()",
            "4": "\nCREATE TABLE late ()",
        },
    )
    found = plan.order(release)
    assert found.names == ("1", "3", "4", "2")
    (moved,) = found.moved
    assert (moved.migration, moved.behind) == ("2", "4")


TABLE, TYPE = "CREATE TABLE t (id int)", "CREATE TYPE t AS ENUM ()"


@pytest.mark.parametrize(
    ("needs", "away", "anew"),
    [
        ("ALTER TABLE t ADD c int", "ALTER TABLE t RENAME TO s", TABLE),
        ("ALTER TABLE t ADD c int", "ALTER TABLE t SET SCHEMA attic", TABLE),
        ("ALTER TABLE t ADD c int", "DROP TABLE t", TABLE),
        ("CREATE TABLE u (t t)", "ALTER TYPE t RENAME TO s", TYPE),
    ],
)
def test_what_is_made_anew_after_it_was_taken_away_moves_nothing(
    tmp_path: Path, needs: str, away: str, anew: str
) -> None:
    release = release_of(tmp_path, {"1": needs, "2": away, "3": anew})
    found = plan.order(release, frozenset({"public.t"}))
    assert (found.names, found.moved, found.defects) == (("1", "2", "3"), (), ())


def test_a_drop_of_what_may_not_be_there_says_nothing_of_it(tmp_path: Path) -> None:
    files = {"1": "ALTER TABLE t ADD c int", "2": "DROP TABLE IF EXISTS t; CREATE TABLE t ()"}
    release = release_of(tmp_path, files)
    assert plan.order(release).names == ("2", "1")
    assert plan.order(release, frozenset({"public.t"})).names == ("1", "2")


def test_the_reason_of_a_move_names_both_places(tmp_path: Path) -> None:
    release = release_of(
        tmp_path, {"1": "\nALTER TABLE\n  late ADD c int", "2": "\n\n\nCREATE TABLE late ()"}
    )
    (moved,) = plan.order(release).moved
    one, two = (item.statements[0].path for item in release.migrations)
    assert f"{one}:3 needs late" in moved.reason
    assert f"created at {two}:4" in moved.reason


def test_a_type_moves_a_file_too(tmp_path: Path) -> None:
    release = release_of(
        tmp_path, {"1": "CREATE TABLE t (r role)", "2": "CREATE TYPE role AS ENUM ('A')"}
    )
    assert plan.order(release).names == ("2", "1")


def test_a_file_of_its_own_table_does_not_wait_for_a_later_one(tmp_path: Path) -> None:
    release = release_of(
        tmp_path,
        {
            "1": "CREATE TABLE t (id int); INSERT INTO t VALUES (1); DROP TABLE t",
            "2": "CREATE TABLE t (id text)",
        },
    )
    assert plan.order(release).moved == ()


def test_the_nearest_earlier_creator_is_what_a_file_needs(tmp_path: Path) -> None:
    release = release_of(
        tmp_path,
        {
            "1": "CREATE TABLE t ()",
            "2": "DROP TABLE t; CREATE TABLE t (id int)",
            "3": "INSERT INTO t VALUES (1)",
        },
    )
    assert plan.order(release).requires["3"] == ("2",)


def test_what_the_manifest_requires_counts(tmp_path: Path) -> None:
    release = release_of(tmp_path, {name: f"CREATE TABLE {name} ()" for name in "ab"})
    found = plan.order(require(release, "a", "b"))
    assert found.names == ("b", "a")
    assert found.moved[0].reason == "the manifest requires it"


def test_requiring_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    release = release_of(tmp_path, {"a": "CREATE TABLE a ()"})
    assert "a requires nowhere" in refused(require(release, "a", "nowhere")).cause


def test_a_cycle_names_both_files_and_lines(tmp_path: Path) -> None:
    release = release_of(
        tmp_path,
        {
            "1": "CREATE TABLE a ();\n\nALTER TABLE b ADD c int",
            "2": "CREATE TABLE b ();\nALTER TABLE a ADD c int",
        },
    )
    message = refused(release).cause
    one, two = (item.statements[0].path for item in release.migrations)
    assert f"{one}:3 needs b" in message
    assert f"{two}:2 needs a" in message


def test_a_file_outside_the_circle_is_not_blamed_for_it(tmp_path: Path) -> None:
    release = release_of(
        tmp_path,
        {
            "0_outside": "ALTER TABLE a ADD c int",
            "1": "CREATE TABLE a (); ALTER TABLE b ADD c int",
            "2": "CREATE TABLE b (); ALTER TABLE a ADD c int",
        },
    )
    assert "0_outside" not in refused(release).cause


def test_every_defect_of_the_order_is_listed_at_once(tmp_path: Path) -> None:
    files = {"1": "UPDATE nowhere SET a = 1; UPDATE neither SET a = 1", "2": "UPDATE no SET a = 1"}
    release = require(release_of(tmp_path, files), "2", "missing")
    found = plan.order(release)
    assert [item.rule for item in found.defects] == [
        *["missing-table"] * 2,
        "manifest",
        "missing-table",
    ]
    assert found.names == ("1", "2")


# --- what nothing creates -----------------------------------------------------------------------


def test_a_table_that_nothing_creates_is_42p01_with_file_and_line(tmp_path: Path) -> None:
    release = release_of(tmp_path, {"1": 'SET a.b = 1;\n\nUPDATE\n  "Nowhere" SET a = 1'})
    error = refused(release)
    assert (error.sqlstate, error.line) == ("42P01", 4)
    assert error.path == release.migrations[0].statements[0].path
    assert '"Nowhere"' in error.cause


def test_a_table_of_the_target_satisfies(tmp_path: Path) -> None:
    release = release_of(tmp_path, {"1": "UPDATE nowhere SET a = 1"})
    assert plan.order(release, frozenset({"public.nowhere"})).defects == ()


def test_a_table_of_another_schema_does_not_satisfy(tmp_path: Path) -> None:
    release = release_of(tmp_path, {"1": "UPDATE nowhere SET a = 1"})
    assert refused(release, frozenset({"other.nowhere"})).sqlstate == "42P01"


@pytest.mark.parametrize(
    "sql",
    [
        "WITH recent AS (VALUES (1)) DELETE FROM t USING recent",
        "DELETE FROM t USING pg_catalog.pg_class",
        "DELETE FROM t USING pg_class",
        "DELETE FROM t USING information_schema.tables AS i",
        "CREATE TEMP TABLE x (); DROP TABLE x",
        "DROP TABLE IF EXISTS nowhere",
        "ALTER TABLE IF EXISTS nowhere ADD c int",
        "ALTER TABLE t ADD c uuid, ADD d timestamptz, ADD e money[]",
        "CREATE VIEW v AS SELECT 1; INSERT INTO t SELECT FROM v",
        "ALTER TABLE t RENAME TO u; INSERT INTO u DEFAULT VALUES",
        "CREATE TABLE s.x (); INSERT INTO s.x DEFAULT VALUES",
    ],
)
def test_what_is_no_unmet_reference(tmp_path: Path, sql: str) -> None:
    assert plan.order(release_of(tmp_path, {"1": f"CREATE TABLE t (); {sql}"})).defects == ()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id serial); ALTER SEQUENCE t_id_seq RESTART 5",
        "CREATE TABLE t (id serial); GRANT USAGE ON SEQUENCE t_id_seq TO PUBLIC",
        "ALTER TABLE IF EXISTS nowhere RENAME TO somewhere",
        "ALTER INDEX i RENAME TO j",
        "ALTER INDEX i SET (fillfactor = 50)",
        "REINDEX INDEX i",
        "ALTER VIEW IF EXISTS v RENAME TO w",
        "ALTER SEQUENCE IF EXISTS q RESTART",
        "COMMENT ON TABLE t IS 'x'",
        "CREATE TABLE t (); TRUNCATE t; LOCK TABLE t; REINDEX TABLE t",
    ],
)
def test_what_the_server_would_take_is_not_refused(tmp_path: Path, sql: str) -> None:
    assert plan.order(release_of(tmp_path, {"1": sql})).defects == ()


@pytest.mark.parametrize(
    "opaque",
    ["DO $$ BEGIN EXECUTE 'CREATE TABLE made ()'; END $$", "SELECT make()", "CALL make()"],
)
def test_behind_what_may_create_anything_nothing_is_known_to_be_unmet(
    tmp_path: Path, opaque: str
) -> None:
    release = release_of(tmp_path, {"1": opaque, "2": "UPDATE made SET a = 1"})
    assert plan.order(release).defects == ()


# --- transactions --------------------------------------------------------------------------------


def test_a_file_is_one_unit(tmp_path: Path) -> None:
    (transaction,) = transactions.transactions_of(
        migration_of(tmp_path, "CREATE TABLE a (); CREATE INDEX ON a ((1))").statements
    )
    assert (len(transaction.statements), transaction.in_block, transaction.opens) == (2, True, None)


def test_a_concurrent_index_is_a_unit_of_its_own_and_so_is_every_statement_beside_it(
    tmp_path: Path,
) -> None:
    sql = "CREATE TABLE a (b int); CREATE INDEX CONCURRENTLY i ON a (b); INSERT INTO a VALUES (1)"
    found = transactions.transactions_of(migration_of(tmp_path, sql).statements)
    assert [(len(transaction.statements), transaction.in_block) for transaction in found] == [
        (1, True),
        (1, False),
        (1, True),
    ]


def test_the_transactions_of_a_file_are_its_units(tmp_path: Path) -> None:
    sql = "BEGIN; SELECT 1; SELECT 2; COMMIT; SELECT 3; BEGIN; SELECT 4; ROLLBACK;"
    first, alone, last = transactions.transactions_of(migration_of(tmp_path, sql).statements)
    assert [item.sql for item in first.statements] == ["SELECT 1", "SELECT 2"]
    assert (alone.opens, [item.sql for item in alone.statements]) == (None, ["SELECT 3"])
    assert (first.rolls_back, last.rolls_back) == (False, True)


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELECT 1;\nBEGIN;\nSELECT 2;", 2),
        ("BEGIN;\nSELECT 1;\nBEGIN;\nCOMMIT;", 3),
        ("SELECT 1;\n\nCOMMIT;", 3),
        ("BEGIN;\nCOMMIT;\nROLLBACK;", 3),
    ],
)
def test_an_unbalanced_transaction_is_refused_with_its_line(
    tmp_path: Path, sql: str, line: int
) -> None:
    migration = migration_of(tmp_path, sql)
    with pytest.raises(ReleaseError) as caught:
        transactions.transactions_of(migration.statements)
    assert caught.value.place == f"{migration.statements[0].path}:{line}"


def test_a_concurrent_index_inside_a_transaction_is_25001_with_its_line(tmp_path: Path) -> None:
    migration = migration_of(tmp_path, "BEGIN;\n\nCREATE INDEX CONCURRENTLY i ON t (c);\nCOMMIT;")
    with pytest.raises(ReleaseError) as caught:
        transactions.transactions_of(migration.statements)
    assert (caught.value.sqlstate, caught.value.line) == ("25001", 3)


# --- what is left standing ----------------------------------------------------------------------


def standing(tmp_path: Path, sql: str) -> set[str]:
    return {f"{item.kind} {item}" for item in plan.standing([migration_of(tmp_path, sql)])}


def test_a_dropped_table_takes_its_columns_and_indexes_along(tmp_path: Path) -> None:
    sql = "CREATE TABLE a (b int); CREATE INDEX i ON a (b); CREATE TABLE c (); DROP TABLE a"
    assert standing(tmp_path, sql) == {"table c"}


def test_a_dropped_column_is_gone_and_its_namesake_of_another_table_is_not(tmp_path: Path) -> None:
    sql = "CREATE TABLE a (x int, y int); CREATE TABLE b (x int); ALTER TABLE a DROP x"
    assert standing(tmp_path, sql) == {"table a", "column a.y", "table b", "column b.x"}


def test_a_dropped_table_is_there_when_it_is_created_again(tmp_path: Path) -> None:
    sql = "CREATE TABLE a (x int); DROP TABLE a; CREATE TABLE a (y int)"
    assert standing(tmp_path, sql) == {"table a", "column a.y"}


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("CREATE TYPE e AS ENUM (); DROP TYPE e", set()),
        ("CREATE TYPE e AS ENUM (); ALTER TYPE e RENAME TO f", {"enum f"}),
        ("CREATE TABLE a (); ALTER TABLE a RENAME TO b", {"table b"}),
        (
            "CREATE TABLE a (x int); ALTER TABLE a RENAME x TO y",
            {"table a", "column a.y"},
        ),
        (
            "CREATE TABLE a (x int); CREATE INDEX i ON a (x); DROP INDEX i",
            {"table a", "column a.x"},
        ),
        ("CREATE VIEW v AS SELECT 1; DROP VIEW v", set()),
        ("CREATE TEMP TABLE t (x int)", set()),
    ],
)
def test_what_is_standing_after_a_drop_or_a_rename(
    tmp_path: Path, sql: str, left: set[str]
) -> None:
    assert standing(tmp_path, sql) == left


# --- the plan -----------------------------------------------------------------------------------


def planned(release: Release, **changed: Any) -> Plan:
    given: dict[str, Any] = {
        "target": TARGET,
        "applied": (),
        "baseline": {},
        "ordered": plan.order(release),
        "fingerprint": "f",
        "demo_rows": False,
        "settings": {},
    }
    return plan.make_plan(release, **{**given, **changed})


def test_what_is_applied_is_no_step_and_what_is_there_is_a_baseline(tmp_path: Path) -> None:
    release = release_of(tmp_path, {name: f"CREATE TABLE {name} ()" for name in "abc"})
    found = planned(release, applied=("a",), baseline={"b": "found equal"})
    assert [(step.name, step.kind) for step in found.steps] == [
        ("b", StepKind.BASELINE),
        ("c", StepKind.APPLY),
    ]
    assert (found.applied, found.steps[0].why) == (("a",), "found equal")


def test_demo_rows_come_right_before_the_migration_that_wants_them(tmp_path: Path) -> None:
    rows = tmp_path / "rows.sql"
    rows.write_text("INSERT INTO a DEFAULT VALUES")
    release = release_of(tmp_path, {name: f"CREATE TABLE {name} ()" for name in "ab"})
    release = replace(release, demo_before="b", demo_files=(rows,))
    assert [step.name for step in planned(release, demo_rows=True).steps] == ["a", "demo_rows", "b"]
    assert [step.name for step in planned(release, demo_rows=False).steps] == ["a", "b"]


CHANGED: dict[str, Any] = {
    "release": "other",
    "release_digest": "d2",
    "release_files": {"a.sql": "2"},
    "target": replace(TARGET, system_identifier="7300000000000000002"),
    "settings": {"policy.locks.timeout": "5.0"},
    "order": ("b", "a"),
    "moved": (Moved("b", "a", "another reason"),),
    "applied": (),
    "steps": (Step("b", StepKind.APPLY, "c2", "pending"),),
    "schema_fingerprint": "f2",
    "defects": (replace(DEFECT, line=2),),
}


@pytest.mark.parametrize("name", [item.name for item in fields(Plan) if item.name != "digest"])
def test_the_digest_changes_with_every_field(name: str) -> None:
    assert plan.digest(replace(PLAN, **{name: CHANGED[name]})) != plan.digest(PLAN)


@pytest.mark.parametrize("name", [item.name for item in fields(Target)])
def test_the_digest_changes_with_every_field_of_the_target(name: str) -> None:
    value: Any = getattr(TARGET, name)
    other: Any = f"{value}x" if isinstance(value, str) else not value
    target = replace(TARGET, **{name: other})
    assert plan.digest(replace(PLAN, target=target)) != plan.digest(PLAN)


def test_the_digest_does_not_depend_on_itself() -> None:
    assert plan.digest(replace(PLAN, digest="x")) == plan.digest(PLAN)


def test_a_plan_comes_back_from_its_record_as_it_was(tmp_path: Path) -> None:
    written = replace(PLAN, digest=plan.digest(PLAN))
    directory = RunDirectory(tmp_path)
    directory.write("plan", written)
    read = read_plan(directory)
    assert read == written
    assert plan.digest(read) == written.digest
