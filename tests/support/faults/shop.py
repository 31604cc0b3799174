"""A small shop after a release, what it was before, and what takes the release back."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import Database
from runbook_lib.rollback import in_place
from tests.support.faults import undoer
from tests.support.faults.bench import wait_for
from tests.support.faults.forked import Forked
from tests.support.faults.undoer import GO, HELD, REVERT, Strike, Undo
from tests.support.policies import changed

RELEASE = """
ALTER TABLE users ADD organization_id int;
CREATE TABLE organizations (id int PRIMARY KEY, owner_id int REFERENCES users);
INSERT INTO organizations VALUES (1, 1);
CREATE INDEX orders_user ON orders (user_id);
"""
INDEX = "index public.orders.orders_user"
OLD, WRITTEN, NEW = "as backed up", "as before the release", "as after the release"
NO_INDEX = "as after the release, without the index that was dropped concurrently"
ASIDE = "with each table as after the release, in its place or aside"
RESTORED = "as backed up, and what is left of the release's moved aside"
State = tuple[dict[str, str], dict[str, snapshot.Contents], frozenset[str]]


def state(database: Database) -> State:
    """Return schema, contents and what the ledger calls applied."""
    with database.connect() as connection:
        tables = [x for x in snapshot.tables_by_size(connection) if x[1] != snapshot.LEDGER]
        return (
            dict(snapshot.take_snapshot(connection).objects),
            snapshot.read_contents(connection, tables),
            ledger.applied(ledger.read(connection)),
        )


@dataclass
class Shop:
    """Hold a database after a release, what it was before, and what takes the release back.

    ``old`` is as backed up; ``written``, with a row of the application's, as before the release.
    """

    database: Database
    undo: Undo
    old: State
    written: State
    new: State

    def start(self, way: str, strike: Strike | None = None, **parts: Mapping[str, float]) -> Forked:
        """Start a rollback in a process of its own."""
        file, policy = self.undo.directory / "undo.pickle", changed(self.undo.policy, **parts)
        file.write_bytes(pickle.dumps(replace(self.undo, way=way, strike=strike, policy=policy)))
        return Forked(undoer.main, str(file))

    def held(self, process: Forked) -> int:
        """Return the pid of the session that stands at the strike, 0 for none."""
        held = self.undo.directory / HELD
        wait_for(lambda: held.exists() or process.poll() is not None, "the rollback waits")
        assert process.poll() is None, process.communicate()
        return int(held.read_text())

    def end(self, process: Forked) -> tuple[str, str]:
        """Return the kind of the error that it ends with, empty for none, and what that says."""
        out, err = process.communicate(timeout=60)
        assert not err, err
        said = json.loads(out.splitlines()[-1])
        return said["error"], said["said"]

    def go(self, process: Forked) -> str:
        """Let it go on to its end; return the kind of its error, empty for none."""
        (self.undo.directory / GO).touch()
        return self.end(process)[0]

    def beside(self) -> list[str]:
        """Return the databases beside the target, without their dates."""
        with self.database.maintenance().connect() as connection:
            rows = connection.rows(
                "SELECT datname AS name FROM pg_database WHERE starts_with(datname, %(name)s)",
                {"name": f"{self.database.dbname}_"},
            )
        return sorted(row["name"] for row in rows)

    def count(self, word: str) -> int:
        return sum(f"_{word}_" in name for name in self.beside())

    def completes(self, way: str) -> None:
        """Roll back once more, undisturbed: the target is what it was before the release."""
        assert self.end(self.start(way)) == ("", "")
        assert state(self.database) == (self.written if way == REVERT else self.old)

    def wait_alone(self) -> None:
        """Return when the sessions of a process that is gone are over."""
        with self.database.maintenance().connect() as connection:
            sql = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = %(name)s"
            wait_for(lambda: connection.value(sql, {"name": self.database.dbname}), "alone")


def stands(shop: Shop, leaves: str) -> None:
    """The target answers under its name, and is exactly what it must be."""
    if leaves in {ASIDE, RESTORED}:
        found = [*state(shop.database)[1].items()]
        there = [(name.replace(f"{in_place.ASIDE}_1.", "public."), rows) for name, rows in found]
        wanted = shop.new[1] if leaves == ASIDE else shop.old[1]
        assert not [item for item in wanted.items() if item not in there]
        return
    schema, contents, applied = shop.new
    without = {key: text for key, text in schema.items() if key != INDEX}
    no_index = without, contents, applied
    expected = {OLD: shop.old, WRITTEN: shop.written, NEW: shop.new, NO_INDEX: no_index}
    assert state(shop.database) == expected[leaves]
