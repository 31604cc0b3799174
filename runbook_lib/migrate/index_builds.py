"""Build the indexes of a unit in the sessions of its lanes: settle, build, read back, tidy."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeGuard

from runbook_lib.errors import StatementError
from runbook_lib.evidence.sender import Sender
from runbook_lib.migrate import duplicates
from runbook_lib.parser.partitions import index_name, may_exist, on_only, on_partition
from runbook_lib.parser.statement import Statement
from runbook_lib.policy import Policy
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection, Database, Row, quote
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.retries import retrying

_LOOK = 0.5  # seconds between two looks
_LONGEST_REST = 60.0  # seconds
_EXISTS, _DUPLICATES, _LOCKED = "42P07", "23505", "55P03"


@dataclass
class Work:
    """Hold what the lanes of one unit share."""

    database: Database
    policy: Policy
    sender: Sender
    step: str
    unit: int
    settings: Sequence[str]
    unsure: bool
    waiting: deque[list[Statement]]  # by table; a lane takes the next
    stopped: threading.Event = field(default_factory=threading.Event)
    running: dict[int, str] = field(default_factory=dict)  # by pid: the index that is built
    connections: dict[int, Connection] = field(default_factory=dict)

    def stop(self) -> None:
        """Let no build begin, and cancel those that run: each drops what it began."""
        self.stopped.set()
        for connection in list(self.connections.values()):
            connection.cancel()

    def lane(self) -> None:
        """Build the indexes of one table after the other, until no table is left."""
        while not self.stopped.is_set():
            try:
                mine = self.waiting.popleft()
            except IndexError:
                return
            with self._session() as connection:
                self._on_table(connection, mine)

    def _on_table(self, connection: Connection, statements: Sequence[Statement]) -> None:
        parents = catalog.partitioned(connection)
        for place, statement in enumerate(statements, 1):
            if self.stopped.is_set():
                return
            begin = time.monotonic()
            try:
                self._build(connection, statement, parents)
            except StatementError:
                if not self.sender.go_on:
                    raise
            if place < len(statements) or self.waiting:
                self._rest(time.monotonic() - begin)

    def _rest(self, built: float) -> None:
        """Leave the server to the application and the replicas; nobody else is in a rehearsal."""
        if self.sender.probe is None:
            self.stopped.wait(min(built * self.policy.build_rest, _LONGEST_REST))

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        policy = self.policy
        with self.database.connect() as connection:
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

    def _build(self, connection: Connection, statement: Statement, parents: Set[str]) -> None:
        table = statement.locks[0].relation
        if f"{table.schema}.{table.name}" in parents:
            with _placed(statement):
                self._partitioned(connection, statement, parents)
        else:
            self._one(connection, statement)

    def _one(self, connection: Connection, statement: Statement) -> None:
        """Build one index, unless it is there as the work of an earlier try; read it back."""
        name = next((str(item) for item in statement.creates if item.kind == "index"), "")
        self.running[connection.pid] = name
        try:
            if self._settled(connection, statement):
                return
            try:
                self.sender.begin(connection)
                self.sender.send(connection, self.step, statement, self.unit)
            except StatementError as error:
                # The session of an earlier try may have been quicker.
                if error.sqlstate == _EXISTS and self._settled(connection, statement):
                    return
                raise
        except StatementError as error:
            self.running.pop(connection.pid, None)  # what comes now is not the build
            if error.path is None:
                error.at(statement.path, statement.line, statement.sql)
            self._tidy(connection, statement, error)
            raise
        finally:
            self.running.pop(connection.pid, None)
        state = _state(connection, statement)
        if name and (state is None or not state["valid"]):
            message = f"Index {name} is not valid after its build."
            refused = StatementError(message, sqlstate=None)
            raise refused.at(statement.path, statement.line, statement.sql)
        self.sender.watcher.event("built", self.step, index=name)

    def _settled(self, connection: Connection, statement: Statement) -> bool:
        """Wait for a build that still runs, drop an invalid leftover; tell whether it is built."""
        self._wait_for_others(connection, statement)
        state = _state(connection, statement)
        if not _of_table(state, statement):
            return False
        while not state["valid"] and not self._free(connection, statement):
            time.sleep(_LOOK)
        state = _state(connection, statement)
        if state is not None and not state["valid"]:
            self._drop(connection, statement)
            return False
        return state is not None and self.unsure

    def _wait_for_others(self, connection: Connection, statement: Statement) -> None:
        """Wait for builds that other sessions run on the table, such as ours of a killed run.

        They are polled: a session that waits for their lock holds a snapshot, for which they wait.
        """
        table = statement.locks[0].relation
        wanted = {"schema": table.schema, "table": table.name}
        told = False
        while (others := connection.rows(load("table_builds"), wanted)) and not self._stops():
            if not told:
                self._note("adopted", statement, pid=others[0]["pid"], building=others[0]["index"])
            told = True
            time.sleep(_LOOK)

    def _free(self, connection: Connection, statement: Statement) -> bool:
        """Tell whether nobody builds on the table, seen in the statistics or not."""
        table = statement.locks[0].relation
        name = f"{quote(table.schema)}.{quote(table.name)}"
        try:
            with connection.transaction():
                connection.execute(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
        except StatementError as error:
            if error.sqlstate != _LOCKED or self._stops():
                raise
            return False
        return True

    def _stops(self) -> bool:
        return self.stopped.is_set() and not self.sender.go_on

    def _tidy(self, connection: Connection, statement: Statement, error: StatementError) -> None:
        """Say which rows are in the way of a unique index, and drop what the build left behind."""
        state = _state(connection, statement)
        if not _of_table(state, statement) or state["valid"]:
            return
        if error.sqlstate == _DUPLICATES:
            error.message += f" {duplicates.describe(connection, state['oid'])}"
        try:
            _set(connection, "lock_timeout", f"{round(self.policy.lock_timeout * 1000)}")
            self._drop(connection, statement)
        except StatementError as stayed:  # whoever kept the build waiting keeps this waiting too
            error.message += f" Its invalid index stays, and the next run drops it: {stayed}"
        finally:
            _set(connection, "lock_timeout", "0")

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

    def _partitioned(self, connection: Connection, statement: Statement, parents: Set[str]) -> None:
        """Build on each partition, then attach: the parent cannot be built concurrently."""
        table = statement.locks[0].relation
        index = next(item.name for item in statement.creates if item.kind == "index")
        parent = on_only(statement, table.schema, table.name, index)
        state = _state(connection, parent)
        if state is not None and state["valid"] and (self.unsure or may_exist(statement)):
            return
        # One that is not valid was begun and not finished: it is gone on with.
        if not _of_table(state, parent) or state["valid"]:
            self._briefly(connection, lambda: self._send(connection, parent))
        state = _state(connection, parent)
        oid = state["oid"] if state else None
        wanted = {"schema": table.schema, "table": table.name, "index": oid}
        for part in connection.rows(load("partitions"), wanted):
            if not part["attached"]:
                name = index_name(part["name"], index)
                child = on_partition(statement, part["schema"], part["name"], name)
                self._build(connection, child, parents)
                self._attach(connection, parent, child)
        state = _state(connection, parent)
        if state is None or not state["valid"]:
            message = f"Index {index} is not valid though every partition has its own."
            raise StatementError(message, sqlstate=None)

    def _attach(self, connection: Connection, parent: Statement, child: Statement) -> None:
        above, below = (
            f"{quote(item.schema)}.{quote(item.name)}" for item in (*parent.creates, *child.creates)
        )
        sql = f"ALTER INDEX {above} ATTACH PARTITION {below}"
        self._briefly(connection, lambda: connection.execute(sql))

    def _send(self, connection: Connection, statement: Statement) -> None:
        self.sender.begin(connection)
        self.sender.send(connection, self.step, statement, self.unit)

    def _briefly(self, connection: Connection, act: Callable[[], object]) -> None:
        """Do what needs a strong lock for a moment, within the policy's bound, tried again."""
        policy, watcher = self.policy, self.sender.watcher

        def tell(attempt: int, pause: float, error: StatementError) -> None:
            watcher.event("retried", self.step, attempt=attempt, pause=pause, error=str(error))

        _set(connection, "lock_timeout", f"{round(policy.lock_timeout * 1000)}")
        retrying(policy, tell)(act)
        _set(connection, "lock_timeout", "0")


def _set(connection: Connection, name: str, value: str) -> None:
    setting = {"name": name, "value": value}
    connection.rows("SELECT set_config(%(name)s, %(value)s, false)", setting)


def _state(connection: Connection, statement: Statement) -> Row | None:
    """Return what the catalog says of the statement's index, None where it is not there."""
    for item in statement.creates:
        if item.kind == "index":
            wanted = {"schema": item.schema, "name": item.name}
            return next(iter(connection.rows(load("index_state"), wanted)), None)
    return None


def _of_table(state: Row | None, statement: Statement) -> TypeGuard[Row]:
    """Tell whether the index is there, and on the statement's table."""
    table = statement.locks[0].relation
    return state is not None and (state["schema"], state["table"]) == (table.schema, table.name)


@contextmanager
def _placed(statement: Statement) -> Iterator[None]:
    """Give errors of statements that stand in no file the place of the one they stand for."""
    try:
        yield
    except StatementError as error:
        if error.path is None:
            error.at(statement.path, statement.line, statement.sql)
        raise
