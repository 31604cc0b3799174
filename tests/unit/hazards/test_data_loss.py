"""A release only adds, or what it takes away is listed."""

from pathlib import Path

import pytest

from runbook_lib.findings import Finding
from runbook_lib.hazards.data_loss import find_losses
from runbook_lib.hazards.rules import Facts, TableFacts
from runbook_lib.release.model import Acceptance
from runbook_lib.release.reader import read_release
from tests.support.releases import release_of

OLD = {f"public.{name}": TableFacts(1234, 8192, {"id": "integer"}) for name in ("a", "b")}
OLD |= {
    "public.m": TableFacts(5, 8192, {"feels": "mood[]"}),
    "public.none": TableFacts(0, 8192, {"id": "integer"}),
}
PURGE = "CREATE FUNCTION public.purge() RETURNS void LANGUAGE sql AS $$ DELETE FROM a $$"
FACTS = Facts(17, OLD, {"public.purge": PURGE})
RENAMED = "DO $$ BEGIN EXECUTE format('ALTER TABLE a RENAME {}', f()); END $$;"


def losses(directory: Path, *files: str, accepts: tuple[Acceptance, ...] = ()) -> list[Finding]:
    named = {f"000{number}": sql for number, sql in enumerate(files, start=1)}
    return list(find_losses(release_of(directory, named).migrations, FACTS, accepts))


@pytest.mark.parametrize(
    ("sql", "rule", "blocks"),
    [
        ("DROP TABLE a", "drops-table", True),
        ("DROP SCHEMA public CASCADE", "drops-table", True),
        ("DROP OWNED BY r", "drops-table", True),
        ("ALTER TABLE a DROP COLUMN id", "drops-column", True),
        ("DROP VIEW v", "drops-object", False),
        ("DROP FUNCTION f(int)", "drops-object", False),
        ("DROP TYPE t", "drops-object", False),
        ("DROP EXTENSION e", "drops-object", False),
        ("TRUNCATE a", "deletes-rows", True),
        ("DELETE FROM a", "deletes-rows", True),
        ("WITH x AS (DELETE FROM a RETURNING id) SELECT * FROM x", "deletes-rows", True),
        ("EXPLAIN ANALYZE DELETE FROM a", "deletes-rows", True),
        ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", "deletes-rows", True),
        ("UPDATE a SET id = 1", "changes-rows", False),
        (
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2",
            "changes-rows",
            False,
        ),
        ("DO $$ BEGIN DROP TABLE a; END $$", "drops-table", True),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$", "drops-table", True),
        ("CREATE SCHEMA s; ALTER TABLE a SET SCHEMA s; DROP SCHEMA s CASCADE", "drops-table", True),
        ("DROP TABLE app.a", "drops-table", True),
        (f"{RENAMED.format('TO %I')} DROP TABLE c", "drops-table", True),
        (f"{RENAMED.format('id TO %I')} ALTER TABLE a DROP c", "drops-column", True),
        ("DO $$ DECLARE n text; BEGIN EXECUTE n; END $$", "dynamic-sql", False),
        ("SELECT purge()", "deletes-rows", True),
        ("DO $$ BEGIN PERFORM purge(); END $$", "deletes-rows", True),
    ],
)
def test_what_takes_something_away_is_listed(
    tmp_path: Path, sql: str, rule: str, blocks: bool
) -> None:
    (finding,) = losses(tmp_path, sql)
    assert (finding.rule, finding.blocks) == (rule, blocks)
    assert finding.remedy


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE c (id int); UPDATE c SET id = 1; DELETE FROM c; DROP TABLE c",
        "CREATE TEMP TABLE c (id int); TRUNCATE c; DROP TABLE c",
        "DROP TABLE nowhere; DELETE FROM nowhere; ALTER TABLE nowhere DROP COLUMN x",
        "CREATE TABLE c (id int); DROP TABLE c; DROP TABLE c",
        "DO $$ BEGIN DROP TABLE nowhere; EXCEPTION WHEN undefined_table THEN NULL; END $$",
        "DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; DROP SCHEMA s CASCADE",
        "CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN CREATE TEMP TABLE c (id int); DROP TABLE c; END $$; SELECT g()",
        "ALTER TABLE a ADD x int; ALTER TABLE a DROP COLUMN x",
        "CREATE VIEW v AS SELECT 1; DROP VIEW v",
        "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING",
        "CREATE FUNCTION g() RETURNS void LANGUAGE sql AS $$ DELETE FROM a $$",
        "DO $$ BEGIN CREATE TABLE c (id int); DELETE FROM c; END $$",
        "EXPLAIN SELECT 1",
    ],
)
def test_what_the_release_made_itself_or_does_not_run_is_no_loss(tmp_path: Path, sql: str) -> None:
    assert losses(tmp_path, sql) == []


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (
            "ALTER TABLE a RENAME TO x; CREATE TABLE a (id int); DROP TABLE x",
            "drops-table public.a",
        ),
        ("CREATE SCHEMA s; ALTER TABLE a SET SCHEMA s; DELETE FROM s.a", "deletes-rows public.a"),
        ("CREATE TABLE IF NOT EXISTS a (id int); DELETE FROM a", "deletes-rows public.a"),
        ("CREATE TEMP TABLE a (id int); DELETE FROM public.a", "deletes-rows public.a"),
        (
            "ALTER TABLE a ADD COLUMN IF NOT EXISTS id int; ALTER TABLE a DROP COLUMN id",
            "drops-column public.a.id",
        ),
        (
            "ALTER TABLE a RENAME id TO key; ALTER TABLE a ADD id int, DROP COLUMN key",
            "drops-column public.a.id",
        ),
        ("DROP DOMAIN mood CASCADE", "drops-column public.m.feels"),
        ("SELECT lo_unlink(1)", "deletes-large-objects "),
    ],
)
def test_what_the_target_had_stays_what_it_was_under_every_name(
    tmp_path: Path, sql: str, found: str
) -> None:
    items = [item for item in losses(tmp_path, sql) if item.rule != "drops-object"]
    assert [f"{item.rule} {item.object}" for item in items] == [found]
    assert items[0].blocks


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE IF EXISTS nosuch",
        "ALTER TABLE a DROP COLUMN IF EXISTS nosuch",
        "CREATE TEMP TABLE a (id int); DELETE FROM a; DROP TABLE pg_temp.a",
        "ALTER TABLE a RENAME TO x; CREATE TABLE a (id int); DELETE FROM a; DROP TABLE a",
    ],
)
def test_what_is_not_there_is_no_loss(tmp_path: Path, sql: str) -> None:
    assert losses(tmp_path, sql) == []


def test_a_table_without_rows_loses_none(tmp_path: Path) -> None:
    (finding,) = losses(tmp_path, "DELETE FROM none WHERE id = 1")
    assert not finding.blocks
    assert "0 rows" in finding.cause


UNREAD = "DO $$ DECLARE x text; BEGIN FOR x IN SELECT f() LOOP EXECUTE x; END LOOP; END $$;"


@pytest.mark.parametrize(
    ("sql", "tables", "blocks"),
    [
        (f"{UNREAD} DROP TABLE made_in_a_loop", {"public.none": OLD["public.none"]}, False),
        (f"{UNREAD} DROP TABLE made_in_a_loop", OLD, True),
        ("DROP OWNED BY r", {}, False),
        ("SELECT lo_unlink(1)", {}, True),
    ],
)
def test_a_target_without_rows_loses_none_whatever_the_table_is_called(
    tmp_path: Path, sql: str, tables: dict[str, TableFacts], blocks: bool
) -> None:
    migrations = release_of(tmp_path, {"0001": sql}).migrations
    *_, finding = find_losses(migrations, Facts(17, tables, {}), ())
    assert finding.blocks is blocks


def test_what_a_down_file_takes_away_is_named(tmp_path: Path) -> None:
    path = tmp_path / "release" / "0001" / "down.sql"
    path.parent.mkdir(parents=True)
    path.write_text("DROP TABLE c;\nDELETE FROM a;")
    (path.parent / "migration.sql").write_text("CREATE TABLE c (id int)")
    migrations = read_release(tmp_path / "release").migrations
    (finding,) = find_losses(migrations, FACTS, ())
    assert (finding.rule, finding.line, finding.blocks) == ("down-loses", 2, False)


def test_a_table_of_an_earlier_file_is_no_loss_in_a_later_one(tmp_path: Path) -> None:
    assert losses(tmp_path, "CREATE TABLE c (id int)", "DELETE FROM c") == []


def test_a_function_that_is_called_is_followed_to_what_it_calls(tmp_path: Path) -> None:
    sql = (
        "CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN\nPERFORM purge(); END $$;"
        "\n\nSELECT g(), g();"
    )
    found = losses(tmp_path, sql)
    assert {(item.rule, item.line) for item in found} == {("deletes-rows", 4)}
    assert "function public.purge" in found[0].cause


def test_a_finding_says_how_many_rows_and_where(tmp_path: Path) -> None:
    (finding,) = losses(tmp_path, "DO $$ BEGIN\n  DELETE FROM a;\nEND $$")
    assert finding.line == 2
    assert "1,234 rows" in finding.cause


def test_an_acceptance_holds_for_its_rule_and_its_migration(tmp_path: Path) -> None:
    accept = Acceptance("deletes-rows", "they are test orders", "0002")
    first, second, third = losses(
        tmp_path, "DELETE FROM a", "DELETE FROM a; DROP TABLE b", accepts=(accept,)
    )
    assert [item.blocks for item in (first, second, third)] == [True, False, True]
    assert second.accepted == "they are test orders"
