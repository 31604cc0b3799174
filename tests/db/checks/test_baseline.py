"""What is there without a ledger row is adopted when it is proved equal, and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.checks.baseline import find_candidates, prove_equal
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.postgres.targets import build_schema
from runbook_lib.release.model import Release
from tests.support.releases import release_of
from tests.support.servers import scratch_database

FILES = {
    "0001_a": "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE a (id int PRIMARY KEY, m mood);",
    "0002_b": "CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a); "
    "CREATE INDEX b_a ON b (a_id);",
    "0003_c": "ALTER TABLE a ADD late text;",
}


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path, FILES)


@pytest.fixture
def scratch(target: Database) -> Iterator[Connection]:
    name = f"scratch_{target.dbname}"
    with scratch_database(target, name) as empty, empty.connect() as session:
        yield session


def there(connection: Connection) -> Snapshot:
    return snapshot.take_snapshot(connection, settings=True)


def names(
    release: Release, connection: Connection, known: frozenset[str] = frozenset()
) -> list[str]:
    found, halves = find_candidates(connection, release.migrations, known)
    assert halves == ()
    return [item.name for item in found]


def refused(release: Release, connection: Connection, scratch: Connection) -> str:
    found, _ = find_candidates(connection, release.migrations, frozenset())
    adopted, (finding,) = prove_equal(there(connection), scratch, [], found)
    assert (adopted, finding.blocks, finding.rule) == ({}, True, "differs-from-target")
    return finding.cause


def test_where_nothing_is_there_nothing_is_adopted(
    release: Release, connection: Connection
) -> None:
    assert names(release, connection) == []


def test_what_is_there_whole_is_a_candidate(release: Release, connection: Connection) -> None:
    build_schema(connection, release.migrations[:2])
    assert names(release, connection) == ["0001_a", "0002_b"]


@pytest.mark.parametrize(
    "more",
    [
        "INSERT INTO a VALUES (1, 'good')",
        "UPDATE a SET id = 2",
        "DELETE FROM a",
        "TRUNCATE a",
        "COPY a TO '/dev/null'",
        "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM a) SELECT set_config('a.b', 'c', false)",
        "SELECT setval('s', 7)",
        "SELECT set_config('a.b', setval('s', 7)::text, false)",
        "SELECT * INTO c FROM a",
        "CREATE TABLE c AS SELECT 1 AS one",
        "CREATE MATERIALIZED VIEW c AS SELECT 1 AS one",
        "REFRESH MATERIALIZED VIEW m",
        "ALTER SEQUENCE s RESTART WITH 7",
        "DO $$ BEGIN DELETE FROM a; END $$",
        "CALL p()",
        "GRANT SELECT ON a TO PUBLIC",
        "CREATE SCHEMA c GRANT SELECT ON a TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER TABLE a ALTER m TYPE text",
        "ALTER TABLE a DROP late",
        "ALTER TABLE a DISABLE TRIGGER ALL",
        "ALTER TABLE a INHERIT b",
        "CREATE TABLE c () INHERITS (a)",
        "ALTER TYPE mood ADD VALUE 'bad'",
        "CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int)",
        "COMMENT ON DATABASE shop IS 'ours'",
        "COMMENT ON POLICY p ON a IS 'ours'",
        "COMMENT ON SCHEMA public IS 'ours'",
        "DROP TABLE IF EXISTS c",
        "CREATE ROLE clerk",
        "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f()",
        "CREATE PUBLICATION p FOR TABLE a",
        "LOCK TABLE a",
        "VACUUM a",
    ],
)
def test_a_file_that_does_more_than_create_is_no_candidate(
    more: str, connection: Connection, tmp_path: Path
) -> None:
    files = release_of(tmp_path, {**FILES, "0002_b": f"{FILES['0002_b']} {more};"})
    build_schema(connection, release_of(tmp_path / "plain", FILES).migrations)
    assert names(files, connection) == ["0001_a", "0003_c"]


def test_a_file_as_pg_dump_writes_it_is_a_candidate(connection: Connection, tmp_path: Path) -> None:
    sql = (
        "SET client_encoding = 'UTF8'; SELECT pg_catalog.set_config('search_path', '', false);"
        "CREATE SCHEMA shop; CREATE TABLE shop.c (id int NOT NULL);"
        "CREATE SEQUENCE shop.c_id_seq AS int START WITH 1 NO CYCLE;"
        "ALTER SEQUENCE shop.c_id_seq OWNED BY shop.c.id;"
        "ALTER TABLE ONLY shop.c ALTER id SET DEFAULT nextval('shop.c_id_seq'::regclass);"
        "ALTER TABLE ONLY shop.c ADD CONSTRAINT c_pkey PRIMARY KEY (id);"
        "COMMENT ON TABLE shop.c IS 'c'; COMMENT ON COLUMN shop.c.id IS 'its id';"
    )
    release = release_of(tmp_path, {"0001_c": sql})
    build_schema(connection, release.migrations)
    assert names(release, connection) == ["0001_c"]


def test_what_the_ledger_knows_is_no_candidate(release: Release, connection: Connection) -> None:
    build_schema(connection, release.migrations)
    assert names(release, connection, frozenset({"0001_a"})) == ["0002_b", "0003_c"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP INDEX b_a", "lacks 1 (index b_a)"),
        ("DROP TABLE b; CREATE TABLE b (id int)", "column b.a_id"),
        ("DROP TABLE a CASCADE", "table a"),
    ],
)
def test_what_is_there_by_half_is_refused_by_name(
    release: Release, connection: Connection, change: str, named: str
) -> None:
    build_schema(connection, release.migrations[:2])
    connection.execute(change)
    _, (finding, *_) = find_candidates(connection, release.migrations, frozenset())
    assert (finding.rule, finding.blocks) == ("partly-there", True)
    assert named in finding.cause


def test_what_is_equal_is_adopted_with_the_reason(
    release: Release, connection: Connection, scratch: Connection
) -> None:
    build_schema(connection, release.migrations)
    found, _ = find_candidates(connection, release.migrations, frozenset())
    why, findings = prove_equal(there(connection), scratch, [], found)
    assert findings == ()
    assert list(why) == ["0001_a", "0002_b", "0003_c"]
    assert all("found equal" in text for text in why.values())


def test_whom_a_file_gives_a_table_to_is_its_owner(
    connection: Connection, scratch: Connection, tmp_path: Path
) -> None:
    schema = "CREATE SCHEMA shop AUTHORIZATION pg_monitor; CREATE TABLE shop.a (id int);"
    files = {"0001_a": f'{schema} ALTER TABLE shop.a OWNER TO "pg_read_all_data";'}
    release = release_of(tmp_path, files)
    build_schema(connection, release.migrations)
    connection.execute(
        "ALTER SCHEMA shop OWNER TO CURRENT_USER; ALTER TABLE shop.a OWNER TO CURRENT_USER"
    )
    cause = refused(release, connection, scratch)
    assert "schema shop is 'owned by postgres' instead of 'owned by pg_monitor'" in cause
    assert "table shop.a is 'owned by postgres' instead of 'owned by pg_read_all_data'" in cause


def test_tables_of_somebody_else_do_not_matter(
    release: Release, connection: Connection, scratch: Connection
) -> None:
    build_schema(connection, release.migrations)
    connection.execute("CREATE TABLE other (id int); CREATE VIEW v AS SELECT 1")
    found, _ = find_candidates(connection, release.migrations, frozenset())
    why, findings = prove_equal(there(connection), scratch, [], found)
    assert (len(why), findings) == (3, ())


def test_a_file_that_cannot_be_built_to_compare_is_a_finding(
    release: Release, connection: Connection, scratch: Connection
) -> None:
    build_schema(connection, release.migrations)
    found, _ = find_candidates(connection, release.migrations, frozenset())
    scratch.execute("CREATE TABLE a (id int)")
    why, (finding,) = prove_equal(there(connection), scratch, [], found)
    assert (why, finding.rule) == ({}, "not-comparable")
    assert "42P07" in finding.cause


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE b ALTER a_id TYPE bigint", "column public.b.a_id is '2 bigint'"),
        ("ALTER TABLE b ADD extra int", "column public.b.extra is unexpected"),
        ("CREATE INDEX extra ON b (id)", "index public.b.extra is unexpected"),
        ("ALTER TABLE b DROP CONSTRAINT b_a_id_fkey", "constraint public.b.b_a_id_fkey is missing"),
        (
            "ALTER TABLE b ADD CHECK (id > 0)",
            "constraint public.b.b_id_check is unexpected",
        ),
        ("ALTER TABLE b ALTER a_id SET DEFAULT 1", "column public.b.a_id is"),
        ("ALTER TYPE mood ADD VALUE 'bad'", "enum public.mood is"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'b_a'::regclass",
            "index public.b.b_a is",
        ),
    ],
)
def test_what_differs_is_refused_by_name(
    release: Release, connection: Connection, scratch: Connection, change: str, named: str
) -> None:
    build_schema(connection, release.migrations)
    connection.execute(change)
    assert named in refused(release, connection, scratch)


def test_many_differences_are_counted(
    release: Release, connection: Connection, scratch: Connection
) -> None:
    build_schema(connection, release.migrations)
    connection.execute("ALTER TABLE b " + ", ".join(f"ADD c{n} int" for n in range(8)))
    assert "and 3 more" in refused(release, connection, scratch)
