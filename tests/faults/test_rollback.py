"""A rollback that is killed, cut off or loses its server leaves the old or the new, and ends."""

import json
import pickle
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runbook_lib import catalog, ledger
from runbook_lib.apply import Applier
from runbook_lib.changes import touched
from runbook_lib.database import Database
from runbook_lib.evidence import Journal
from runbook_lib.policy import Policy
from runbook_lib.sandbox import Sandbox
from tests.db.snapshots import SHOP, back_up, identified
from tests.faults.bench import POLICY, REPOSITORY, wait_for
from tests.faults.test_server import stop
from tests.faults.undoer import COMMIT, GO, HALF, HELD, PG_RESTORE, Strike, Undo
from tests.releases import migration_of

RELEASE = """
ALTER TABLE users ADD organization_id int;
CREATE TABLE organizations (id int PRIMARY KEY, owner_id int REFERENCES users);
INSERT INTO organizations VALUES (1, 1);
CREATE INDEX orders_user ON orders (user_id);
"""
INDEX = "index public.orders.orders_user"
State = tuple[dict[str, str], dict[str, catalog.Contents], frozenset[str]]


def state(database: Database) -> State:
    """Return schema, contents and what the ledger calls applied."""
    with database.connect() as connection:
        tables = [x for x in catalog.tables_by_size(connection) if x[1] != catalog.LEDGER]
        return (
            dict(catalog.take_snapshot(connection).objects),
            catalog.read_contents(connection, tables),
            ledger.applied(ledger.read(connection)),
        )


@dataclass
class Shop:
    """Hold a database after a release, what it was before, and what takes the release back."""

    database: Database
    undo: Undo
    old: State
    new: State

    def start(self, restore: bool, strike: Strike | None = None) -> "subprocess.Popen[str]":
        """Start a rollback in a process of its own."""
        file = self.undo.directory / "undo.pickle"
        file.write_bytes(pickle.dumps(replace(self.undo, restore=restore, strike=strike)))
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.undoer", str(file)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def held(self, process: "subprocess.Popen[str]") -> int:
        """Return the pid of the session that stands at the strike, 0 for none."""
        held = self.undo.directory / HELD
        wait_for(lambda: held.exists() or process.poll() is not None, "the rollback waits")
        assert process.poll() is None, process.communicate()
        return int(held.read_text())

    def go(self, process: "subprocess.Popen[str]") -> str:
        """Let it go on to its end; return the kind of its error, empty for none."""
        (self.undo.directory / GO).touch()
        out, err = process.communicate(timeout=60)
        assert not err, err
        return str(json.loads(out.splitlines()[-1])["error"])

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

    def completes(self, restore: bool) -> None:
        """Roll back once more, undisturbed: the target is what it was before the release."""
        process = self.start(restore)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, ""), out
        assert state(self.database) == self.old

    def wait_alone(self) -> None:
        """Return when the sessions of a process that is gone are over."""
        with self.database.maintenance().connect() as connection:
            sql = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = %(name)s"
            wait_for(lambda: connection.value(sql, {"name": self.database.dbname}), "alone")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a server that these tests alone use, and may stop."""
    with Sandbox(tmp_path_factory.mktemp("own")) as sandbox:
        with Database(sandbox.conninfo()).connect() as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # the system's cache outlives it
            connection.rows("SELECT pg_reload_conf()")
        yield sandbox
        sandbox.stop()


@pytest.fixture
def shop(own_server: Sandbox, tmp_path: Path) -> Iterator[Shop]:
    """Make the shop, back it up, and apply the release."""
    database = Database(own_server.conninfo(f"test_{uuid.uuid4().hex[:12]}"))
    database.create(database.dbname)
    with database.connect() as connection:
        connection.execute(SHOP)
        before = catalog.take_snapshot(connection, settings=True)
    old, backup = state(database), back_up(database, tmp_path / "backups")
    migration = migration_of(tmp_path, RELEASE)
    Applier(database, Policy(), Journal(tmp_path / "journal.jsonl")).migrate(migration)
    new = state(database)
    with database.connect() as connection:
        marks = touched(before, catalog.take_snapshot(connection, settings=True))
    parameters, major = dict(database.parameters), identified(database).major
    told = parameters, dict(POLICY), before, marks, (migration,), backup, major
    made = Shop(database, Undo(tmp_path, *told), old, new)
    yield made
    for name in [database.dbname, *made.beside()]:
        database.drop(name)


# --- where it strikes, and what is then there -----------------------------------------------------

OLD, NEW, NO_INDEX = "old", "new", "new, without the index that was dropped concurrently"
REVERT = {
    "before the concurrent drop": (Strike("DROP INDEX CONCURRENTLY"), NEW),
    "after the concurrent drop": (Strike("DROP INDEX CONCURRENTLY", after=True), NO_INDEX),
    "inside, locks taken": (Strike("LOCK TABLE", after=True), NO_INDEX),
    "inside, before the drops": (Strike("SAVEPOINT runbook_drop"), NO_INDEX),
    "inside, after all drops": (Strike("RELEASE SAVEPOINT runbook_drop", after=True), NO_INDEX),
    "before COMMIT": (Strike(COMMIT), NO_INDEX),
    "after COMMIT, not recorded": (Strike(COMMIT, after=True), OLD),
}
RESTORE = {
    "database created": (Strike("CREATE DATABASE", after=True), NEW),
    "inside pg_restore": (Strike(HALF), NEW),
    "after pg_restore": (Strike(PG_RESTORE, after=True), NEW),
    "before the swap": (Strike("ALTER DATABASE"), NEW),
    "between the two names": (Strike("ALTER DATABASE", after=True), NEW),
    "before COMMIT": (Strike(COMMIT), NEW),
    "after COMMIT, not recorded": (Strike(COMMIT, after=True), OLD),
}
CASES = [
    pytest.param(restore, strike, leaves, id=f"{'restore' if restore else 'revert'}, {name}")
    for restore, cases in ((False, REVERT), (True, RESTORE))
    for name, (strike, leaves) in cases.items()
]
each = pytest.mark.parametrize(("restore", "strike", "leaves"), CASES)


def stands(shop: Shop, leaves: str) -> None:
    """The target answers under its name, and is exactly what it must be."""
    schema, contents, applied = shop.new
    without = {key: text for key, text in schema.items() if key != INDEX}
    expected = {OLD: shop.old, NEW: shop.new, NO_INDEX: (without, contents, applied)}
    assert state(shop.database) == expected[leaves]


@each
def test_a_rollback_that_is_killed_leaves_one_or_the_other(
    shop: Shop, restore: bool, strike: Strike, leaves: str
) -> None:
    process = shop.start(restore, strike)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (out, err)
    shop.wait_alone()
    stands(shop, leaves)
    # What the killed try had begun to restore stays beside: no process is left to drop it.
    begun = int(restore and leaves == NEW)
    assert shop.count("restored") == begun
    shop.completes(restore)
    assert shop.count("restored") == 0
    assert shop.count("before_rollback") == restore + (restore and leaves == OLD)


@each
def test_a_rollback_whose_session_is_ended_leaves_one_or_the_other(
    shop: Shop, restore: bool, strike: Strike, leaves: str
) -> None:
    process = shop.start(restore, replace(strike, hold=True))
    pid = shop.held(process)
    with shop.database.maintenance().connect() as connection:
        # Between two sessions, or with one that was to say no more, nothing is cut.
        if not pid or strike.at == "CREATE DATABASE":
            leaves = OLD
        if pid:
            assert connection.value(f"SELECT pg_terminate_backend({pid}, 10000)")
    error = shop.go(process)
    assert error == ("" if leaves == OLD else "TargetError")
    stands(shop, leaves)
    assert shop.count("restored") == 0
    shop.completes(restore)
    assert shop.count("restored") == 0


@each
def test_a_server_that_dies_leaves_one_or_the_other(
    shop: Shop,
    own_server: Sandbox,
    restore: bool,
    strike: Strike,
    leaves: str,
) -> None:
    process = shop.start(restore, replace(strike, hold=True))
    shop.held(process)
    stop(own_server)
    error = shop.go(process)
    own_server.use()
    assert error in {"TargetError", "ToolError"} or (error == "" and leaves == OLD)
    stands(shop, leaves)
    # The server was away when the try wanted to drop what it had begun.
    begun = int(restore and leaves == NEW)
    assert shop.count("restored") == begun
    shop.completes(restore)
    assert shop.count("restored") == 0
