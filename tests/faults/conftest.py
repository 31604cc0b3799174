"""Give fault tests a bench: a database with rows, a release, and what it must come to."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_lib.database import Database
from runbook_lib.sandbox import Sandbox
from tests.faults.bench import Bench, State
from tests.faults.driver import drive
from tests.faults.scenarios import Scenario

MakeBench = Callable[[Scenario], Bench]
Undisturbed = Callable[[Scenario], State]


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
