"""Carry out one step of a plan: apply a file, record a baseline, add demo rows."""

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib import ledger
from runbook_lib.build import demo_statements, has_rows, set_scale
from runbook_lib.builds import Builder
from runbook_lib.database import Connection, Database
from runbook_lib.errors import GateError, OutcomeUnknownError, StatementError, TargetError
from runbook_lib.guard import Unguarded
from runbook_lib.locking import LockBudget
from runbook_lib.model import Migration, Split, Unit
from runbook_lib.observed import LedgerRow, Outcome
from runbook_lib.policy import Policy
from runbook_lib.queries import load
from runbook_lib.retries import retrying
from runbook_lib.sending import Prober, Sender, Watcher
from runbook_lib.units import units

_CONCURRENT = {"drop", "reindex"}
_GONE = {"42704", "42P01"}
_LOOK = 0.5  # seconds between two tries to reach a server that was lost


@dataclass(frozen=True)
class Applier:
    """Run statements on one database under one policy, watched and guarded.

    A rehearsal gives a ``probe``. With ``go_on`` a statement that fails is taken back to a
    savepoint and the next one is run: never so on a target.
    """

    database: Database
    policy: Policy
    watcher: Watcher
    probe: Prober | None = None
    go_on: bool = False
    guard: Unguarded = field(default_factory=Unguarded)

    @property
    def _sender(self) -> Sender:
        return Sender(self.watcher, self.probe, self.go_on)

    def migrate(
        self, migration: Migration, own_rows: Set[str] = frozenset(), split: Split | None = None
    ) -> Outcome:
        """Apply one migration file and write its ledger row in the same transaction.

        A file that cannot be one transaction, or that the plan's ``split`` takes apart, is applied
        unit by unit, each counted in its ledger row, and goes on where an earlier try stopped, if
        that row is among ``own_rows``. Raises StatementError with SQLSTATE, file and line; a file
        that is one transaction then left nothing behind. Raises OutcomeUnknownError where the
        connection was lost in COMMIT and the server does not come back to be asked.
        """
        pieces = units(migration, split)
        whole = len(pieces) == 1 and pieces[0].transactional
        self.guard.ready(migration.name)
        try:
            with self._session() as connection:
                rows = ledger.read(connection)
                if migration.name in ledger.applied(rows):
                    return Outcome.ALREADY_DONE
                begun = _begun(migration, rows, own_rows)
                with self.guard.watching(migration.name, connection.pid):
                    if whole:
                        self._whole(connection, migration, pieces[0])
                    else:
                        self._in_units(connection, migration, pieces, begun)
        except OutcomeUnknownError as lost:
            return self._read_back(migration, own_rows, split, lost)
        self.guard.ended(migration.name, frozenset() if whole else _names(pieces))
        return Outcome.DONE

    def baseline(self, migration: Migration) -> Outcome:
        """Record a migration whose objects are there already, without running it."""
        with self._session() as connection:
            if migration.name in ledger.applied(ledger.read(connection)):
                return Outcome.ALREADY_DONE
            with connection.transaction():
                ledger.record_baseline(connection, migration)
            return Outcome.DONE

    def demo_rows(self, step: str, files: Sequence[Path], scale: float) -> Outcome:
        """Fill the tables with rows, all files in one transaction, unless they hold rows."""
        with self._session() as connection:
            if has_rows(connection, files):
                return Outcome.ALREADY_DONE
            with connection.transaction():
                set_scale(connection, scale)
                self._sender.send_all(connection, step, demo_statements(files))
            return Outcome.DONE

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """Open a clean session that holds the runner's lock: no SET leaks from file to file."""
        with self.database.connect() as connection:
            milliseconds = {
                "lock_timeout": str(round(self.policy.lock_timeout * 1000)),
                "statement_timeout": str(round(self.policy.statement_timeout * 1000)),
            }
            connection.rows(load("session_settings"), milliseconds)
            ledger.take_runner_lock(connection, self.policy.runner_lock_wait)
            yield connection

    def _whole(self, connection: Connection, migration: Migration, unit: Unit) -> None:
        def act() -> None:
            started_at = datetime.now(UTC)
            with self._own_transaction(connection, migration.name, unit, 1, whole=True):
                self._send(connection, migration.name, unit, 1)
                # Last, so that the file may begin with SET TRANSACTION.
                ledger.record_applied(connection, migration, started_at)

        self._try(migration.name, act)

    def _in_units(
        self,
        connection: Connection,
        migration: Migration,
        pieces: tuple[Unit, ...],
        begun: LedgerRow | None,
    ) -> None:
        """Commit unit by unit, each with its count in the ledger row; go on from ``begun``."""
        step = migration.name
        done, row_id = (begun.applied_steps, begun.id) if begun else (0, "")
        if not begun:
            with connection.transaction():
                row_id = ledger.record_started(connection, migration)
                self.watcher.ledger_row(step, row_id)
        for setting in _settings(pieces[:done]):
            connection.execute(setting)
        for number, unit in enumerate(pieces[done:], start=done + 1):
            finished = number == len(pieces)
            if number > done + 1:
                self.guard.ready(step)
            try:
                if unit.transactional:
                    self._try(step, self._unit(connection, step, unit, number, row_id, finished))
                else:
                    unsure = begun is not None and number == done + 1
                    settings = _settings(pieces[: number - 1])
                    self._alone(connection, step, unit, number, settings, unsure=unsure)
                if not unit.transactional or unit.rolls_back:
                    ledger.record_progress(connection, row_id, number, finished=finished)
                    self.watcher.event("committed", step, unit=number)
            except StatementError as error:
                ledger.record_progress(connection, row_id, number - 1, logs=str(error))
                raise

    def _unit(
        self,
        connection: Connection,
        step: str,
        unit: Unit,
        number: int,
        row_id: str,
        finished: bool,
    ) -> Callable[[], None]:
        """Return what does one transaction of a file, with its count in the ledger row."""

        def act() -> None:
            with self._own_transaction(connection, step, unit, number):
                self._send(connection, step, unit, number)
                ledger.record_progress(connection, row_id, number, finished=finished)

        return act

    def _try(self, step: str, act: Callable[[], None]) -> None:
        """Do a transaction, again where only a lock was in the way, as the policy bounds it."""

        def tell(attempt: int, pause: float, error: StatementError) -> None:
            self.watcher.event(
                "retried", step, attempt=attempt, pause=pause, error=str(error), line=error.line
            )
            self.watcher.said(f"try {attempt} met a lock ({error.sqlstate}); pauses {pause:.1f} s")

        retrying(self.policy, tell)(act)

    def _send(self, connection: Connection, step: str, unit: Unit, number: int) -> None:
        budget = LockBudget(connection, self.policy)
        for statement in unit.statements:
            budget.before(statement)
            self._sender.send_all(connection, step, [statement], number)
            budget.after(statement)

    @contextmanager
    def _own_transaction(
        self, connection: Connection, step: str, unit: Unit, number: int, *, whole: bool = False
    ) -> Iterator[None]:
        """Hold the block in one transaction: the file's own BEGIN and COMMIT, or ours.

        Raises OutcomeUnknownError where the connection is lost once COMMIT may have been sent.
        """
        self._sender.begin(connection)
        sent = False
        try:
            if unit.opens is None or unit.closes is None:
                with connection.transaction():
                    yield
                    self._committing(step, number, whole=whole)
                    sent = True
            else:
                self._sender.send(connection, step, unit.opens, number)
                yield
                self._committing(step, number, whole=whole)
                sent = True
                self._sender.send(connection, step, unit.closes, number)
        except StatementError as error:
            if error.path is None and unit.statements:  # the commit: a deferred constraint
                error.path = unit.statements[-1].path
            connection.rollback()
            raise
        except TargetError as error:
            if not sent:
                raise
            message = f"The connection was lost during COMMIT: {error.message}"
            raise OutcomeUnknownError(message, sqlstate=error.sqlstate) from error
        self.watcher.event("committed", step, unit=number)

    def _committing(self, step: str, number: int, *, whole: bool) -> None:
        if whole:
            self.guard.committing(step)
        self.watcher.event("committing", step, unit=number)

    def _read_back(
        self,
        migration: Migration,
        own_rows: Set[str],
        split: Split | None,
        lost: OutcomeUnknownError,
    ) -> Outcome:
        """Learn from the ledger how a COMMIT ended whose answer was lost, and go on or stop.

        The runner's lock is free when the session that was lost is gone, and then its transaction
        is decided.
        """
        until = time.monotonic() + self.policy.reconnect_wait
        while True:
            try:
                with self._session() as connection:
                    rows = ledger.read(connection)
                break
            except (TargetError, GateError):
                if time.monotonic() >= until:
                    self.watcher.event("unknown", migration.name, error=lost.message)
                    lost.remedy = (
                        f"Whether {migration.name} is applied is not known, for the server does "
                        "not answer. Run again when it does: the ledger is read first."
                    )
                    raise lost from None
                time.sleep(_LOOK)
        if migration.name in ledger.applied(rows):
            self.watcher.event("resolved", migration.name, outcome="committed")
            self.guard.ended(migration.name, _names(units(migration, split)))
            return Outcome.DONE
        self.watcher.event("resolved", migration.name, outcome="see the ledger")
        begun = [row for row in rows if row.name == migration.name and row.failed]
        if begun and begun[0].applied_steps:
            return self.migrate(migration, own_rows | {begun[0].id}, split)
        message = f"{lost.message} The server took {migration.name} back: nothing of it stays."
        raise TargetError(message, sqlstate=lost.sqlstate, remedy="Run again.")

    def _alone(
        self,
        connection: Connection,
        step: str,
        unit: Unit,
        number: int,
        settings: Sequence[str],
        *,
        unsure: bool,
    ) -> None:
        """Run what cannot be in a transaction.

        ``unsure`` says that an earlier try may have run it. A short lock_timeout would cancel what
        is concurrent even for a transaction on another table.
        """
        if unit.builds:
            builder = Builder(self.database, self.policy, self._sender)
            builder.build(step, number, unit.statements, settings, unsure=unsure)
            return
        (statement,) = unit.statements
        self._sender.begin(connection)
        bound = connection.value("SHOW lock_timeout")
        if statement.kind in _CONCURRENT:
            connection.execute("SET lock_timeout = 0")
        try:
            self._try(step, lambda: self._sender.send_all(connection, step, [statement], number))
        except StatementError as error:
            if not (unsure and statement.kind == "drop" and error.sqlstate in _GONE):
                raise  # else the earlier try dropped it
        finally:
            if not connection.closed:
                connection.execute(f"SET lock_timeout = '{bound}'")


def _begun(migration: Migration, rows: Sequence[LedgerRow], own: Set[str]) -> LedgerRow | None:
    """Return the unfinished row from which this run goes on; raises GateError for another's."""
    found = [row for row in rows if row.name == migration.name and row.failed]
    if any(row.id not in own for row in found):
        message = f"The ledger holds a failed row of {migration.name} from elsewhere."
        remedy = f"Resolve it: npx prisma migrate resolve --rolled-back {migration.name}."
        raise GateError(message, remedy=remedy)
    return found[0] if found else None


def _names(pieces: Sequence[Unit]) -> frozenset[str]:
    """Return what a file may have changed, as ``schema.name``."""
    found: set[str] = set()
    for item in (part for unit in pieces for part in unit.statements):
        made = (*item.creates, *item.removes, *(lock.relation for lock in item.locks))
        found |= {f"{x.schema}.{x.table if x.kind == 'column' else x.name}" for x in made}
    return frozenset(found)


def _settings(done: Sequence[Unit]) -> list[str]:
    """Return the SET statements of units that are committed: a new session needs them again."""
    return [item.sql for unit in done for item in unit.statements if item.kind == "variable set"]
