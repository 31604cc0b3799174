"""Apply a file to a database beside which a pristine copy stands, and count what it lost."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Loss, Outcome, Taken
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.row_counts import HeldCounter, Rehearsed, older_tables
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import SQL, Database, Identifier
from runbook_lib.rehearsal.losses import PRISTINE, Pristine
from runbook_lib.release.model import Acceptance, Migration
from tests.support.releases import migration_of
from tests.support.snapshots import POLICY

DATA = Path(__file__).resolve().parents[1] / "data" / "losses"
Case = Mapping[str, Any]


def read_losses(kind: str) -> dict[str, Case]:
    """Return the cases of a file by name."""
    cases: dict[str, Case] = tomllib.loads((DATA / f"{kind}.toml").read_text(encoding="utf-8"))
    return cases


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
class Rehearsing:
    """Hold what a file of a case lost, and the database as it was before it."""

    pristine: Pristine
    migration: Migration
    journal: Journal
    rows: Mapping[str, int]
    taken: list[Taken]
    losses: tuple[Loss, ...]

    @contextmanager
    def target(self) -> Iterator[Database]:
        """Hold a database as it was before the file."""
        found = self.pristine.copy.on(f"{self.pristine.copy.dbname}_target")
        with found.maintenance().runner_session() as connection:
            create = SQL("CREATE DATABASE {} TEMPLATE {}")
            names = Identifier(found.dbname), Identifier(PRISTINE)
            connection.execute(create.format(*names))
        try:
            yield found
        finally:
            found.drop(found.dbname)

    def apply(self, target: Database, *accepts: Acceptance) -> Outcome:
        """Apply the file there, held to what was counted; raises GateError."""
        with target.runner_session() as connection:
            tables = older_tables(connection)
        rehearsed = Rehearsed(self.rows, self.taken, self.losses, accepts)
        counter = HeldCounter(tables, rehearsed)
        return Applier(target, POLICY, self.journal.emit, counter=counter).migrate(self.migration)


@contextmanager
def rehearsing(
    target: Database, journal: Journal, directory: Path, case: Case
) -> Iterator[Rehearsing]:
    """Make the database of a case, and apply its file with a pristine copy beside."""
    with target.connect() as connection:
        connection.execute((DATA / "base.sql").read_text(encoding="utf-8"))
        connection.execute(case.get("setup", ""))
        rows = snapshot.count_rows(connection)
    migration, taken = migration_of(directory, case["sql"]), list[Taken]()
    pristine = Pristine.of(Here(target), target)
    try:
        counter = pristine.counter(taken.extend)
        Applier(target, POLICY, journal.emit, counter=counter).migrate(migration)
        yield Rehearsing(pristine, migration, journal, rows, taken, pristine.losses()[0])
    finally:
        pristine.drop()
