"""Whatever a release adds, a revert leads back to what was, and to nothing else."""

import tempfile
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.configuration import set_hypothesis_home_dir

from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.additive import OLDER, releases
from tests.support.reverts import seen, state, undo
from tests.support.snapshots import everything

# What it notes of the sources is not the project's.
set_hypothesis_home_dir(f"{tempfile.gettempdir()}/hypothesis")
# The server's own catalogs, not the snapshot's queries: what a revert forgets shows here.
CATALOGS = """
SELECT c.oid::regclass::text AS name,
       (xpath('/table/row/n/text()', query_to_xml(format(
           'SELECT count(*) AS n FROM %s x WHERE oid >= 16384%s', c.oid::regclass,
           -- An older table may keep the place for its long values.
           CASE WHEN relname = 'pg_class' THEN ' AND relname !~ ''^pg_toast''' END
       ), true, false, '')))[1]::text::int AS n
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attname = 'oid'
WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared ORDER BY 1
"""


def all_of(connection: Connection) -> dict[str, object]:
    """Return all that has to be as it was, in every schema."""
    return everything(connection) | {"catalogs": connection.rows(CATALOGS)}


@pytest.fixture(scope="module")
def older(server: Sandbox) -> Iterator[Database]:
    """Create the older database once; each example gets a copy."""
    found = Database(server.conninfo(f"older_{uuid.uuid4().hex[:12]}"))
    found.create(found.dbname)
    with found.connect() as connection:
        connection.execute(OLDER)
    yield found
    found.drop(found.dbname)


def leads_back(older: Database, release: list[str]) -> None:
    """Execute the statements on a copy, revert them, and compare with what was."""
    copy = older.on(f"{older.dbname}_copy")
    with older.maintenance().connect() as session:
        session.execute(f'CREATE DATABASE "{copy.dbname}" TEMPLATE "{older.dbname}"')
    try:
        with copy.connect() as connection:
            before, old = state(connection), all_of(connection)
            for statement in release:
                connection.execute(statement)
            diagnosis = seen(connection, before, state(connection))
            assert diagnosis.changed == ()
            undo(copy, diagnosis, **diagnosis.data)
            assert all_of(connection) == old
    finally:
        older.drop(copy.dbname)


@pytest.mark.slow
@settings(
    max_examples=60,
    derandomize=True,  # the same examples each time
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(release=releases())
def test_whatever_a_release_adds_is_taken_back(older: Database, release: list[str]) -> None:
    leads_back(older, release)
