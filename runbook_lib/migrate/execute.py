"""Carry out one step of a plan: apply a file, record a baseline, add demo rows."""

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.config import Policy
from runbook_lib.errors import GateError, OutcomeUnknownError, StatementError, TargetError
from runbook_lib.evidence.journal import Watcher
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.sender import Prober, Sender
from runbook_lib.migrate.guard import Unguarded
from runbook_lib.migrate.index_builds import Builder
from runbook_lib.parser.statement import Split, Unit
from runbook_lib.parser.transactions import names_in, rehearsed, settings_of, units
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import CleanSession, Connection, Database
from runbook_lib.postgres.ledger import LedgerRow
from runbook_lib.postgres.locks import LockBudget, bound_waits, retrying
from runbook_lib.postgres.targets import demo_statements, has_rows, set_scale
from runbook_lib.release.model import Migration

_CONCURRENT = {"drop", "reindex", "index"}
_GONE = {"42704", "42P01"}
_LOOK = 0.5  # seconds between two tries to reach a server that was lost


OwnRows = Callable[[], Set[str]]


@dataclass(frozen=True)
class Applier:
    """Run statements on one database under one policy, watched and guarded.

    Each file has a clean session; ``sessions`` uses one for several files. A rehearsal gives a
    ``probe``. With ``go_on`` a statement that fails is taken back to a savepoint and the next one
    is run: never so on a target.
    """

    database: Database
    policy: Policy
    watcher: Watcher
    probe: Prober | None = None
    go_on: bool = False
    guard: Unguarded = field(default_factory=Unguarded)
    sessions: CleanSession | None = None

    @property
    def _sender(self) -> Sender:
        return Sender(self.watcher, self.probe, self.go_on)

    def migrate(
        self, migration: Migration, own_rows: OwnRows = frozenset, split: Split | None = None
    ) -> Outcome:
        """Apply one migration file and write its ledger row in the same transaction.

        A file that cannot be one transaction, or that the plan's ``split`` takes apart, is applied
        unit by unit, each counted in its ledger row, and goes on where an earlier try stopped, if
        that row is among ``own_rows``, asked for when the runner's lock is held. Raises
        StatementError with SQLSTATE, file and line; a file that is one transaction then left
        nothing behind. Raises OutcomeUnknownError where the connection was lost in COMMIT and the
        server does not come back to be asked.
        """
        pieces = (
            units(migration.statements, split)
            if self.probe is None
            else rehearsed(migration.statements, split)
        )
        lost_at: set[int] = set()
        while True:
            try:
                return self._once(migration, pieces, own_rows)
            except OutcomeUnknownError as lost:
                if self._read_back(migration, lost):
                    return Outcome.DONE
                if len(pieces) == 1 or lost.unit in lost_at:
                    message = f"{lost.message} The server took it back: nothing of it stays."
                    raise TargetError(
                        message, sqlstate=lost.sqlstate, remedy="Run again."
                    ) from lost
                lost_at.add(lost.unit)

    def _once(self, migration: Migration, pieces: tuple[Unit, ...], own_rows: OwnRows) -> Outcome:
        self.guard.ready(migration.name)
        with self._session() as connection:
            rows = ledger.read(connection)
            if migration.name in ledger.applied(rows):
                return Outcome.ALREADY_DONE
            begun = ledger.unfinished(rows, migration, own_rows())
            self.watcher.event("began", migration.name, pid=connection.pid)
            with self.guard.watching(migration.name, connection.pid):
                if len(pieces) == 1 and pieces[0].transactional:
                    self._whole(connection, migration, pieces[0])
                else:
                    self._in_units(connection, migration, pieces, begun)
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
        """Hold a clean session with the runner's lock: no SET leaks from file to file."""
        opened = self.sessions.session() if self.sessions else self.database.connect()
        with opened as connection:
            bound_waits(connection, self.policy)
            ledger.take_runner_lock(connection, self.policy.runner_lock_wait)
            yield connection

    def _whole(self, connection: Connection, migration: Migration, unit: Unit) -> None:
        def act() -> None:
            started_at = datetime.now(UTC)
            with self._own_transaction(connection, migration.name, unit, 1):
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
        for setting in settings_of(pieces[:done]):
            connection.execute(setting)
            LockBudget(connection, self.policy).clamp()
        for number, unit in enumerate(pieces[done:], start=done + 1):
            finished = number == len(pieces)
            if number > done + 1:
                self.guard.ready(step)
            try:
                if unit.transactional:
                    self._try(step, self._unit(connection, step, unit, number, row_id, finished))
                else:
                    unsure = begun is not None and number == done + 1
                    settings = settings_of(pieces[: number - 1])
                    self._alone(connection, step, unit, number, settings, unsure=unsure)
                if not unit.transactional or unit.rolls_back:
                    ledger.record_progress(connection, row_id, number, finished=finished)
                    self.watcher.event("committed", step, unit=number)
                    self.guard.passed(step, names_in(unit))
            except StatementError as error:
                ledger.record_failure(connection, row_id, number - 1, error)
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
        self._sender.send_all(connection, step, unit.statements, number, budget)

    @contextmanager
    def _own_transaction(
        self, connection: Connection, step: str, unit: Unit, number: int
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
                    self._committing(step, number)
                    sent = True
            else:
                self._sender.send(connection, step, unit.opens, number)
                yield
                self._committing(step, number)
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
            raise OutcomeUnknownError(message, unit=number, sqlstate=error.sqlstate) from error
        self.watcher.event("committed", step, unit=number)
        self.guard.committed()

    def _committing(self, step: str, number: int) -> None:
        self.guard.committing(step)
        self.watcher.event("committing", step, unit=number)

    def _read_back(self, migration: Migration, lost: OutcomeUnknownError) -> bool:
        """Learn from the ledger how a COMMIT ended whose answer was lost; tell whether all is in.

        The runner's lock is free when the session that was lost is gone, and then its transaction
        is decided.
        """
        until = time.monotonic() + self.policy.reconnect_wait
        while True:
            try:
                with self._session() as connection:
                    rows = ledger.read(connection)
                self.guard.committed()
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
        finished = migration.name in ledger.applied(rows)
        done = max((row.applied_steps for row in rows if row.name == migration.name), default=0)
        outcome = "committed" if finished or done >= lost.unit else "rolled back"
        self.watcher.event("resolved", migration.name, unit=lost.unit, outcome=outcome)
        return finished

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
