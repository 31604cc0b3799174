"""What a release takes from older tables is counted, whatever does it; what it does not is not."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Loss, Taken
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.rehearsal.losses import Pristine
from tests.support.releases import migration_of
from tests.support.snapshots import POLICY

DATA = Path(__file__).resolve().parents[2] / "data" / "losses"
QUICK = {"delete-that-cascades", "rename-swap-of-most", "numeric-narrowed", "made-partitioned"}


def read(kind: str) -> list[Any]:
    """Return the cases of a file as parameters: a few are quick to run, the others slow."""
    cases: dict[str, dict[str, Any]] = tomllib.loads((DATA / f"{kind}.toml").read_text())
    return [
        pytest.param(case, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, case in cases.items()
    ]


@dataclass(frozen=True)
class Here:
    """Stand for the place of a rehearsal: the server of the tests."""

    target: Database
    superuser: str = "postgres"
    password: str = ""
    major: int = 17
    reaches: str = ""
    directory: Path = Path()

    def database(self, dbname: str, user: str = "") -> Database:
        return self.target.having(dbname=dbname, user=user or self.superuser)

    def location(self, number: int) -> str:
        raise NotImplementedError

    def write_settings(self, settings: Mapping[str, str]) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Bench:
    """Apply a file to a database beside which a pristine copy of it stands."""

    target: Database
    journal: Journal
    directory: Path

    def lost(self, sql: str) -> tuple[list[Loss], list[Taken]]:
        pristine, taken = Pristine.of(Here(self.target), self.target), list[Taken]()
        try:
            applier = Applier(
                self.target, POLICY, self.journal.emit, counter=pristine.counter(taken.extend)
            )
            applier.migrate(migration_of(self.directory, sql))
            return list(pristine.losses()), taken
        finally:
            pristine.drop()


@pytest.fixture
def bench(target: Database, connection: Connection, journal: Journal, tmp_path: Path) -> Bench:
    connection.execute((DATA / "base.sql").read_text())
    connection.close()
    return Bench(target, journal, tmp_path)


def made(bench: Bench, case: Mapping[str, Any]) -> None:
    with bench.target.connect() as connection:
        connection.execute(case.get("setup", ""))


def said(loss: Loss) -> str:
    return f"{loss.rule} {loss.object} {loss.count} of {loss.rows}"


@pytest.mark.parametrize("case", read("lost"))
def test_what_is_lost_is_counted_by_table_and_column(bench: Bench, case: Mapping[str, Any]) -> None:
    made(bench, case)
    losses, _ = bench.lost(case["sql"])
    assert sorted(map(said, losses)) == case["lost"]


@pytest.mark.parametrize("case", read("kept"))
def test_what_only_looks_like_a_loss_is_none(bench: Bench, case: Mapping[str, Any]) -> None:
    made(bench, case)
    losses, _ = bench.lost(case["sql"])
    assert losses == []
