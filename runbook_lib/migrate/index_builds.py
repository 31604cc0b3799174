"""Build indexes concurrently, in lanes: watched, resumed, and read back."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeGuard

from runbook_lib.config.policies import Policy
from runbook_lib.errors import SqlState, StatementError, StoppedError
from runbook_lib.evidence.journal import WAITING, Event, Listener, said
from runbook_lib.evidence.sender import Sender
from runbook_lib.formatting import duration
from runbook_lib.migrate.duplicates import describe_duplicates
from runbook_lib.migrate.guard import describe_blockers, read_blockers
from runbook_lib.parser.identifiers import generated_name
from runbook_lib.parser.statement import DbObject, Statement
from runbook_lib.parser.transactions import index_name, may_exist, on_only, on_partition
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier, Row
from runbook_lib.postgres.locks import retrying
from runbook_lib.postgres.queries import load

_BETWEEN_LOOKS = 0.5  # seconds between two looks at the builds
_UNSEEN_CORES = 2  # of a server on another machine
_LOCAL = {"", "localhost", "127.0.0.1", "::1"}

_WORTH_TELLING = 1.0  # seconds; builds wait for each other a moment

_LOOK = 0.5  # seconds between two looks
_LONGEST_REST = 60.0  # seconds


@dataclass(frozen=True)
class Rest:
    """Hold that a lane leaves the server alone behind a build on a table, since when, how long."""

    table: str
    since: float
    seconds: float

    def __str__(self) -> str:
        rested = min(time.monotonic() - self.since, self.seconds)
        return f"{self.table}: resting {rested:.0f} s of {self.seconds:.0f}"


@dataclass
class Work:
    """Hold what the lanes of one transaction share."""

    database: Database
    policy: Policy
    sender: Sender
    transaction: int
    settings: Sequence[str]
    unsure: bool
    waiting: deque[list[Statement]]  # by table; a lane takes the next
    stopped: threading.Event = field(default_factory=threading.Event)
    paused: threading.Event = field(default_factory=threading.Event)
    running: dict[int, str] = field(default_factory=dict)  # by pid: the index that is built
    resting: dict[int, Rest] = field(default_factory=dict)  # by pid, likewise
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
            self._while_paused()
            if self.stopped.is_set():
                return
            begin = time.monotonic()
            try:
                self._build(connection, statement, parents)
            except StatementError:
                if not self.sender.go_on:
                    raise
            if place < len(statements) or self.waiting:
                self._rest(connection, statement, time.monotonic() - begin)

    def _while_paused(self) -> None:
        """Begin no build while a pause is asked for."""
        while self.paused.is_set() and not self.stopped.wait(_LOOK):
            pass

    def _rest(self, connection: Connection, statement: Statement, built: float) -> None:
        """Leave the server to the application and the replicas; nobody else is in a rehearsal."""
        if self.sender.probe is not None:
            return
        seconds = min(built * self.policy.indexes.rest, _LONGEST_REST)
        table = statement.locks[0].relation.name
        self.resting[connection.pid] = Rest(table, time.monotonic(), seconds)
        self.stopped.wait(seconds)
        del self.resting[connection.pid]

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        policy = self.policy
        with self.database.connect() as connection:  # the file's names are found in it
            for setting in self.settings:
                connection.execute(setting)
            wanted = {"lock_timeout": "0", "statement_timeout": "0"}
            if policy.indexes.memory:
                wanted["maintenance_work_mem"] = policy.indexes.memory
            if policy.indexes.workers >= 0:
                wanted["max_parallel_maintenance_workers"] = str(policy.indexes.workers)
            connection.set({**wanted, **connection.silence})
            self.connections[connection.pid] = connection
            try:
                yield connection
            finally:
                del self.connections[connection.pid]

    def _build(self, connection: Connection, statement: Statement, parents: Set[str]) -> None:
        table = statement.locks[0].relation
        named = any(item.kind == "index" for item in statement.creates)
        if named and table.qualified in parents:  # without a name the parts would not be found
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
                self.sender.send(connection, statement, self.transaction)
            except StatementError as error:
                # The session of an earlier try may have been quicker.
                there = error.sqlstate == SqlState.DUPLICATE_TABLE
                if there and self._settled(connection, statement):
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
        self.sender.emit(Event("built", self.sender.step, {"index": name}))

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
        while (others := connection.seen(load("table_builds"), wanted)) and not self._stops():
            if not told:
                self._note("adopted", statement, pid=others[0]["pid"], building=others[0]["index"])
            told = True
            time.sleep(_LOOK)

    def _free(self, connection: Connection, statement: Statement) -> bool:
        """Tell whether nobody builds on the table, seen in the statistics or not."""
        table = statement.locks[0].relation
        lock = SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
        try:
            with connection.transaction():
                connection.execute(lock.format(Identifier(table.schema, table.name)))
        except StatementError as error:
            if error.sqlstate != SqlState.LOCK_NOT_AVAILABLE or self._stops():
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
        if error.sqlstate == SqlState.UNIQUE_VIOLATION:
            self._name_duplicates(connection, state["oid"], statement, error)
        try:
            connection.set({"lock_timeout": f"{round(self.policy.locks.timeout * 1000)}"})
            self._drop(connection, statement)
        except StatementError as stayed:  # whoever kept the build waiting keeps this waiting too
            error.message += f" Its invalid index stays, and the next run drops it: {stayed}"
        finally:
            connection.set({"lock_timeout": "0"})

    def _name_duplicates(
        self, connection: Connection, oid: int, statement: Statement, error: StatementError
    ) -> None:
        said = describe_duplicates(connection, oid)
        error.message += f" {said}"
        if self.sender.probe is not None:
            self.sender.probe.explained(statement, said)

    def _drop(self, connection: Connection, statement: Statement) -> None:
        item = next(item for item in statement.creates if item.kind == "index")
        self._note("leftover", statement)
        drop = SQL("DROP INDEX CONCURRENTLY {}")
        self.sender.change(connection, drop.format(Identifier(item.schema, item.name)))

    def _note(self, event: str, statement: Statement, **content: object) -> None:
        name = next(str(item) for item in statement.creates if item.kind == "index")
        words = {
            "leftover": f"drops the invalid index {name}",
            "adopted": f"waits for the build of {name} that still runs on the server",
        }
        step = self.sender.step
        self.sender.emit(said(step, words[event]))
        self.sender.emit(Event(event, step, {"index": name, **content}))

    def _partitioned(self, connection: Connection, statement: Statement, parents: Set[str]) -> None:
        """Build on each partition, then attach: the parent cannot be built concurrently."""
        table = statement.locks[0].relation
        index = next(item.name for item in statement.creates if item.kind == "index")
        parent = on_only(statement, table.schema, table.name, index)
        state = _state(connection, parent)
        if state is not None and state["valid"] and (self.unsure or may_exist(statement)):
            self._name_as_the_server(connection, index, state["oid"])
            return
        # One that is not valid was begun and not finished: it is continued.
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
        self._name_as_the_server(connection, index, oid)
        state = _state(connection, parent)
        if state is None or not state["valid"]:
            message = f"Index {index} is not valid though every partition has its own."
            raise StatementError(message, sqlstate=None)

    def _name_as_the_server(self, connection: Connection, index: str, oid: int | None) -> None:
        """Give the partitions' indexes the names that one CREATE INDEX would have given them.

        They were built under names that a second try finds again; a later file knows the others.
        """
        for row in connection.rows(load("partition_indexes"), {"index": oid}):
            if row["name"] == index_name(row["table"], index):
                name = generated_name(row["table"], row["columns"], row["taken"])
                built = Identifier(row["schema"], row["name"])
                rename = SQL("ALTER INDEX {} RENAME TO {}").format(built, Identifier(name))
                self._briefly(connection, lambda sql=rename: self.sender.change(connection, sql))  # type: ignore[misc]

    def _attach(self, connection: Connection, parent: Statement, child: Statement) -> None:
        above, below = (
            Identifier(item.schema, item.name) for item in (*parent.creates, *child.creates)
        )
        attach = SQL("ALTER INDEX {} ATTACH PARTITION {}").format(above, below)
        self._briefly(connection, lambda: self.sender.change(connection, attach))

    def _send(self, connection: Connection, statement: Statement) -> None:
        self.sender.begin(connection)
        self.sender.send(connection, statement, self.transaction)

    def _briefly(self, connection: Connection, act: Callable[[], object]) -> None:
        """Do what needs a strong lock for a moment, within the policy's bound, tried again."""
        policy, sender = self.policy, self.sender

        def tell(attempt: int, pause: float, error: StatementError) -> None:
            tried = {"attempt": attempt, "pause": pause, "error": str(error)}
            sender.emit(Event("retried", sender.step, tried))

        connection.set({"lock_timeout": f"{round(policy.locks.timeout * 1000)}"})
        retrying(policy, tell)(act)
        connection.set({"lock_timeout": "0"})


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


@dataclass(frozen=True)
class Builder:
    """Build the indexes of one step, never two on one table at a time.

    Each table has a session of its own, without lock_timeout, which would cancel a build even for a
    transaction on another table (PostgreSQL manual, CREATE INDEX, "Building Indexes Concurrently").
    """

    database: Database
    policy: Policy
    sender: Sender
    paused: Callable[[], bool]

    def build(
        self,
        transaction: int,
        statements: Sequence[Statement],
        settings: Sequence[str],
        *,
        unsure: bool,
    ) -> None:
        """Build all of them; ``settings`` are the SET statements of the file before them.

        ``unsure`` says that an earlier try may have run some: a valid index then is its work, and
        a build that still runs on the server is waited for. An invalid leftover is dropped. After
        a failure no further build begins; raises the first error once those that run have ended.
        So it is where ``paused`` raises that a stop is asked for.
        """
        tables: dict[DbObject, list[Statement]] = {}
        for statement in statements:
            tables.setdefault(statement.locks[0].relation, []).append(statement)
        waiting = deque(tables.values())
        work = Work(self.database, self.policy, self.sender, transaction, settings, unsure, waiting)
        with ThreadPoolExecutor(thread_name_prefix="build") as pool:
            lanes = [pool.submit(work.lane) for _ in range(min(self._lanes(), len(tables)))]
            try:
                stop = self._watch(work, lanes)
            except BaseException:  # an interrupt, or a watch that lost the server
                work.stop()
                raise
        work.stopped.set()
        for error in filter(None, (lane.exception() for lane in lanes)):
            raise error
        if stop is not None:
            raise stop

    def _lanes(self) -> int:
        if self.sender.probe is not None:  # what it sees has to be of one statement
            return 1
        host = self.database.parameters.get("host", "")
        cores = os.cpu_count() or 1 if host in _LOCAL or host.startswith("/") else _UNSEEN_CORES
        return self.policy.indexes.lanes or cores

    def _watch(self, work: Work, lanes: Sequence["Future[None]"]) -> StoppedError | None:
        """Look at the builds until all have ended; after the first error none begins.

        Returns the stop that was asked for meanwhile, None where none was.
        """
        stop = None
        if self.sender.probe is not None:  # a rehearsal: nobody else is there
            wait(lanes)
            return stop
        with self.database.runner_session() as connection:
            watch = BuildWatch(connection, self.policy, self.sender.emit, self.sender.step)
            left = set(lanes)
            while left:
                done, left = wait(left, timeout=_BETWEEN_LOOKS, return_when=FIRST_EXCEPTION)
                if any(lane.exception() for lane in done) and not self.sender.go_on:
                    work.stopped.set()
                stop = stop or self._heed(work)
                watch.look(work.running, work.resting)
        return stop

    def _heed(self, work: Work) -> StoppedError | None:
        """Let no further build begin while a pause is asked for, and none after a stop."""
        try:
            paused = self.paused()
        except StoppedError as stop:
            work.stopped.set()
            return stop
        if paused:
            work.paused.set()
        else:
            work.paused.clear()
        return None


@dataclass
class BuildWatch:
    """Look at the builds of one step from a session of its own."""

    connection: Connection
    policy: Policy
    emit: Listener
    step: str
    _phases: dict[int, tuple[str, float]] = field(default_factory=dict)  # by pid: since when
    _waits: dict[int, tuple[str, float]] = field(default_factory=dict)  # by pid: told, since when

    def look(self, running: Mapping[int, str], resting: Mapping[int, Rest]) -> None:
        """Show a line for each lane, journal what changed, give up a build that waits too long.

        ``running`` names by backend pid the index that is built, ``resting`` the lanes between two.
        """
        names, rests = dict(running), [str(rest) for rest in dict(resting).values()]
        shown = [*self._builds(names), *rests] if names else rests
        if shown:
            self.emit(said(self.step, "\n".join(shown)))

    def _builds(self, names: Mapping[int, str]) -> Iterator[str]:
        """Yield a line for each build: how far it is, and who blocks it."""
        blockers: dict[int, list[Row]] = {}
        for row in read_blockers(self.connection, list(names)):
            blockers.setdefault(row["waits"], []).append(row)
        seen = self.connection.seen(load("build_progress"))
        rows = {row["pid"]: row for row in seen or ()}
        unknown = "waiting for its turn" if seen is not None else "how far is not visible"
        for pid, name in names.items():
            how_far = self._progress(pid, name, rows.get(pid), unknown)
            yield f"{name}: {how_far}{self._blocked(pid, name, blockers.get(pid, []))}"

    def _progress(self, pid: int, name: str, row: Row | None, unknown: str) -> str:
        phase = row["phase"] if row else unknown
        now = time.monotonic()
        before, since = self._phases.get(pid, ("", now))
        if f"{name} {phase}" != before:
            since = now
            self._phases[pid] = f"{name} {phase}", now
            self._note("phase", index=name, phase=phase, pid=pid)
        if row is None:
            return phase
        kind = "blocks" if row["blocks_total"] else "tuples"
        done, total = row[f"{kind}_done"] or 0, row[f"{kind}_total"] or 0
        if not total:
            return str(phase)
        left = (now - since) * (total - done) / done if done else 0.0
        eta = f", {duration(left)} left" if left else ""
        return f"{phase} {100 * done // total} % ({done:,} of {total:,} {kind}{eta})"

    def _blocked(self, pid: int, name: str, blockers: list[Row]) -> str:
        if not blockers:
            self._waits.pop(pid, None)
            return ""
        now = time.monotonic()
        told, since = self._waits.get(pid, ("", now))
        waited = now - since
        pids = ",".join(str(row["pid"]) for row in blockers)
        if pids != told and waited >= _WORTH_TELLING:
            self._note(WAITING, statement=name, blockers=blockers)
            told = pids
        self._waits[pid] = told, since
        if waited > self.policy.indexes.wait:
            self._note("given up", index=name, waited=waited, blockers=blockers)
            self.connection.rows("SELECT pg_cancel_backend(%(pid)s)", {"pid": pid})
            self._waits.pop(pid)
        return f", waits for {describe_blockers(blockers)}"

    def _note(self, name: str, **content: object) -> None:
        self.emit(Event(name, self.step, content))
