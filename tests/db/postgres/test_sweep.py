"""Each statement of PostgreSQL's manual that changes a schema is seen in it, or said not to be."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runbook_lib.backup.archive import restore
from runbook_lib.errors import RunbookError
from runbook_lib.postgres import process, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.server_wide import ServerState, read_server
from runbook_lib.postgres.snapshot import NOT_LOOKED_AT, Snapshot
from tests.support import reverts
from tests.support.everything import copied, everything, read_statements, roles, schema
from tests.support.memory import MakeDirectory
from tests.support.servers import hurry, scratch_database
from tests.support.snapshots import back_up

STATEMENTS = read_statements()
SEEN = [(sql.split()[0], sql) for sql, why in STATEMENTS if not why]
UNSEEN = [(why, sql) for sql, why in STATEMENTS if why]
# What belongs to the whole server no revert takes back, and a subscription holds its database.
ELSEWHERE = (
    *("ALTER ROLE everything_owner", "COMMENT ON ROLE", "CREATE ROLE", "GRANT everything_owner"),
    *("GRANT pg_monitor", "GRANT SET ON PARAMETER", "CREATE SUBSCRIPTION"),
)


SET_ON_IT = (
    "ALTER DATABASE looked_at SET work_mem = '7MB'",
    "ALTER ROLE everything_reader IN DATABASE looked_at SET statement_timeout = '9s'",
)


class UndoneError(Exception):
    """Leave a transaction without keeping what it did."""


@pytest.fixture(scope="module")
def own(in_memory: MakeDirectory) -> Iterator[Database]:
    """Run a server of this module's own: the statements change what belongs to the whole of it."""
    with Sandbox(in_memory("sweep")) as sandbox:
        hurry(sandbox)
        yield Database(sandbox.conninfo())


@pytest.fixture(scope="module")
def rich(own: Database) -> Iterator[Database]:
    """Make the database that is copied; nobody is connected to it."""
    with everything(own) as database:
        yield database


@pytest.fixture(scope="module")
def session(rich: Database) -> Iterator[Connection]:
    with copied(rich, "looked_at") as database, database.connect() as connection:
        for sql in SET_ON_IT:  # which no copy has
            connection.execute(sql)
        yield connection


@pytest.fixture(scope="module")
def before(session: Connection) -> tuple[Snapshot, ServerState]:
    return snapshot.take_snapshot(session, settings=True), read_server(session)


def seen(
    session: Connection, before: tuple[Snapshot, ServerState], sql: str
) -> list[tuple[str, ...]]:
    """Return what two snapshots tell of a statement, which is taken back."""
    found = list[tuple[str, ...]]()
    with pytest.raises(UndoneError), session.transaction():
        session.execute(sql.replace("{database}", "looked_at"))
        now = snapshot.snapshot_here(session, settings=True)
        found += [(mark,) for mark in snapshot.touched(before[0], now)]
        found += before[1].changes(read_server(session))
        raise UndoneError
    return found


@pytest.mark.one_of_each("kind")
@pytest.mark.parametrize(("kind", "sql"), SEEN, ids=[sql for _, sql in SEEN])
def test_a_statement_is_seen(
    session: Connection, before: tuple[Snapshot, ServerState], kind: str, sql: str
) -> None:
    assert seen(session, before, sql), kind


@pytest.mark.one_of_each("why")
@pytest.mark.parametrize(("why", "sql"), UNSEEN, ids=[sql for _, sql in UNSEEN])
def test_what_is_not_looked_at_is_not_seen(
    session: Connection, before: tuple[Snapshot, ServerState], why: str, sql: str
) -> None:
    assert not seen(session, before, sql), why


def test_what_a_user_mapping_or_a_subscription_holds_is_written_nowhere(
    session: Connection,
) -> None:
    subscribe = next(sql for _, sql in SEEN if sql.startswith("CREATE SUBSCRIPTION"))
    with pytest.raises(UndoneError), session.transaction():
        session.execute(subscribe)
        found = snapshot.snapshot_here(session, settings=True)
        raise UndoneError
    assert str(found).count("moonlit-harbour-83") == 2
    assert "moonlit-harbour" not in str(found.recorded())


def test_what_a_role_may_not_see_is_said(session: Connection) -> None:
    with pytest.raises(UndoneError), session.transaction():
        session.execute("SET LOCAL ROLE everything_reader")
        found = snapshot.snapshot_here(session, settings=True)
        raise UndoneError
    assert found.unseen == ("the options of user mappings",)


def test_the_statements_are_many_and_each_reason_is_a_listed_one() -> None:
    assert len(STATEMENTS) >= 250
    assert {why for _, why in STATEMENTS} - {""} == set(NOT_LOOKED_AT)


@pytest.mark.slow
def test_of_what_is_not_looked_at_nothing_is_in_the_schema_that_pg_dump_writes(
    rich: Database,
) -> None:
    with copied(rich, "not_looked_at") as database, database.connect() as connection:
        before = schema(database), roles(database)
        for _, sql in UNSEEN:
            connection.execute(sql)
            assert (schema(database), roles(database)) == before, sql


@pytest.fixture
def settled(rich: Database, tmp_path: Path) -> Iterator[Database]:
    """Hold the database restored once: what is made again prints as what was there."""
    archive = back_up(rich, tmp_path).archive
    with scratch_database(rich.maintenance(), "settled") as database:
        with database.connect() as connection:
            major = connection.server_major
        restore(database, major, archive, process.run, with_owners=True, jobs=1)
        yield database


@pytest.mark.slow
def test_a_statement_is_taken_back_as_pg_dump_sees_it_or_the_revert_says_that_it_cannot(
    settled: Database,
) -> None:
    taken_back, tried = set[str](), some_of_each_kind()
    for sql in tried:
        with copied(settled, "taken_back") as database:
            start = schema(database)
            with database.connect() as connection:
                before = reverts.state(connection)
                connection.execute(sql.replace("{database}", database.dbname))
                found = reverts.seen(connection, before, reverts.state(connection))
            with suppress(RunbookError):
                reverts.undo(database, found, **found.data)
                assert schema(database) == start, sql
                taken_back.add(sql)
    assert len(taken_back) > len(tried) / 2, sorted(taken_back)


def some_of_each_kind() -> list[str]:
    """Return of the statements that a revert could take back the first of every second kind."""
    tried = [sql for _, sql in reversed(SEEN) if not sql.startswith(ELSEWHERE)]
    return list({" ".join(sql.split()[:2]): sql for sql in tried}.values())[::2]
