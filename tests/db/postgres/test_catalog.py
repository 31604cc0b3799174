"""A schema's fingerprint changes with everything that makes it another schema, and only then."""

from collections.abc import Iterator

import pytest

from runbook_lib.config.environments import Environment
from runbook_lib.config.policies import Policy
from runbook_lib.errors import TargetError
from runbook_lib.postgres import catalog, ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database
from tests.support.servers import scratch_database

SCHEMA = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE parent (id int PRIMARY KEY, name varchar(10) NOT NULL DEFAULT 'x', mood mood);
CREATE TABLE child (id int, parent_id int CONSTRAINT fk REFERENCES parent, CHECK (id > 0));
CREATE INDEX child_parent ON child (parent_id);
CREATE VIEW names AS SELECT name FROM parent;
CREATE SEQUENCE numbers;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION touch();
"""
CHANGES = {
    "a column more": "ALTER TABLE child ADD extra int",
    "a column less": "ALTER TABLE child DROP id",
    "a column renamed": "ALTER TABLE child RENAME id TO number",
    "a column's type": "ALTER TABLE child ALTER id TYPE bigint",
    "a column's length": "ALTER TABLE parent ADD y int; DROP VIEW names; "
    "ALTER TABLE parent DROP y, ALTER name TYPE varchar(11); "
    "CREATE VIEW names AS SELECT name FROM parent",
    "a default": "ALTER TABLE parent ALTER name SET DEFAULT 'y'",
    "a default less": "ALTER TABLE parent ALTER name DROP DEFAULT",
    "not null": "ALTER TABLE child ALTER id SET NOT NULL",
    "null": "ALTER TABLE parent ALTER name DROP NOT NULL",
    "identity": "ALTER TABLE parent ALTER id ADD GENERATED ALWAYS AS IDENTITY",
    "a collation": 'ALTER TABLE child ADD c text COLLATE "C"',
    "a check": "ALTER TABLE child ADD CHECK (id < 9)",
    "a check less": "ALTER TABLE child DROP CONSTRAINT child_id_check",
    "a foreign key's action": "ALTER TABLE child DROP CONSTRAINT fk, "
    "ADD CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parent ON DELETE CASCADE",
    "a foreign key that was not checked": "ALTER TABLE child DROP CONSTRAINT fk, "
    "ADD CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parent NOT VALID",
    "a unique key": "ALTER TABLE child ADD UNIQUE (id)",
    "an index": "CREATE INDEX ON child (id)",
    "an index less": "DROP INDEX child_parent",
    "an index's columns": "DROP INDEX child_parent; CREATE INDEX child_parent ON child (id)",
    "an index's condition": "DROP INDEX child_parent; "
    "CREATE INDEX child_parent ON child (parent_id) WHERE id > 5",
    "an invalid index": "UPDATE pg_index SET indisvalid = false "
    "WHERE indexrelid = 'child_parent'::regclass",
    "an enum's label": "ALTER TYPE mood ADD VALUE 'fair'",
    "an enum's label renamed": "ALTER TYPE mood RENAME VALUE 'bad' TO 'sad'",
    "a domain": "CREATE DOMAIN age AS int CHECK (VALUE > 0)",
    "a composite type": "CREATE TYPE pair AS (a int, b int)",
    "a view": "CREATE OR REPLACE VIEW names AS SELECT name FROM parent WHERE id > 1",
    "a view's option": "ALTER VIEW names SET (security_barrier)",
    "a materialized view": "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
    "a sequence": "CREATE SEQUENCE more",
    "a sequence's step": "ALTER SEQUENCE numbers INCREMENT 5",
    "a function": "CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1",
    "a function's body": "CREATE OR REPLACE FUNCTION touch() RETURNS trigger "
    "LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "a trigger less": "DROP TRIGGER touched ON parent",
    "a trigger that is off": "ALTER TABLE parent DISABLE TRIGGER touched",
    "a table's comment": "COMMENT ON TABLE parent IS 'why'",
    "a column's comment": "COMMENT ON COLUMN parent.name IS 'why'",
    "a type's comment": "COMMENT ON TYPE mood IS 'why'",
    "an index's comment": "COMMENT ON INDEX child_parent IS 'why'",
    "a function's comment": "COMMENT ON FUNCTION touch() IS 'why'",
    "a constraint's comment": "COMMENT ON CONSTRAINT fk ON child IS 'why'",
    "row security": "ALTER TABLE parent ENABLE ROW LEVEL SECURITY",
    "forced row security": "ALTER TABLE parent FORCE ROW LEVEL SECURITY",
    "a policy": "CREATE POLICY p ON parent USING (id > 0)",
    "a table's option": "ALTER TABLE parent SET (fillfactor = 50)",
    "an unlogged table": "ALTER TABLE child SET UNLOGGED",
    "a replica identity": "ALTER TABLE parent REPLICA IDENTITY FULL",
    "a rule": "CREATE RULE r AS ON DELETE TO child DO INSTEAD NOTHING",
    "extended statistics": "CREATE STATISTICS st ON id, name FROM parent",
    "a trigger's comment": "COMMENT ON TRIGGER touched ON parent IS 'why'",
    "a schema": "CREATE SCHEMA other",
    "an extension": "CREATE EXTENSION citext",
    "a table of another schema": "CREATE SCHEMA other; CREATE TABLE other.parent (id int)",
}


def fingerprint(connection: Connection) -> str:
    return snapshot.take_snapshot(connection).fingerprint


class UndoneError(Exception):
    """Leave a transaction without keeping what it did."""


@pytest.fixture(scope="module")
def schema(shared: Database) -> Iterator[Connection]:
    """Hold one session on a database with the schema; each test takes its change back."""
    with shared.connect() as session:
        session.execute(SCHEMA)
        yield session


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_schema_changes_the_fingerprint(schema: Connection, change: str) -> None:
    before = fingerprint(schema)
    with pytest.raises(UndoneError), schema.transaction():
        schema.execute(change)
        after = snapshot.snapshot_here(schema).fingerprint
        raise UndoneError
    assert after != before
    assert fingerprint(schema) == before


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO parent VALUES (1, 'a', 'good')",
        "SELECT nextval('numbers')",
        "ANALYZE",
        "ALTER TABLE child ADD c int; ALTER TABLE child DROP c",
        "ALTER INDEX child_parent RENAME TO x; ALTER INDEX x RENAME TO child_parent",
        "CREATE TEMP TABLE t (c int)",
        "GRANT SELECT ON parent TO PUBLIC",
    ],
)
def test_what_is_no_change_of_the_schema_does_not(schema: Connection, change: str) -> None:
    before = fingerprint(schema)
    with pytest.raises(UndoneError), schema.transaction():
        schema.execute(change)
        assert snapshot.snapshot_here(schema).fingerprint == before
        raise UndoneError


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TYPE e AS ENUM ('a', 'b')", "CREATE TYPE e AS ENUM ('b', 'a')"),
        ("CREATE TABLE t (a int, b int)", "CREATE TABLE t (b int, a int)"),
        ("CREATE TYPE p AS (a int)", "CREATE TYPE p AS (a bigint)"),
        ("CREATE DOMAIN d AS int", "CREATE DOMAIN d AS int NOT NULL"),
        ("CREATE DOMAIN d AS int", "CREATE DOMAIN d AS int DEFAULT 1"),
        ("CREATE POLICY p ON t USING (c)", "CREATE POLICY p ON t AS RESTRICTIVE USING (c)"),
        ("CREATE POLICY p ON t USING (c)", "CREATE POLICY p ON t FOR SELECT USING (c)"),
        ("CREATE POLICY p ON t USING (c)", "CREATE POLICY p ON t TO pg_monitor USING (c)"),
        ("CREATE POLICY p ON t USING (c)", "CREATE POLICY p ON t USING (NOT c)"),
    ],
)
def test_two_things_of_one_name_differ(connection: Connection, one: str, other: str) -> None:
    if "POLICY" in one:
        connection.execute("CREATE TABLE t (c bool)")
    seen = set()
    for sql in (one, other):
        with pytest.raises(UndoneError), connection.transaction():
            connection.execute(sql)
            seen.add(snapshot.snapshot_here(connection).fingerprint)
            raise UndoneError
    assert len(seen) == 2


def test_equal_schemas_of_two_databases_have_one_fingerprint(
    schema: Connection, connection: Connection
) -> None:
    connection.execute("CREATE TABLE first_oids_differ (); DROP TABLE first_oids_differ")
    connection.execute(SCHEMA)
    assert fingerprint(connection) == fingerprint(schema)


def test_an_empty_database_has_a_fingerprint_of_its_own(
    schema: Connection, connection: Connection
) -> None:
    assert fingerprint(connection) != fingerprint(schema)


def test_the_search_path_of_the_session_does_not_count(schema: Connection) -> None:
    before = fingerprint(schema)
    schema.execute("SET search_path = pg_catalog")
    try:
        assert fingerprint(schema) == before
    finally:
        schema.execute("RESET search_path")


def test_the_ledger_is_left_out(connection: Connection) -> None:
    before = fingerprint(connection)
    ledger.create(connection, Connection.execute)
    assert fingerprint(connection) == before


def test_the_members_of_an_extension_are_left_out(connection: Connection) -> None:
    connection.execute("CREATE EXTENSION citext")
    assert set(snapshot.take_snapshot(connection).objects) == {
        "extension citext",
        "extension plpgsql",
    }


def test_a_difference_names_what_is_missing_other_and_besides(connection: Connection) -> None:
    connection.execute("CREATE TABLE a (x int, y int)")
    before = snapshot.take_snapshot(connection)
    connection.execute("ALTER TABLE a DROP y, ALTER x TYPE bigint, ADD z int")
    found = snapshot.difference(before, snapshot.take_snapshot(connection))
    assert [str(item) for item in found] == [
        "column public.a.x is '1 bigint' instead of '1 integer'",
        "column public.a.y is missing",
        "column public.a.z is unexpected",
    ]


def test_rows_are_counted_exactly_whatever_the_tables_are_called(connection: Connection) -> None:
    assert snapshot.count_rows(connection) == {}
    connection.execute('CREATE SCHEMA "s.1"; CREATE TABLE "s.1"."Ta""b%s{0}" (); CREATE TABLE t ()')
    connection.execute("INSERT INTO t SELECT FROM generate_series(1, 3)")
    odd, plain = ("s.1", 'Ta"b%s{0}'), ("public", "t")
    assert snapshot.count_rows(connection) == {".".join(odd): 0, ".".join(plain): 3}
    assert snapshot.with_rows(connection, [odd, plain]) == {".".join(plain)}
    connection.execute('INSERT INTO "s.1"."Ta""b%s{0}" DEFAULT VALUES')
    assert snapshot.with_rows(connection, [odd, plain]) == {".".join(odd), ".".join(plain)}
    contents = snapshot.read_contents(connection, [odd, plain])
    assert [item.rows for item in contents.values()] == [1, 3]


# --- who answers --------------------------------------------------------------------------------


CONTENTS = """
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE DOMAIN moods AS mood[];
CREATE TABLE t ("the whole row" mood, b moods, c json, d numeric, e jsonb, f text,
                g regclass, h xml);
INSERT INTO t VALUES ('calm', '{cross}', '{"a": 1}', 1.0, '{"b": 2}', 'ü', 'pg_class', '<x/>');
INSERT INTO t SELECT FROM generate_series(1, 2);
CREATE TABLE bare ();
INSERT INTO bare DEFAULT VALUES;
"""


def checksums(connection: Connection) -> dict[str, tuple[int, str]]:
    tables = snapshot.tables_by_size(connection)
    found = snapshot.read_contents(connection, tables)
    return {name: (item.rows, item.checksum) for name, item in found.items()}


def test_equal_rows_of_two_databases_have_one_checksum(
    connection: Connection, shared: Database
) -> None:
    """An enum hashes by its number in the catalog, which no two databases share."""
    connection.execute(CONTENTS)
    name = "contents_elsewhere"
    with scratch_database(shared, name) as other, other.connect() as elsewhere:
        elsewhere.execute("CREATE TYPE other AS ENUM ('so that numbers differ')")
        elsewhere.execute(CONTENTS)
        assert checksums(elsewhere) == checksums(connection)
    assert checksums(connection)["public.t"][0] == 3
    assert checksums(connection)["public.bare"] == (1, "0")


@pytest.mark.parametrize(
    "change",
    [
        """SET "the whole row" = 'cross'""",
        "SET b = '{calm}'",
        """SET c = '{"a": 2}'""",
        "SET d = 1.00",
        "SET e = '{}'",
        "SET f = 'u'",
        "SET f = NULL, h = NULL",
        "SET d = d WHERE d IS NULL; DELETE FROM t WHERE d IS NULL",
        "SET d = d; INSERT INTO t SELECT",
    ],
)
def test_a_change_of_a_row_changes_the_checksum(connection: Connection, change: str) -> None:
    connection.execute(CONTENTS)
    before = checksums(connection)
    connection.execute(f"UPDATE t {change}")
    after = checksums(connection)
    assert after["public.t"] != before["public.t"]
    assert after["public.bare"] == before["public.bare"]


def test_the_server_says_who_it_is(connection: Connection, target: Database) -> None:
    environment = Environment("dev", target.dbname, embedded=True, policy=Policy())
    found = catalog.identify(connection, environment)
    assert (found.dbname, found.user, found.in_recovery) == (target.dbname, "postgres", False)
    assert found.system_identifier.isdigit()


def test_another_database_is_refused(connection: Connection, target: Database) -> None:
    environment = Environment("dev", "somewhere", embedded=True, policy=Policy())
    with pytest.raises(TargetError, match=rf"'somewhere'.*'{target.dbname}'"):
        catalog.identify(connection, environment)


def test_another_server_is_refused(connection: Connection, target: Database) -> None:
    environment = Environment(
        "dev", target.dbname, embedded=True, policy=Policy(), system_identifier="123"
    )
    with pytest.raises(TargetError, match="pinned to the server 123"):
        catalog.identify(connection, environment)


def test_a_server_that_hides_its_identifier_is_not_the_pinned_one(
    connection: Connection, target: Database
) -> None:
    pinned = connection.value("SELECT system_identifier::text FROM pg_control_system()")
    environment = Environment(
        "dev", target.dbname, embedded=True, policy=Policy(), system_identifier=pinned
    )
    with pytest.raises(UndoneError), connection.transaction():
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        connection.execute("CREATE ROLE plain; SET LOCAL ROLE plain")
        with pytest.raises(TargetError, match="hides its identifier"):
            catalog.identify(connection, environment)
        raise UndoneError
