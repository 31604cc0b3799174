"""What is read of the schema since a look leads to the same as reading all of it."""

import pytest

from runbook_lib.migrate.drift import Schema, changed
from runbook_lib.postgres.connection import Connection, Database

THERE = """
CREATE TABLE old (c int PRIMARY KEY, d text CHECK (d <> '')); CREATE TABLE gone (c int);
CREATE TYPE mood AS ENUM ('good'); CREATE SCHEMA other; CREATE TABLE other.t (c int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE UPDATE ON old FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY p ON old USING (true); CREATE RULE r AS ON DELETE TO old DO INSTEAD NOTHING;
CREATE SEQUENCE counter; CREATE VIEW seen AS SELECT c FROM old; CREATE INDEX old_d ON old (d);
"""
OLD = "relation public.old was altered"
CHANGES = {
    "CREATE TABLE theirs (c int)": ["relation public.theirs is new"],
    "DROP TABLE gone": ["relation public.gone was dropped"],
    "DROP TABLE gone; CREATE TABLE new (c int)": [
        "relation public.gone was dropped",
        "relation public.new is new",
    ],
    "DROP TABLE gone; CREATE TABLE gone (c int)": ["relation public.gone was altered"],
    "ALTER TABLE gone SET SCHEMA other": [
        "relation other.gone is new",
        "relation public.gone was dropped",
    ],
    "ALTER SCHEMA other RENAME TO others": [
        "relation other.t was dropped",
        "relation others.t is new",
        "schema other was dropped",
        "schema others is new",
    ],
    "DROP SCHEMA other CASCADE": ["relation other.t was dropped", "schema other was dropped"],
    "DROP TRIGGER t ON old": [OLD],
    "DROP POLICY p ON old": [OLD],
    "DROP RULE r ON old": [OLD],
    "ALTER TABLE old DROP CONSTRAINT old_d_check": [OLD],
    "ALTER TABLE old DROP COLUMN d": [OLD, "relation public.old_d was dropped"],
    "DROP POLICY p ON old; CREATE POLICY q ON gone USING (true)": [
        "relation public.gone was altered",
        OLD,
    ],
    "ALTER TYPE mood ADD VALUE 'bad'": ["type public.mood was altered"],
    "DROP TYPE mood": ["type public.mood was dropped"],
    "DROP SEQUENCE counter; DROP VIEW seen": [
        "relation public.counter was dropped",
        "relation public.seen was dropped",
    ],
    "VACUUM FREEZE": [],
    "VACUUM FULL pg_class": [],
    "VACUUM FULL": [],
    "REINDEX TABLE CONCURRENTLY gone": [],
    "CREATE TEMP TABLE theirs (c int); DROP TABLE theirs": [],
    "SELECT 1": [],
}


@pytest.fixture
def known(connection: Connection) -> Schema:
    """Hand over a schema that was looked at twice."""
    connection.execute(THERE)
    schema = Schema()
    assert schema.look(connection)[0] is None
    schema.look(connection)
    return schema


@pytest.mark.parametrize("sql", CHANGES)
def test_a_look_tells_what_changed_since_the_last_one(
    known: Schema, connection: Connection, sql: str
) -> None:
    connection.execute(sql)
    before, now = known.look(connection)
    assert before is not None
    assert changed(before, now, frozenset()) == CHANGES[sql]
    assert known.stamps == whole(connection)


def test_one_change_after_the_other_leads_to_what_is_there(
    known: Schema, connection: Connection
) -> None:
    for number in range(3):
        connection.execute(f"CREATE TABLE x{number} (c serial PRIMARY KEY); SELECT 1")
        known.look(connection)
        connection.execute(f"ALTER TABLE x{number} RENAME TO y{number}; DROP TABLE IF EXISTS y0")
        known.look(connection)
        assert known.stamps == whole(connection)


def test_what_was_under_way_at_the_last_look_is_not_missed(
    known: Schema, connection: Connection, target: Database
) -> None:
    with target.connect() as other, other.transaction():
        other.execute("ALTER TABLE old ADD e int")
        connection.execute("CREATE TABLE later (c int)")
        known.look(connection)
    before, now = known.look(connection)
    assert changed(before or {}, now, {"public.later"}) == [OLD]


def test_a_look_reads_only_what_was_written_since(known: Schema, connection: Connection) -> None:
    connection.execute("ALTER TABLE gone ADD e int")
    before, now = known.look(connection)
    assert list(before or {}) == list(now) == ["relation public.gone"]


def test_a_look_so_long_ago_that_ids_have_wrapped_is_of_everything(
    known: Schema, connection: Connection
) -> None:
    known._since = (known._since or 0) - 3_000_000_000
    connection.execute("DROP TABLE gone")
    before, now = known.look(connection)
    assert changed(before or {}, now, frozenset()) == ["relation public.gone was dropped"]
    assert now == known.stamps == whole(connection)


def test_what_was_recorded_is_compared_with_all_there_is(
    known: Schema, connection: Connection
) -> None:
    later = Schema(known.stamps)
    connection.execute("DROP TABLE gone")
    before, now = later.look(connection)
    assert changed(before or {}, now, frozenset()) == ["relation public.gone was dropped"]


def whole(connection: Connection) -> object:
    schema = Schema()
    schema.look(connection)
    return schema.stamps
