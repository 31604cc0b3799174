"""Give fault tests a bench: a database with rows, a release, and what it must come to."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.config.policies import Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.snapshot import touched
from tests.support.faults.bench import POLICY, Bench, MakeBench, State, Undisturbed
from tests.support.faults.driver import drive
from tests.support.faults.scenarios import Scenario
from tests.support.faults.shop import RELEASE, Shop, state
from tests.support.faults.undoer import Undo
from tests.support.memory import MakeDirectory
from tests.support.releases import migration_of
from tests.support.servers import hurry
from tests.support.snapshots import SHOP, back_up, identified


@pytest.fixture
def bench_of(database: dict[str, str], tmp_path: Path) -> Iterator[MakeBench]:
    """Return what makes the test's bench; its processes end with the test."""
    made: list[Bench] = []

    def make(scenario: Scenario) -> Bench:
        made.append(Bench(Database(database), scenario, tmp_path))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


_undisturbed: dict[Scenario, State] = {}


@pytest.fixture
def undisturbed(server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return what an undisturbed run of a release comes to on a database of its own."""

    def run(scenario: Scenario) -> State:
        if scenario not in _undisturbed:
            database = Database(server.conninfo(f"undisturbed_{uuid.uuid4().hex[:12]}"))
            database.create(database.dbname)
            bench = Bench(database, scenario, tmp_path_factory.mktemp("undisturbed"))
            assert drive(bench.orders()) == ["done", "done"]
            _undisturbed[scenario] = bench.state()
            database.drop(database.dbname)
        return _undisturbed[scenario]

    return run


@pytest.fixture(scope="module")
def own_server(in_memory: MakeDirectory) -> Iterator[Sandbox]:
    """Run a server that these tests alone use, and may stop; the system's cache outlives it."""
    with Sandbox(in_memory("own")) as sandbox:
        hurry(sandbox)
        yield sandbox
        sandbox.stop()


@pytest.fixture
def shop(own_server: Sandbox, tmp_path: Path) -> Iterator[Shop]:
    """Make the shop, back it up, and apply the release."""
    database = Database(own_server.conninfo(f"test_{uuid.uuid4().hex[:12]}"))
    database.create(database.dbname)
    with database.connect() as connection:
        connection.execute(SHOP)
        before = snapshot.take_snapshot(connection, settings=True)
    old, backup = state(database), back_up(database, tmp_path / "backups")
    with database.connect() as connection:
        connection.execute("INSERT INTO users VALUES (21, 'new')")
    written = state(database)
    migration = migration_of(tmp_path, RELEASE)
    Applier(database, Policy(), Journal(tmp_path / "journal.jsonl").emit).migrate(migration)
    new = state(database)
    with database.connect() as connection:
        marks = touched(before, snapshot.take_snapshot(connection, settings=True))
    parameters, major = dict(database.parameters), identified(database).major
    lost = {"public.users": 21, "public.organizations": 1}
    told = parameters, POLICY, before, marks, (migration,), lost, backup, major
    made = Shop(database, Undo(tmp_path, *told), old, written, new)
    yield made
    for name in [database.dbname, *made.beside()]:
        database.drop(name)
