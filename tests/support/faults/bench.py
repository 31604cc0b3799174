"""One database, one release and its runs: start them, watch them, and read back what is there."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from runbook_lib.config.policies import Health, Indexes, Locks, Policy, Statements
from runbook_lib.errors import TargetError
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.run import Position, read_position
from runbook_lib.parser.identifiers import quote
from runbook_lib.postgres import catalog, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.ledger import read
from runbook_lib.release.model import Migration
from runbook_lib.release.plan import Step, StepKind
from runbook_lib.release.reader import read_release
from tests.support.faults import driver
from tests.support.faults.driver import GO, HELD, Fault, Orders, drive
from tests.support.faults.forked import Forked
from tests.support.faults.scenarios import STEP, TODAY, Scenario
from tests.support.policies import changed
from tests.support.releases import write_release

T = TypeVar("T")
PATIENCE = 30.0  # seconds before a condition that is waited for counts as never met
POLICY = Policy(
    locks=Locks(timeout=5.0, tries=3, pause=0.1, runner_wait=15.0),
    statements=Statements(timeout=30.0, reconnect_wait=10.0),
    indexes=Indexes(wait=30.0),
    health=Health(wait=5.0, disk_free=0),
)
RUNNER = "migration runbook"
_HERE = "SELECT oid FROM pg_database WHERE datname = current_database()"
_LOCK = f"locktype = 'advisory' AND objid = 72707369 AND database = ({_HERE})"


def wait_for(condition: Callable[[], T], what: str) -> T:
    """Return the condition's first true value."""
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, f"{what}: never within {PATIENCE} s"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class State:
    """Hold all that two databases must agree in after the same release."""

    fingerprint: str
    rows: Mapping[str, tuple[str, ...]]
    ledger: tuple[tuple[str, str, bool, int], ...]


def read_state(database: Database) -> State:
    """Read schema, rows and ledger of a database."""
    with database.connect() as connection:
        names = sorted(catalog.relations(connection) - {"public._prisma_migrations"})
        rows = {}
        for name in names:
            table = ".".join(quote(part) for part in name.split("."))
            found = connection.rows(f"SELECT t::text AS line FROM {table} t ORDER BY 1")
            rows[name] = tuple(row["line"] for row in found)
        applied = tuple(
            (row.name, row.checksum, row.finished, row.applied_steps) for row in read(connection)
        )
        return State(snapshot.take_snapshot(connection).fingerprint, rows, applied)


@dataclass(frozen=True)
class Ended:
    """Hold how a run ended, by itself or killed."""

    code: int
    error: str = ""
    said: str = ""
    sqlstate: str | None = None
    outcomes: list[str] = field(default_factory=list)


class Runner:
    """Hold one process that applies the release."""

    def __init__(self, orders: Orders) -> None:
        self._directory = Path(orders.journal).parent
        for name in (HELD, GO):
            (self._directory / name).unlink(missing_ok=True)
        self._process = Forked(driver.main, json.dumps(asdict(orders)))

    def held(self) -> None:
        """Return when the run waits at its fault."""
        wait_for(lambda: self._there(HELD), "the run waits")

    def _there(self, name: str) -> bool:
        assert self._process.poll() is None, self._process.communicate()
        return (self._directory / name).exists()

    def go(self) -> None:
        (self._directory / GO).touch()

    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> Ended:
        """Wait for its end and return what it said."""
        out, err = self._process.communicate(timeout=2 * PATIENCE)
        code = self._process.returncode
        assert code is not None
        if not out:
            assert code == -signal.SIGKILL, err
            return Ended(code)
        assert not err, err
        return Ended(code, **json.loads(out.splitlines()[-1]))

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class Bench:
    """Hold one database with the application's rows, and the release that is run on it."""

    database: Database
    scenario: Scenario
    directory: Path
    runners: list[Runner] = field(default_factory=list)

    def __post_init__(self) -> None:
        write_release(self.directory / "release", self.scenario.files)
        with self.database.connect() as connection:
            connection.execute(TODAY)

    @property
    def journal(self) -> Journal:
        return Journal(self.directory / "journal.jsonl")

    @property
    def migration(self) -> Migration:
        return read_release(self.directory / "release").migration(STEP)

    def orders(self, fault: Fault | None = None, **but: Any) -> Orders:
        policy = changed(POLICY, **but.pop("policy", {}))
        given = {
            "release": str(self.directory / "release"),
            "journal": str(self.journal.path),
            "database": self.database.parameters,
            "policy": asdict(policy),
            "splits": {STEP: asdict(self.scenario.split)},
            "fault": asdict(fault) if fault else None,
        }
        return Orders(**{**given, **but})

    def start(self, fault: Fault | None = None, **but: Any) -> Runner:
        """Start a run in a process of its own."""
        self.runners.append(Runner(self.orders(fault, **but)))
        return self.runners[-1]

    def run(self, fault: Fault | None = None, **but: Any) -> Ended:
        """Run to the end, or to the kill."""
        return self.start(fault, **but).end()

    def position(self) -> Position:
        """Say where the first file stands, once the runner's own sessions are over."""
        self.wait(f"SELECT count(*) = 0 FROM pg_locks WHERE {_LOCK}")
        step = Step(STEP, StepKind.APPLY, self.migration.checksum, "", self.scenario.split)
        with self.database.connect() as connection:
            return read_position(connection, step, self.migration, self.journal)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.journal.lines() if line["event"] == name]

    def wait(self, sql: str) -> Any:
        """Return the first true value of a query."""
        with self.database.connect() as connection:
            return wait_for(lambda: connection.value(sql), sql)

    def value(self, sql: str) -> Any:
        with self.database.connect() as connection:
            return connection.value(sql)

    def wait_event(self, name: str) -> dict[str, Any]:
        """Return the journal's last line of an event once there is one."""
        return wait_for(lambda: self.events(name), name)[-1]

    def wait_queued(self, table: str) -> None:
        """Return when somebody waits for a lock on a table."""
        self.wait(f"SELECT bool_or(NOT granted) FROM pg_locks WHERE relation = '{table}'::regclass")

    def wait_phase(self, phase: str) -> int:
        """Return the pid of the build that stands in a phase."""
        with self.database.connect() as connection:
            sql = "SELECT max(pid) FROM pg_stat_progress_create_index WHERE phase LIKE %(phase)s"
            wanted = {"phase": phase}
            # The ledger's own index is built as well, in a moment that a busy machine stretches.
            sql += " AND datname = current_database() AND command LIKE '%% CONCURRENTLY'"
            try:
                return int(wait_for(lambda: connection.value(sql, wanted), phase))
            except AssertionError as error:
                here = "datname = current_database() AND pid <> pg_backend_pid()"
                stands = "SELECT * FROM pg_stat_activity LEFT JOIN pg_stat_progress_create_index"
                rows = connection.rows(f"{stands} USING (pid, datid, datname) WHERE {here}")
                raise AssertionError(
                    f"{error}; {rows}; {list(self.journal.lines())[-5:]}"
                ) from None

    def wait_gate(self) -> None:
        """Return when a build waits at its gate: its scan has begun, with the rows of now."""
        gates = f"locktype = 'advisory' AND objid IN (1001, 1002) AND database = ({_HERE})"
        self.wait(f"SELECT bool_or(NOT granted) FROM pg_locks WHERE {gates}")

    def wait_blocked(self) -> int:
        """Return the pid of the runner's session that waits for a lock."""
        return int(
            self.wait(
                "SELECT max(pid) FROM pg_stat_activity WHERE datname = current_database()"
                f" AND application_name = '{RUNNER}' AND wait_event_type = 'Lock'"
            )
        )

    def terminate(self, pid: int) -> None:
        """End one backend, and return when it is gone."""
        with self.database.connect() as connection:
            connection.rows("SELECT pg_terminate_backend(%(pid)s, 10000)", {"pid": pid})

    def file_session(self) -> int:
        """Return the pid of the session in which the file runs."""
        mark = (
            f"locktype = 'advisory' AND classid = 72707369 AND objid = 1 AND database = ({_HERE})"
        )
        return int(self.wait(f"SELECT max(pid) FROM pg_locks WHERE {mark} AND granted"))

    def holder(self) -> int:
        """Return the pid of the session that holds the runner's lock."""
        return int(self.wait(f"SELECT max(pid) FROM pg_locks WHERE {_LOCK} AND granted"))

    def wait_polled(self) -> None:
        """Return when a runner waits for another one's lock."""
        polls = f"application_name = '{RUNNER}' AND query LIKE '%pg_try_advisory_lock%'"
        self.wait(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
            f" AND {polls} AND pid NOT IN (pg_backend_pid(), {self.holder()})"
        )

    @contextmanager
    def open_transaction(self, *statements: str) -> Iterator[Connection]:
        """Hold a transaction of the application open until the block ends."""
        with self.database.connect() as connection:
            connection.execute("SET application_name = 'the application'")
            connection.execute("BEGIN")
            for sql in statements:
                connection.execute(sql)
            yield connection
            with suppress(TargetError):  # a server that was stopped ended it
                connection.rollback()

    def execute(self, sql: str) -> None:
        with self.database.connect() as connection:
            connection.execute(sql)

    def state(self) -> State:
        return read_state(self.database)

    def completes(self, expected: State) -> None:
        """Run once more, undisturbed: all is there, and once."""
        assert len(drive(self.orders())) == len(self.scenario.files)
        assert self.state() == expected
        assert str(self.position()).startswith(f"{STEP} is applied")

    def close(self) -> None:
        for runner in self.runners:
            runner.kill()


MakeBench = Callable[[Scenario], Bench]
Undisturbed = Callable[[Scenario], State]
