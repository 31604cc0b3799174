"""Observe on a server what each statement does: locks, rewrites, rows read, WAL, growth."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.evidence.records import Observation, StatementRun
from runbook_lib.findings import Finding, Severity
from runbook_lib.parser.statement import LockMode, Statement
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.rehearsal.violations import describe_violation

_STOPS_WRITES = {mode.value for mode in LockMode if mode.stops_writes}

_MAY_NOT = SqlState.INSUFFICIENT_PRIVILEGE
_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_PLAIN = {"create", "create enum", "index", "alter table"}
_RENAMES = {"rename", "alter object schema", "drop"}
_STRONG = set(list(LockMode)[3:])  # weaker ones stop nobody but DDL
_RANK = {mode.value: rank for rank, mode in enumerate(LockMode)}
_Measures = dict[str, tuple[int | None, int, int]]  # by oid: file node, size, rows read


@dataclass
class Probe:
    """Look at one session before and after each statement, inside its transaction.

    Only tables that were there when the transaction began are looked at: nobody can wait for the
    others. Sizes and files are read of the tables the statement names; locks are read of all. A
    transaction that makes many tables holds many locks, and each reading lists them all: they are
    not read after a statement that only changes what its own transaction made, but after the next
    that does more, or the last.
    Superusers also see temporary files (PostgreSQL manual, log_temp_files). ``whys`` say what the
    statements that failed met, by file and number.
    """

    whys: dict[tuple[str, int], str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _before: _Measures = field(default_factory=dict)
    _statement: Statement | None = None
    _ids: dict[str, str] = field(default_factory=dict)
    _last: _Measures = field(default_factory=dict)
    _newest: int = 0
    _renamed: bool = False
    _told: Connection | None = None
    _wal: Decimal | None = None
    _counted: int = 0
    _skipped: bool = False
    _since: int = 0  # the line of the first statement whose locks the next reading shows

    def begin(self, connection: Connection) -> None:
        """Take note of the tables that are there; call it before each transaction."""
        if self._told is not connection:
            self._tell_of_temporary_files(connection)
            self._told = connection
        if self._renamed:
            self._names, self._newest, self._renamed = {}, 0, False
        rows = connection.rows(load("probe_tables"), {"newest": self._newest})
        self._names |= {str(row["oid"]): row["name"] for row in rows}
        self._ids = {name: oid for oid, name in self._names.items()}
        self._newest = max((row["oid"] for row in rows), default=self._newest)
        self._held, self._last, self._wal, self._skipped = {}, {}, None, False

    def before(self, connection: Connection, statement: Statement, *, last: bool) -> None:
        """Measure the tables that the statement names, unless the statement before did."""
        self._statement = statement
        if not self._skipped:
            self._since = statement.line
        self._skipped = not last and self._inside(statement)
        # Only what makes a table keeps the names that are known.
        self._renamed |= statement.opaque or bool(statement.removes) or statement.kind in _RENAMES
        named = self._named(statement)
        if self._wal is None or not set(named) <= self._last.keys():
            (row,) = connection.rows(load("probe_before"), {"tables": named})
            self._wal, self._last = row["wal"], _measures(row["tables"])
        self._before = {oid: self._last[oid] for oid in named if oid in self._last}
        self._counted = connection.temporary_bytes

    def after(self, connection: Connection) -> Observation:
        """Read what the statement did since ``before``."""
        temporary = connection.temporary_bytes - self._counted
        complete = connection.in_transaction()
        if self._skipped:
            written, self._wal = self._wal, connection.value(_WAL)
            wal = int(self._wal - (written or 0))
            return Observation({}, (), 0, wal, 0, temporary, (), complete)
        wanted = {"newest": self._newest, "touched": list(self._before)}
        (row,) = connection.rows(load("probe_after"), wanted)
        now = _measures(row["tables"])
        wal, self._wal, self._last = int(row["wal"] - (self._wal or 0)), row["wal"], now
        held = {key: value for key, value in (row["locks"] or {}).items() if key in self._names}
        modes = {key: tuple(sorted(value)) for key, value in held.items()}
        fresh = {
            self._names[key]: tuple(mode for mode in value if mode not in self._held.get(key, ()))
            for key, value in modes.items()
        }
        self._held = modes
        both = [(key, *was, *now[key]) for key, was in self._before.items() if key in now]
        rewrites = {self._names[key] for key, old, _, _, new, _, _ in both if new and old != new}
        return Observation(
            locks={name: value for name, value in fresh.items() if value},
            rewrites=tuple(sorted(rewrites)),
            scanned=sum(max(after - before, 0) for _, _, _, before, _, _, after in both),
            wal=wal,
            growth=sum(after - before for _, _, before, _, _, after, _ in both),
            temporary=temporary,
            differs=tuple(self._differences(fresh, rewrites)) if complete else (),
            complete=complete,
        )

    def failed(self, connection: Connection, statement: Statement, error: StatementError) -> None:
        """Read which rows are in the way of a statement that failed."""
        self.explained(statement, describe_violation(connection, statement, error))

    def explained(self, statement: Statement, why: str) -> None:
        """Take note of what a statement that failed met."""
        if why:
            self.whys[statement.path, statement.number] = why

    def _differences(
        self, fresh: Mapping[str, tuple[str, ...]], rewrites: Set[str]
    ) -> Iterator[str]:
        """Say what the server did and reading did not predict, and the other way round."""
        statement = self._statement
        if statement is None or statement.opaque:
            return  # what a block or a function does depends on what it finds
        held = {(self._names[key], mode) for key, modes in self._held.items() for mode in modes}
        predicted = {item.relation.qualified: item.mode.value for item in statement.locks}
        for table, mode in sorted(predicted.items() - held):
            if table in self._ids:
                yield f"{mode} on {table} was predicted and not taken"
        for table, modes in sorted(fresh.items()):
            for mode in modes:
                # A weaker one beside the strongest, for an index that is built anew, is no news.
                if mode in _STRONG and _RANK[mode] > _RANK.get(predicted.get(table, ""), -1):
                    since = f", since line {self._since}" if self._since < statement.line else ""
                    yield f"{mode} on {table} was taken and not predicted{since}"
        expected = {item.qualified for item in statement.rewrites}
        yield from (
            f"{name} was rewritten without being predicted" for name in sorted(rewrites - expected)
        )
        for name in sorted(expected & self._ids.keys() - rewrites):
            yield f"{name} was predicted to be rewritten, and was not"

    @staticmethod
    def _tell_of_temporary_files(connection: Connection) -> None:
        """Let the server tell this session of each temporary file, where the role may ask that."""
        try:
            connection.execute("SET log_temp_files = 0")
        except StatementError as error:
            if error.sqlstate != _MAY_NOT:
                raise
        connection.execute("SET client_min_messages = log")

    def _inside(self, statement: Statement) -> bool:
        """Tell whether, from reading, it touches only what its transaction made."""
        items = [lock.relation for lock in statement.locks]
        items += [item.object for item in statement.references]
        plain = statement.kind in _PLAIN and not statement.opaque and not statement.calls
        return plain and not any(item.qualified in self._ids for item in items)

    def _named(self, statement: Statement) -> list[str]:
        wanted = {item.relation.qualified for item in statement.locks}
        wanted |= {item.relation.qualified for inner in statement.inner for item in inner.locks}
        return [self._ids[name] for name in sorted(wanted) if name in self._ids]


def _measures(found: dict[str, Iterable[Any]] | None) -> _Measures:
    """Read the measures of each table; one that was dropped since has no size."""
    return {
        key: (node, size, rows or 0)
        for key, (node, size, rows) in (found or {}).items()
        if size is not None
    }


def held_long(
    runs: Iterable[StatementRun], rows: Mapping[str, int], limit: float
) -> Iterator[Finding]:
    """Yield where a lock stopped the writes on a table with rows longer than ``limit`` seconds."""
    for held in held_locks(runs):
        if rows.get(held.table, 0) and held.seconds > limit:
            yield Finding(
                phase="rehearsal",
                rule="writes-wait",
                severity=Severity.ERROR,
                path=held.path,
                line=held.line,
                cause=f"{held.mode} on {held.table} ({rows[held.table]:,} rows) was held for "
                f"{held.seconds:.1f} s, until its transaction ended.",
                effect="The application's writes to the table wait that long.",
                remedy="Split the file, build indexes CONCURRENTLY, validate constraints later.",
            )


@dataclass(frozen=True)
class HeldLock:
    """Hold how long, in seconds, the first statement's lock stopped the writes on a table."""

    step: str
    table: str
    mode: str
    seconds: float
    path: str
    line: int


def held_locks(runs: Iterable[StatementRun]) -> tuple[HeldLock, ...]:
    """Return for each step and table the longest lock that stops writes, longest first.

    A lock is held until its transaction ends (PostgreSQL manual, 13.3.1).
    """
    kept = list(runs)
    ends: dict[tuple[str, str, int], float] = {}
    for run in kept:
        key = run.step, run.path, run.transaction
        ends[key] = max(ends.get(key, 0.0), run.started_at.timestamp() + run.seconds)
    longest: dict[tuple[str, str], HeldLock] = {}
    for run in kept:
        for table, modes in (run.observed.locks if run.observed else {}).items():
            strong = [mode for mode in modes if mode in _STOPS_WRITES]
            seconds = ends[run.step, run.path, run.transaction] - run.started_at.timestamp()
            held = HeldLock(
                run.step, table, strong[-1] if strong else "", seconds, run.path, run.line
            )
            known = longest.get((run.step, table))
            if strong and (known is None or known.seconds < seconds):
                longest[run.step, table] = held
    return tuple(sorted(longest.values(), key=lambda held: -held.seconds))
