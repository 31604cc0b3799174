"""A database with everything in it comes back equal by each way, on each major that is here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_lib.backup.archive import restore
from runbook_lib.backup.files import read_snapshot
from runbook_lib.errors import GateError
from runbook_lib.evidence.records import Backup
from runbook_lib.postgres import process, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.sequences import read_sequences
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.rollback import inverse
from runbook_lib.rollback.in_place import restore_in_place
from runbook_lib.rollback.reprint import as_printed, set_otherwise
from runbook_lib.rollback.restore import Restorer, losses
from tests.support.everything import everything, schema
from tests.support.majors import server_of
from tests.support.memory import MakeDirectory
from tests.support.reverts import seen, state, undo
from tests.support.senders import unheard
from tests.support.servers import scratch_database
from tests.support.snapshots import POLICY, back_up

PARTS = ("column ", "index ", "constraint ")
# What a release does that a revert takes back, and what a backup alone brings back.
MADE = """ALTER TABLE customer ADD COLUMN phone text, ALTER name SET DEFAULT 'x',
    DROP CONSTRAINT price_between;
ALTER TABLE sales.event ADD COLUMN more int DEFAULT 1;
CREATE INDEX ON sales.event (more);
CREATE TABLE owned.extra (id serial PRIMARY KEY, item int REFERENCES item, mood owned.mood);
CREATE TABLE sales.event_2030 PARTITION OF sales.event
    FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE OR REPLACE FUNCTION plus(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT b + a';
CREATE TYPE tone AS ENUM ('low');
CREATE DOMAIN tall AS small CHECK (VALUE > 9);
DROP VIEW sales.joined;
DROP POLICY seen ON customer;
DROP RULE silent ON bare;
ALTER PUBLICATION a_part DROP TABLE sales.event;
REVOKE SELECT ON item FROM everything_reader;
COMMENT ON TABLE customer IS 'other';
ALTER SERVER hub OPTIONS (SET port '2');
ALTER DOMAIN word RENAME TO words;
ALTER DATABASE everything SET work_mem = '9MB';
COMMENT ON DATABASE everything IS 'other';
"""
LOST = """UPDATE customer SET price = 2;
TRUNCATE sales.event, typed, grandchild;
DROP TABLE item CASCADE;
DROP TYPE hue CASCADE;
DROP TABLE sales.event_2020_eu_0;
ALTER TABLE child ALTER own TYPE text;
DROP EXTENSION hstore CASCADE;
DROP MATERIALIZED VIEW top CASCADE;
SELECT lo_unlink(77002), setval('sales.invoice', 1);
"""

# What keeps it from being moved aside.
MOVABLE = """DROP EVENT TRIGGER watched;
DROP EVENT TRIGGER off;
DROP LANGUAGE plalias CASCADE;
DROP TYPE shell"""


@pytest.fixture(params=(15, 16, 17, 18))
def rich(request: pytest.FixtureRequest, in_memory: MakeDirectory) -> Iterator[Database]:
    """Hold the large one on a server of each major version that is here."""
    with (
        server_of(request.param, in_memory("majors")) as maintenance,
        everything(maintenance, many=True) as database,
    ):
        yield database


@pytest.mark.slow
def test_everything_comes_back_equal_from_its_backup(rich: Database, tmp_path: Path) -> None:
    with rich.connect() as connection:
        before, major = state(connection), connection.server_major
        contents = snapshot.read_contents(connection, snapshot.tables_by_size(connection))
    assert len([key for key in before.objects if not key.startswith(PARTS)]) >= 300
    with scratch_database(rich.maintenance(), "restored_once") as again:
        bring_back(again, major, back_up(rich, tmp_path).archive)
        with again.connect() as connection:
            assert differing(connection, before) == []
            assert contents == snapshot.read_contents(connection, list(map(split, contents)))
        with scratch_database(rich.maintenance(), "restored_twice") as twice:
            bring_back(twice, major, back_up(again, tmp_path / "again").archive)
            assert schema(twice) == [
                x.replace("restored_once", "restored_twice") for x in schema(again)
            ]


def revert(database: Database, _: Backup, before: Snapshot) -> None:
    with database.connect() as connection:
        diagnosis = seen(connection, before, state(connection))
    assert diagnosis.stuck == ()
    undo(database, diagnosis)


def beside(database: Database, backup: Backup, before: Snapshot) -> None:
    with database.connect() as connection:
        set_back = on_database(connection, before)
    database.drop(restorer(database, backup).beside(set_back).kept_as)


def in_place(database: Database, backup: Backup, before: Snapshot) -> None:
    with database.runner_session() as connection:
        set_back = on_database(connection, before)
        lost = {item.table: item.now for item in losses(connection, backup)}
    restore_in_place(restorer(database, backup), read_snapshot(backup), lost, set_back)


def set_on_database(schema: Snapshot) -> set[str]:
    return {item.back for mark, item in schema.settings.items() if mark.startswith("pg_database/")}


def on_database(connection: Connection, before: Snapshot) -> tuple[str, ...]:
    now = state(connection)
    return inverse.set_on_database(before, now, snapshot.touched(before, now))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "release"),
    [(revert, MADE), (beside, MADE + LOST), (in_place, MADE + LOST)],
    ids=["revert", "beside", "in place"],
)
def test_everything_comes_back_equal_by_each_way(
    rich: Database,
    tmp_path: Path,
    way: Callable[[Database, Backup, Snapshot], None],
    release: str,
) -> None:
    with rich.connect() as connection:
        if way is in_place:
            connection.execute(MOVABLE)
        before, contents, counted = read(connection)
    backup = back_up(rich, tmp_path)
    with rich.connect() as connection:
        connection.execute(release)
        assert str(snapshot.difference(before, state(connection)))
    way(rich, backup, before)
    with rich.connect() as connection:
        assert differing(connection, before) == []
        assert read(connection)[1:] == (contents, counted)
        assert set_on_database(state(connection)) == set_on_database(before)


@pytest.mark.slow
def test_what_cannot_be_moved_aside_is_named_and_nothing_done(
    rich: Database, tmp_path: Path
) -> None:
    backup = back_up(rich, tmp_path)
    with rich.connect() as connection:
        before = read(connection)
    with pytest.raises(
        GateError,
        match=r"event trigger off, .* watched, language plalias, shell type public\.shell",
    ):
        in_place(rich, backup, before[0])
    with rich.connect() as connection:
        assert read(connection) == before


def read(connection: Connection) -> tuple[Snapshot, object, object]:
    """Return the schema, the rows and large objects, and how far sequences have counted."""
    tables = [x for x in snapshot.tables_by_size(connection) if x[1] != snapshot.LEDGER]
    rows = snapshot.read_contents(connection, tables)
    large = connection.rows("SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY oid")
    counted = {item.qualified: item.last for item in read_sequences(connection)}
    return state(connection), (rows, large), counted


def restorer(database: Database, backup: Backup) -> Restorer:
    with database.connect() as connection:
        return Restorer(database, connection.server_major, backup, POLICY, unheard())


def bring_back(database: Database, major: int, archive: Path) -> None:
    # Several jobs may turn a partition's trigger off before there is one (pg_restore 17).
    restore(database, major, archive, process.run, with_owners=True, jobs=1)


def differing(connection: Connection, recorded: Snapshot) -> list[str]:
    found = state(connection)
    printed = as_printed(connection, recorded, found, lambda session, sql, _: session.execute(sql))
    differs = map(str, snapshot.difference(printed, found))
    return [*differs, *set_otherwise(recorded, found)]


def split(table: str) -> tuple[str, str]:
    one, _, other = table.partition(".")
    return one, other
