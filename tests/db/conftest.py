"""Give database tests the runbook's own handles on an empty database."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.config.policies import Locks, Policy, Statements
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox


@pytest.fixture
def target(database: dict[str, str]) -> Database:
    """Return the test's database as the runbook addresses it."""
    return Database(database)


@pytest.fixture
def connection(target: Database) -> Iterator[Connection]:
    """Hold one session on the test's database."""
    with target.connect() as session:
        yield session


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def applier(target: Database, journal: Journal) -> Applier:
    """Return an applier that waits for nothing long."""
    policy = Policy(
        locks=Locks(timeout=0.2, tries=2, pause=0.1, runner_wait=0.2),
        statements=Statements(timeout=20.0, reconnect_wait=2.0),
    )
    return Applier(target, policy, journal.emit)


@pytest.fixture(scope="module")
def shared(server: Sandbox) -> Iterator[Database]:
    """Create one database for the tests of a module, which leave it as they found it."""
    found = Database(server.conninfo(f"shared_{uuid.uuid4().hex[:12]}"))
    found.create(found.dbname)
    yield found
    found.drop(found.dbname)
