"""Whatever others hold locked, to look at the target ends within a bound and names who it is."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.checks import verify
from runbook_lib.errors import RunbookError
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.catalog import read_facts
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.locks import bound_locks
from runbook_lib.release.model import Release
from tests.support.policies import changed
from tests.support.prechecks import checked, of_users
from tests.support.releases import migration_of
from tests.support.sessions import holding
from tests.support.snapshots import POLICY, SHOP, back_up

BOUND = 15.0  # seconds: the longest lock_timeout, and what a busy machine adds
PATIENT = changed(POLICY, locks={"timeout": 1.0})
HELD = {
    "table": "LOCK users",
    "view": "ALTER VIEW named RENAME TO other",
    "materialized view": "ALTER MATERIALIZED VIEW counted RENAME TO other",
    "index": "ALTER INDEX orders_user RENAME TO other",
    "sequence": "ALTER SEQUENCE numbers RENAME TO other",
    "ledger": "LOCK _prisma_migrations",
    "catalog": "LOCK pg_catalog.pg_constraint",
}
OBJECTS = f"""{SHOP}
CREATE VIEW named AS SELECT name FROM users;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders;
CREATE INDEX orders_user ON orders (user_id);
CREATE SEQUENCE numbers;
"""


def read_with(act: Callable[[Connection], object]) -> Callable[[Database, Release, Path], object]:
    """Return what looks with an own session under the policy."""

    def look(target: Database, release: Release, directory: Path) -> object:
        with target.runner_session() as connection:
            bound_locks(connection, PATIENT)
            return act(connection)

    return look


def prechecked(target: Database, release: Release, directory: Path) -> object:
    with target.runner_session() as connection:
        bound_locks(connection, PATIENT)
        return checked(connection, release)


def backed_up(target: Database, release: Release, directory: Path) -> object:
    return back_up(target, directory / "backups", PATIENT)


def verified(target: Database, release: Release, directory: Path) -> object:
    with target.runner_session() as connection:
        return verify.compare_objects(target, connection, release)


ACTS = {
    "snapshot": read_with(lambda connection: snapshot.take_snapshot(connection, settings=True)),
    "facts": read_with(lambda connection: read_facts(connection, 17)),
    "rows": read_with(snapshot.count_rows),
    "ledger": read_with(ledger.read),
    "prechecks": prechecked,
    "backup": backed_up,
    "verify": verified,
}
WAITS = {  # what is known to wait; the others may, and are held to the bound as well
    ("snapshot", "view"),
    ("rows", "table"),
    ("ledger", "ledger"),
    ("backup", "table"),
    ("backup", "view"),
    ("verify", "catalog"),
}


@pytest.fixture
def release(target: Database, applier: Applier, connection: Connection, tmp_path: Path) -> Release:
    connection.execute(OBJECTS)
    applier.migrate(migration_of(tmp_path / "before", "SELECT 1"))
    return of_users(tmp_path)


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.one_of_each("act")
def test_a_lock_is_waited_for_within_a_bound_and_its_holder_is_named(
    act: str, held: str, target: Database, release: Release, tmp_path: Path
) -> None:
    said = ""
    with holding(target, HELD[held]) as holder:
        begin = time.monotonic()
        try:
            ACTS[act](target, release, tmp_path)
        except RunbookError as error:
            said = str(error)
        assert time.monotonic() - begin < BOUND
    if said:
        assert f"pid {holder.pid} (" in said
        assert "SQLSTATE 55P03" in said or act == "backup"
        assert not any((tmp_path / "backups").glob("*"))
    assert said or (act, held) not in WAITS
