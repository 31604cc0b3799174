"""A database with everything in it comes back equal from its backup, on each major that is here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.backup.archive import restore
from runbook_lib.errors import ToolError
from runbook_lib.postgres import process, snapshot, tools
from runbook_lib.postgres.cluster import temporary_cluster
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.rollback.reprint import as_printed, set_otherwise
from tests.support.everything import everything, schema
from tests.support.memory import MakeDirectory
from tests.support.reverts import state
from tests.support.servers import scratch_database
from tests.support.snapshots import back_up

PARTS = ("column ", "index ", "constraint ")


@pytest.fixture(params=(15, 16, 17, 18))
def rich(request: pytest.FixtureRequest, in_memory: MakeDirectory) -> Iterator[Database]:
    """Hold the large one on a server of each major version that is here."""
    try:
        installation = tools.server_installation(request.param)
    except ToolError:
        pytest.skip(f"no PostgreSQL {request.param} is here")
    with (
        temporary_cluster(in_memory("majors"), installation, {}) as cluster,
        everything(cluster.database("postgres"), many=True) as database,
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
