"""Newer programs restore into an older server, though they set what that does not know."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_lib.backup.archive import restore, stops_at_timeout
from runbook_lib.backup.files import read_snapshot
from runbook_lib.errors import ToolError
from runbook_lib.evidence.records import Backup
from runbook_lib.postgres import process, snapshot, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.rollback.in_place import restore_in_place
from runbook_lib.rollback.restore import Restorer, losses
from tests.support.majors import server_of
from tests.support.memory import MakeDirectory
from tests.support.senders import unheard
from tests.support.servers import scratch_database
from tests.support.snapshots import POLICY, back_up

OLDER = 15
SHOP = """CREATE TABLE item (id serial PRIMARY KEY, name text);
INSERT INTO item (name) SELECT 'item ' || n FROM generate_series(1, 100) n;
CREATE TABLE line (item_id int REFERENCES item, n int, PRIMARY KEY (item_id, n));
INSERT INTO line SELECT n, 1 FROM generate_series(1, 100) n;
SELECT lo_from_bytea(4711, 'a scan')"""
RELEASE = "UPDATE item SET name = 'x'; ALTER TABLE line ADD price int; SELECT lo_unlink(4711)"


@pytest.fixture
def shop(in_memory: MakeDirectory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Hold a database of an older server, with the programs of a newer one alone."""
    newer = [item for item in tools.installations() if item.version[0] > OLDER]
    if not newer:
        pytest.skip(f"no PostgreSQL newer than {OLDER} is here")
    monkeypatch.setenv(tools.BINDIR_VARIABLE, str(newer[0].bindir))
    with (
        server_of(OLDER, in_memory("older")) as maintenance,
        scratch_database(maintenance, "shop") as database,
    ):
        with database.connect() as connection:
            connection.execute(SHOP)
        yield database


def contents(database: Database) -> object:
    with database.runner_session() as connection:
        found = snapshot.read_contents(connection, snapshot.tables_by_size(connection))
        scan = connection.rows("SELECT lo_get(oid) FROM pg_largeobject_metadata")
        return {name: item for name, item in found.items() if name != snapshot.LEDGER}, scan


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_it_restores_all_and_passes_over_that_setting_alone(
    shop: Database, tmp_path: Path, jobs: int
) -> None:
    backup = back_up(shop, tmp_path)
    assert stops_at_timeout(OLDER)
    with scratch_database(shop.maintenance(), "again") as again:
        restore(again, OLDER, backup.archive, process.run, with_owners=True, jobs=jobs)
        assert contents(again) == contents(shop)
        with pytest.raises(ToolError, match=r"CREATE TABLE .+ already exists"):
            restore(again, OLDER, backup.archive, process.run, with_owners=True, jobs=jobs)


@pytest.mark.slow
def test_a_server_that_is_lost_meanwhile_is_not_passed_over(shop: Database, tmp_path: Path) -> None:
    backup = back_up(shop, tmp_path)
    with pytest.raises(ToolError, match="does not exist"):
        nowhere = shop.on("nowhere")
        restore(nowhere, OLDER, backup.archive, process.run, with_owners=True, jobs=1)


def beside(restorer: Restorer, _: Backup) -> None:
    restorer.database.drop(restorer.beside().kept_as)


def in_place(restorer: Restorer, backup: Backup) -> None:
    with restorer.database.runner_session() as connection:
        lost = {item.table: item.now for item in losses(connection, backup)}
    restore_in_place(restorer, read_snapshot(backup), lost)


@pytest.mark.parametrize("way", [beside, pytest.param(in_place, marks=pytest.mark.slow)])
def test_each_way_back_by_a_backup_leads_to_the_start(
    shop: Database, tmp_path: Path, way: Callable[[Restorer, Backup], None]
) -> None:
    before, backup = contents(shop), back_up(shop, tmp_path)
    with shop.connect() as connection:
        connection.execute(RELEASE)
    assert contents(shop) != before
    way(Restorer(shop, OLDER, backup, POLICY, unheard()), backup)
    assert contents(shop) == before
