"""Build indexes while the application writes: side by side, watched, and read back."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from runbook_lib import duplicates
from runbook_lib.buildwatch import BuildWatch
from runbook_lib.database import Connection, Database, quote
from runbook_lib.errors import StatementError
from runbook_lib.model import DbObject, Statement
from runbook_lib.partitions import index_name, on_only, on_partition
from runbook_lib.policy import Policy
from runbook_lib.queries import load
from runbook_lib.retries import retrying
from runbook_lib.sending import Sender

_LOOK = 0.5  # seconds between two looks at the builds
_UNSEEN_CORES = 2  # of a server on another machine
_LOCAL = {"", "localhost", "127.0.0.1", "::1"}
_EXISTS, _DUPLICATES = "42P07", "23505"
_SETTLINGS = 3  # a build that another session finished under our hands shows at the next look


@dataclass(frozen=True)
class Builder:
    """Build the indexes of one step, never two on one table at a time.

    Each table has a session of its own, without lock_timeout, which would cancel a build even for a
    transaction on another table (PostgreSQL manual, CREATE INDEX, "Building Indexes Concurrently").
    """

    database: Database
    policy: Policy
    sender: Sender

    def build(
        self,
        step: str,
        unit: int,
        statements: Sequence[Statement],
        settings: Sequence[str],
        *,
        unsure: bool,
    ) -> None:
        """Build all of them; ``settings`` are the SET statements of the file before them.

        ``unsure`` says that an earlier try may have run some: a valid index then is its work, and
        a build that still runs on the server is waited for. An invalid leftover is dropped. After
        a failure no further build begins; raises the first error once those that run have ended.
        """
        tables: dict[DbObject, list[Statement]] = {}
        for statement in statements:
            tables.setdefault(statement.locks[0].relation, []).append(statement)
        work = _Work(self, step, unit, settings, unsure)
        with ThreadPoolExecutor(self._lanes(), thread_name_prefix="build") as pool:
            lanes = [pool.submit(work.on_table, mine) for mine in tables.values()]
            try:
                self._watch(work, lanes)
            except BaseException:  # an interrupt, or a watch that lost the server
                work.stop()
                raise
        work.stopped.set()
        for error in filter(None, (lane.exception() for lane in lanes)):
            raise error

    def _lanes(self) -> int:
        if self.sender.probe is not None:  # what it sees has to be of one statement
            return 1
        host = self.database.parameters.get("host", "")
        cores = os.cpu_count() or 1 if host in _LOCAL or host.startswith("/") else _UNSEEN_CORES
        return self.policy.index_lanes or cores

    def _watch(self, work: "_Work", lanes: Sequence["Future[None]"]) -> None:
        """Look at the builds until all have ended; after the first error none begins."""
        if self.sender.probe is not None:  # a rehearsal: nobody else is there
            wait(lanes)
            return
        with self.database.connect() as connection:
            watch = BuildWatch(connection, self.policy, self.sender.watcher, work.step)
            left = set(lanes)
            while left:
                done, left = wait(left, timeout=_LOOK, return_when=FIRST_EXCEPTION)
                if any(lane.exception() for lane in done) and not self.sender.go_on:
                    work.stopped.set()
                watch.look(work.running)


@dataclass
class _Work:
    """Hold what the lanes of one unit share."""

    builder: Builder
    step: str
    unit: int
    settings: Sequence[str]
    unsure: bool
    stopped: threading.Event = field(default_factory=threading.Event)
    running: dict[int, str] = field(default_factory=dict)  # by pid: the index that is built
    connections: dict[int, Connection] = field(default_factory=dict)

    @property
    def sender(self) -> Sender:
        return self.builder.sender

    def stop(self) -> None:
        """Let no build begin, and cancel those that run: each drops what it began."""
        self.stopped.set()
        for connection in list(self.connections.values()):
            connection.cancel()

    def on_table(self, statements: Sequence[Statement]) -> None:
        """Build the indexes of one table, one after the other."""
        with self._session() as connection:
            for statement in statements:
                if self.stopped.is_set():
                    return
                try:
                    self._build(connection, statement)
                except StatementError:
                    if not self.sender.go_on:
                        raise

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        policy = self.builder.policy
        with self.builder.database.connect() as connection:
            for setting in self.settings:
                connection.execute(setting)
            wanted = {"lock_timeout": "0", "statement_timeout": "0"}
            if policy.index_memory:
                wanted["maintenance_work_mem"] = policy.index_memory
            if policy.index_workers >= 0:
                wanted["max_parallel_maintenance_workers"] = str(policy.index_workers)
            for name, value in wanted.items():
                _set(connection, name, value)
            self.connections[connection.pid] = connection
            try:
                yield connection
            finally:
                del self.connections[connection.pid]

    def _build(self, connection: Connection, statement: Statement) -> None:
        table = statement.locks[0].relation
        parts = connection.rows(load("partitions"), {"schema": table.schema, "table": table.name})
        if parts:
            self._partitioned(connection, statement, parts)
        else:
            self._one(connection, statement)

    def _one(self, connection: Connection, statement: Statement) -> None:
        """Build one index, unless it is there as the work of an earlier try; read it back."""
        name = next((str(item) for item in statement.creates if item.kind == "index"), "")
        for _ in range(_SETTLINGS):
            if self._settled(connection, statement):
                return
            self.running[connection.pid] = name
            try:
                self.sender.begin(connection)
                self.sender.send(connection, self.step, statement, self.unit)
            except StatementError as error:
                if error.sqlstate == _EXISTS and self.unsure:
                    continue  # the session of the earlier try was quicker
                self._tidy(connection, statement, error)
                raise
            finally:
                self.running.pop(connection.pid, None)
            break
        state = _state(connection, statement)
        if name and (state is None or not state["valid"]):
            message = f"Index {name} is not valid after its build."
            refused = StatementError(message, sqlstate=None)
            raise refused.at(statement.path, statement.line, statement.sql)
        self.sender.watcher.event("built", self.step, index=name)

    def _settled(self, connection: Connection, statement: Statement) -> bool:
        """Wait for a build that still runs, drop an invalid leftover; tell whether it is built."""
        state = _state(connection, statement)
        table = statement.locks[0].relation
        if state is None or (state["table_schema"], state["table_name"]) != (
            table.schema,
            table.name,
        ):
            return False
        if not state["valid"]:
            if state["builder"]:
                self._note("adopted", statement, pid=state["builder"])
            # A build holds this lock until it ends: behind it nobody else works on the index.
            with connection.transaction():
                name = f"{quote(table.schema)}.{quote(table.name)}"
                connection.execute(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")
            state = _state(connection, statement)
        if state is not None and not state["valid"]:
            self._drop(connection, statement)
            return False
        return state is not None and self.unsure

    def _tidy(self, connection: Connection, statement: Statement, error: StatementError) -> None:
        """Say which rows are in the way of a unique index, and drop what the build left behind."""
        state = _state(connection, statement)
        table = statement.locks[0].relation
        if state is None or state["valid"] or state["table_name"] != table.name:
            return
        if error.sqlstate == _DUPLICATES:
            error.message += f" {duplicates.describe(connection, state['oid'])}"
        self._drop(connection, statement)

    def _drop(self, connection: Connection, statement: Statement) -> None:
        item = next(item for item in statement.creates if item.kind == "index")
        self._note("leftover", statement)
        connection.execute(f"DROP INDEX CONCURRENTLY {quote(item.schema)}.{quote(item.name)}")

    def _note(self, event: str, statement: Statement, **content: object) -> None:
        name = next(str(item) for item in statement.creates if item.kind == "index")
        words = {
            "leftover": f"drops the invalid index {name}",
            "adopted": f"waits for the build of {name} that still runs on the server",
        }
        self.sender.watcher.said(words[event])
        self.sender.watcher.event(event, self.step, index=name, **content)

    def _partitioned(
        self, connection: Connection, statement: Statement, parts: Sequence[Mapping[str, Any]]
    ) -> None:
        """Build on each partition, then attach: the parent cannot be built concurrently."""
        table = statement.locks[0].relation
        index = next(item.name for item in statement.creates if item.kind == "index")
        parent = on_only(statement, table.schema, table.name, index)
        if _state(connection, parent) is None:
            self._briefly(connection, lambda: self._send(connection, parent))
        for part in parts:
            name = index_name(part["name"], index)
            child = on_partition(statement, part["schema"], part["name"], name)
            self._build(connection, child)
            self._attach(connection, parent, child)
        state = _state(connection, parent)
        if state is None or not state["valid"]:
            message = f"Index {index} is not valid though every partition has its own."
            raise StatementError(message, sqlstate=None)

    def _attach(self, connection: Connection, parent: Statement, child: Statement) -> None:
        above, below = _state(connection, parent), _state(connection, child)
        if above is None or below is None:
            raise StatementError(f"The index of {child.label} is gone.", sqlstate=None)
        pair = {"child": below["oid"], "parent": above["oid"]}
        if not connection.value(load("index_attached"), pair):
            names = [
                f"{quote(x.schema)}.{quote(x.name)}" for x in (*parent.creates, *child.creates)
            ]
            sql = f"ALTER INDEX {names[0]} ATTACH PARTITION {names[1]}"
            self._briefly(connection, lambda: connection.execute(sql))

    def _send(self, connection: Connection, statement: Statement) -> None:
        self.sender.begin(connection)
        self.sender.send(connection, self.step, statement, self.unit)

    def _briefly(self, connection: Connection, act: Any) -> None:
        """Do what needs a strong lock for a moment, within the policy's bound, tried again."""
        policy, watcher = self.builder.policy, self.sender.watcher

        def tell(attempt: int, pause: float, error: StatementError) -> None:
            watcher.event("retried", self.step, attempt=attempt, pause=pause, error=str(error))

        _set(connection, "lock_timeout", f"{round(policy.lock_timeout * 1000)}")
        retrying(policy, tell)(act)
        _set(connection, "lock_timeout", "0")


def _set(connection: Connection, name: str, value: str) -> None:
    setting = {"name": name, "value": value}
    connection.rows("SELECT set_config(%(name)s, %(value)s, false)", setting)


def _state(connection: Connection, statement: Statement) -> Mapping[str, Any] | None:
    """Return what the catalog says of the statement's index, None where it is not there."""
    for item in statement.creates:
        if item.kind == "index":
            wanted = {"schema": item.schema, "name": item.name}
            return next(iter(connection.rows(load("index_state"), wanted)), None)
    return None
