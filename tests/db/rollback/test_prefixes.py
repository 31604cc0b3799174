"""Each prefix of the shipped release is taken back, each way: all is as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import catalog, ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import touched
from runbook_lib.postgres.targets import build_schema, demo_statements, fill_tables
from runbook_lib.release import plan
from runbook_lib.release.model import Release
from runbook_lib.release.reader import read_release
from runbook_lib.rollback.diagnosis import diagnose
from runbook_lib.rollback.in_place import restore_in_place
from runbook_lib.rollback.restore import Restorer, losses
from runbook_lib.rollback.revert import revert
from tests.support.projects import REPOSITORY
from tests.support.senders import unheard
from tests.support.snapshots import POLICY, back_up, everything, identified

RELEASE = read_release(REPOSITORY / "sql")
ORDER = plan.order(RELEASE).names
# What a release does not touch, and a restore has to bring back.
DRESSED = """
ALTER DATABASE {database} CONNECTION LIMIT 77;
ALTER DATABASE {database} SET statement_timeout = '7min';
GRANT CONNECT ON DATABASE {database} TO pg_monitor;
COMMENT ON DATABASE {database} IS 'the shop';
GRANT SELECT ON users TO pg_monitor WITH GRANT OPTION; GRANT UPDATE (email) ON users TO pg_monitor;
COMMENT ON TABLE users IS 'who may enter'; COMMENT ON COLUMN users.email IS 'it''s 100 %';
ALTER TABLE products OWNER TO pg_monitor;
CREATE SEQUENCE tickets; CREATE SEQUENCE untouched;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION one FROM PUBLIC;
SELECT setval('tickets', 41), nextval('tickets');
GRANT USAGE ON SCHEMA public TO pg_monitor;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO pg_read_all_data;
"""


def prefixes() -> Iterator[Any]:
    today = RELEASE.production_today
    pending = [name for name in ORDER if name not in today]
    for start in (today, ()):
        left = pending if start else list(ORDER)
        for count in range(1, len(left) + 1):
            yield pytest.param(start, left[:count], id=f"{len(start)}+{count}")


@pytest.mark.parametrize(("start", "names"), list(prefixes()))
@pytest.mark.one_of_each("start")
def test_each_prefix_of_the_release_is_taken_back(
    applier: Applier,
    connection: Connection,
    target: Database,
    start: tuple[str, ...],
    names: list[str],
) -> None:
    build_schema(connection, [RELEASE.migration(name) for name in start])
    if start:
        _fill(connection, RELEASE)
    before, old = snapshot.take_snapshot(connection, settings=True), everything(connection)
    applied = [RELEASE.migration(name) for name in names]
    for migration in applied:
        applier.migrate(migration)
    marks = touched(before, snapshot.take_snapshot(connection, settings=True))
    diagnosis = diagnose(connection, before, marks, applied)
    assert (diagnosis.revertible, diagnosis.data) == (True, {})
    revert(target, POLICY, diagnosis, {}, unheard())
    assert everything(connection) == old
    assert ledger.applied(ledger.read(connection)) == frozenset()
    applier.migrate(RELEASE.migration(names[0]))  # pending again, and nothing is in its way


@pytest.mark.parametrize("in_place", [False, True], ids=["beside", "in place"])
@pytest.mark.parametrize(("start", "names"), [each for each in prefixes() if each.values[0]])
@pytest.mark.one_of_each("in_place")
def test_each_prefix_of_the_release_is_taken_back_by_restoring(
    applier: Applier,
    connection: Connection,
    target: Database,
    tmp_path: Path,
    start: tuple[str, ...],
    names: list[str],
    in_place: bool,
) -> None:
    build_schema(connection, [RELEASE.migration(name) for name in start])
    _fill(connection, RELEASE)
    connection.execute(DRESSED.format(database=target.dbname))
    before, old = snapshot.take_snapshot(connection, settings=True), everything(connection)
    backup, major = back_up(target, tmp_path / "backups"), identified(target).major
    for name in names:
        applier.migrate(RELEASE.migration(name))
    restorer = Restorer(target, major, backup, POLICY, unheard())
    if in_place:
        lost = {item.table: item.now for item in losses(connection, backup)}
        restore_in_place(restorer, before, lost)
        assert everything(connection) == old
        return
    done = restorer.beside()
    with target.connect() as restored:
        assert everything(restored) == old
    target.drop(done.kept_as)


def _fill(connection: Connection, release: Release) -> None:
    """Write the demo rows whose tables are there."""
    there = catalog.relations(connection)
    statements = [
        item
        for item in demo_statements(release.demo_files)
        if all(f"{x.object.schema}.{x.object.name}" in there for x in item.references)
    ]
    fill_tables(connection, statements, 0.01)
    assert sum(snapshot.count_rows(connection).values()) > 20
