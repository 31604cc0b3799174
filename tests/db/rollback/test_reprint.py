"""A definition that a server prints otherwise after a restore is the same; another one is not."""

from collections.abc import Iterator

import pytest

from runbook_lib.backup.archive import restore
from runbook_lib.postgres import process, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import Difference, Snapshot
from runbook_lib.rollback.reprint import as_printed
from tests.support.reverts import state
from tests.support.servers import scratch_database
from tests.support.snapshots import back_up

SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY, status varchar(10) CHECK (status IN ('new', 'paid')),
    price numeric CHECK (price BETWEEN 0 AND 10 AND price <> 5), mood varchar(9),
    cheap boolean DEFAULT ('x'::varchar IN ('a', 'b')),
    open boolean GENERATED ALWAYS AS (status IN ('new', 'paid')) STORED);
COMMENT ON CONSTRAINT t_status_check ON t IS 'why';
CREATE TABLE child () INHERITS (t);
CREATE TABLE parts (id int, note varchar(9) CHECK (note IN ('x', 'y'))) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);
CREATE INDEX t_paid ON t (id) WHERE status IN ('paid', 'new');
CREATE VIEW v AS SELECT t.id, t.status FROM t
    WHERE t.status IN ('new', 'paid') AND t.price BETWEEN 1 AND 2 AND t.id > 0;
COMMENT ON VIEW v IS 'those';
CREATE VIEW on_v AS SELECT * FROM v;
CREATE MATERIALIZED VIEW m AS SELECT id FROM v WHERE status IN ('new', 'old');
CREATE VIEW on_m AS SELECT * FROM m;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t FOR SELECT USING (status IN ('new', 'paid'));
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW
    WHEN (NEW.status IN ('new', 'paid')) EXECUTE FUNCTION f();
ALTER TABLE t DISABLE TRIGGER g;
CREATE RULE r AS ON DELETE TO v WHERE old.status IN ('a', 'b') DO INSTEAD NOTHING;
CREATE DOMAIN word AS varchar(9) CHECK (VALUE IN ('new', 'paid'));
CREATE FUNCTION known(s varchar) RETURNS boolean LANGUAGE sql
    BEGIN ATOMIC SELECT s IN ('a', 'b') AND s BETWEEN 'a' AND 'b' AND s <> 'c'; END;
CREATE STATISTICS st ON (status IN ('a', 'b')), id FROM t;
"""
# Each is another schema than the recorded one, though most of these objects print otherwise anyway.
OTHERS = {
    "ALTER TABLE t DROP CONSTRAINT t_status_check; "
    "ALTER TABLE t ADD CONSTRAINT t_status_check CHECK (status IN ('new', 'sent')); "
    "COMMENT ON CONSTRAINT t_status_check ON t IS 'why'": "constraint public.t.t_status_check",
    "COMMENT ON CONSTRAINT t_status_check ON t IS 'other'": "constraint public.t.t_status_check",
    "COMMENT ON CONSTRAINT t_status_check ON t IS NULL": "constraint public.t.t_status_check",
    "COMMENT ON VIEW v IS NULL": "view public.v",
    "COMMENT ON COLUMN t.cheap IS 'x'": "column public.t.cheap",
    "ALTER TABLE t ALTER cheap SET NOT NULL": "column public.t.cheap",
    "ALTER TABLE t ALTER cheap SET DEFAULT ('x'::varchar IN ('a', 'c'))": "column public.t.cheap",
    "DROP INDEX t_paid; CREATE INDEX t_paid ON t (id) WHERE status IN ('paid', 'old')": "index "
    "public.t.t_paid",
    "ALTER TABLE t DROP open; ALTER TABLE t "
    "ADD open boolean GENERATED ALWAYS AS (status IN ('new', 'old')) STORED": "column "
    "public.t.open",
    "ALTER POLICY p ON t USING (status IN ('new', 'old'))": "policy public.t.p",
    "ALTER TABLE t ENABLE TRIGGER g": "trigger public.t.g",
    "ALTER DOMAIN word DROP CONSTRAINT word_check; ALTER DOMAIN word "
    "ADD CONSTRAINT word_check CHECK (VALUE IN ('new', 'old'))": "constraint "
    "public.word.word_check",
    "ALTER MATERIALIZED VIEW m SET (fillfactor = 50)": "materialized view public.m",
}


@pytest.fixture(scope="module")
def source(shared: Database) -> Database:
    with shared.connect() as connection:
        connection.execute(SCHEMA)
    return shared


@pytest.fixture(scope="module")
def recorded(source: Database) -> Snapshot:
    with source.connect() as connection:
        return state(connection)


@pytest.fixture(scope="module")
def restored(source: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    backup = back_up(source, tmp_path_factory.mktemp("backups"))
    with scratch_database(source.maintenance(), f"{source.dbname}_again") as again:
        with again.connect() as connection:
            major = connection.server_major
        restore(again, major, backup.archive, process.run, with_owners=True)
        with again.connect() as connection:
            yield connection


def differing(connection: Connection, recorded: Snapshot) -> tuple[Difference, ...]:
    found = state(connection)
    return snapshot.difference(as_printed(connection, recorded, found, send), found)


def send(connection: Connection, sql: object, parameters: object) -> int:
    return connection.execute(str(sql))


def test_a_restored_schema_that_prints_otherwise_is_the_recorded_one(
    restored: Connection, recorded: Snapshot
) -> None:
    before = state(restored)
    assert len(snapshot.difference(recorded, before)) >= 14
    assert differing(restored, recorded) == ()
    assert state(restored) == before, "nothing of it is changed"


class UndoneError(Exception):
    """Leave a transaction without keeping what it did."""


@pytest.mark.one_of_each("kind")
@pytest.mark.parametrize(("kind", "sql"), [(sql.split()[0], sql) for sql in OTHERS], ids=OTHERS)
def test_what_is_another_definition_is_named(
    restored: Connection, recorded: Snapshot, kind: str, sql: str
) -> None:
    with pytest.raises(UndoneError), restored.transaction():
        restored.execute(sql)
        found = snapshot.snapshot_here(restored, settings=True)
        printed = as_printed(restored, recorded, found, send)
        differs = snapshot.difference(printed, found)
        raise UndoneError
    named = [item for item in differs if item.key == OTHERS[sql]]
    assert str(named[0]).startswith(f"{OTHERS[sql]} is '"), kind
    # A child's, which it has from its parent, is proven with that or not at all.
    assert {item.key.rpartition(".")[2] for item in differs} == {OTHERS[sql].rpartition(".")[2]}
