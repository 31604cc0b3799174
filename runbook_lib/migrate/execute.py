"""Apply one file, record a baseline, add demo rows: what a step of a plan does to a database."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from runbook_lib.config.policies import Policy
from runbook_lib.errors import (
    FailoverError,
    GateError,
    OutcomeUnknownError,
    SqlState,
    StatementError,
    TargetError,
)
from runbook_lib.evidence import halves
from runbook_lib.evidence.halves import Half
from runbook_lib.evidence.journal import BEGAN, TOOK, Event, Listener, said
from runbook_lib.evidence.records import Outcome, Taken
from runbook_lib.evidence.sender import Prober, Sender, lost_in_commit
from runbook_lib.migrate.guard import Unguarded
from runbook_lib.migrate.index_builds import Builder
from runbook_lib.migrate.row_counts import RowCounter, older_tables
from runbook_lib.parser.statement import Split, Statement, Transaction
from runbook_lib.parser.transactions import names_in, settings_of, transactions_of
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import CleanSession, Connection, Database
from runbook_lib.postgres.failover import OneServer
from runbook_lib.postgres.ledger import LedgerRow
from runbook_lib.postgres.locks import LockBudget, bound_waits, longest_silence, retrying
from runbook_lib.postgres.targets import demo_statements, has_rows, set_scale
from runbook_lib.postgres.watching import kept_alive
from runbook_lib.release.model import Migration

_CONCURRENT = {"drop", "reindex", "index"}
_GONE = {SqlState.UNDEFINED_OBJECT, SqlState.UNDEFINED_TABLE}
_LOOK = 0.5  # seconds between two tries to reach a server that was lost


# The ledger rows that this run began, by id, each with what its journal says of the file since.
OwnRows = Callable[[], Mapping[str, Sequence[Mapping[str, Any]]]]


class HeldRunner(ExitStack):
    """Keep the runner's session, with its lock, from one file to the next; what fails ends it."""

    def __init__(self) -> None:
        super().__init__()
        self._runner: Connection | None = None

    @contextmanager
    def session(self, opened: AbstractContextManager[Connection]) -> Iterator[Connection]:
        """Hold the session for the block: ``opened``, where none is held yet."""
        if self._runner is None:
            self._runner = self.enter_context(opened)
        try:
            yield self._runner
        except BaseException:
            self._runner = None
            self.close()
            raise


@dataclass(frozen=True)
class Applier:
    """Carry steps out on one database under one policy, guarded; ``emit`` is told of each event.

    Each file has a clean session; ``sessions`` uses one for several files, and ``held`` one of the
    runner's. A rehearsal gives a ``probe``. The ``counter`` is asked before each COMMIT. With
    ``go_on`` a statement that fails is taken back to a savepoint and the next one is run: never so
    on a target.
    """

    database: Database
    policy: Policy
    emit: Listener
    probe: Prober | None = None
    go_on: bool = False
    counter: RowCounter | None = None
    guard: Unguarded = field(default_factory=Unguarded)
    sessions: CleanSession | None = None
    held: HeldRunner | None = None
    server: OneServer = field(default_factory=OneServer)

    def migrate(
        self, migration: Migration, own_rows: OwnRows = dict, split: Split | None = None
    ) -> Outcome:
        """Apply one migration file and write its ledger row in the same transaction.

        A file that cannot be one transaction, or that the plan's ``split`` takes apart, is applied
        transaction by transaction, each counted in its ledger row, and goes on where an earlier try
        stopped, if that row is among ``own_rows``, asked for when the runner's lock is held: also
        with a text that was mended behind what is in. Raises StatementError with SQLSTATE, file and
        line, which says what is in: a file that is one transaction left nothing behind. Raises
        GateError where what is in was changed, OutcomeUnknownError where the connection was lost in
        COMMIT and the server does not come back to be asked, FailoverError where another one
        answers.
        """
        pieces = transactions_of(migration.statements, split)
        lost_at: set[int] = set()
        while True:
            try:
                return self._once(migration, pieces, own_rows)
            except OutcomeUnknownError as lost:
                if self._read_back(migration, lost):
                    return Outcome.DONE
                if len(pieces) == 1 or lost.transaction in lost_at:
                    message = f"{lost.message} The server rolled it back: nothing of it remains."
                    raise TargetError(
                        message, sqlstate=lost.sqlstate, remedy="Run again."
                    ) from lost
                lost_at.add(lost.transaction)

    def _once(
        self, migration: Migration, pieces: tuple[Transaction, ...], own_rows: OwnRows
    ) -> Outcome:
        self.guard.ready(migration.name)
        with self._sessions() as (runner, connection):
            rows = ledger.read(runner, migration.name)
            if migration.name in ledger.applied(rows):
                return Outcome.ALREADY_DONE
            begun = _begun(rows, migration, pieces, own_rows)
            self.emit(
                Event(BEGAN, migration.name, {"pid": connection.pid}, durable=False)
            )  # a power cut may take it: nothing has happened yet
            with self.guard.watching(migration.name, connection.pid):
                _File(self, runner, connection, migration, pieces).apply(begun)
        return Outcome.DONE

    def baseline(self, migration: Migration) -> Outcome:
        """Record a migration whose objects are there already, without running it."""
        sender = Sender(self.emit, migration.name)
        with self._runner() as runner:
            if migration.name in ledger.applied(ledger.read(runner)):
                return Outcome.ALREADY_DONE
            with sender.transaction(runner):
                ledger.record_baseline(runner, sender.change, migration)
            return Outcome.DONE

    def demo_rows(self, step: str, files: Sequence[Path], scale: float) -> Outcome:
        """Fill the tables with rows, all files in one transaction, unless they hold rows."""
        sender = Sender(self.emit, step, self.probe, self.go_on)
        with self._sessions() as (_, connection):
            if has_rows(connection, files):
                return Outcome.ALREADY_DONE
            with sender.transaction(connection):
                set_scale(connection, scale)
                sender.send_all(connection, demo_statements(files))
            return Outcome.DONE

    def _runner(self) -> AbstractContextManager[Connection]:
        """Hold the runner's lock, in a session that no file can touch."""
        return self.held.session(self._opened()) if self.held else self._opened()

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        with self.database.runner_session() as runner:
            self.server.check(runner)
            bound_waits(runner, self.policy)
            ledger.take_runner_lock(runner, self.policy.locks.runner_wait)
            with kept_alive(runner, longest_silence(self.policy)):
                yield runner

    @contextmanager
    def _sessions(self) -> Iterator[tuple[Connection, Connection]]:
        """Hold the runner's session, and a clean one for a file: no SET leaks from file to file."""
        with self._runner() as runner:
            opened = self.sessions.session() if self.sessions else self.database.connect()
            with opened as connection:
                if self.sessions is None:
                    self.server.check(connection)
                bound_waits(connection, self.policy)
                ledger.mark_file_session(connection)
                yield runner, connection

    def _read_back(self, migration: Migration, lost: OutcomeUnknownError) -> bool:
        """Learn from the ledger how a COMMIT ended whose answer was lost; tell whether all is in.

        The next runner's lock is given when the session that was lost is gone, and then its
        transaction is decided.
        """
        until = time.monotonic() + self.policy.statements.reconnect_wait
        while True:
            try:
                with self._runner() as runner:
                    rows = ledger.read(runner)
                self.guard.committed()
                break
            except FailoverError:
                self.emit(Event("unknown", migration.name, {"error": lost.message}))
                raise
            except (TargetError, GateError):
                if time.monotonic() >= until:
                    self.emit(Event("unknown", migration.name, {"error": lost.message}))
                    lost.remedy = (
                        f"Whether {migration.name} is applied is not known, for the server does "
                        "not answer. Run again when it does: the ledger is read first."
                    )
                    raise lost from None
                time.sleep(_LOOK)
        finished = migration.name in ledger.applied(rows)
        done = max((row.applied_steps for row in rows if row.name == migration.name), default=0)
        outcome = "committed" if finished or done >= lost.transaction else "rolled back"
        known = {"transaction": lost.transaction, "outcome": outcome}
        self.emit(Event("resolved", migration.name, known))
        return finished


def _begun(
    rows: Sequence[LedgerRow],
    migration: Migration,
    pieces: Sequence[Transaction],
    own_rows: OwnRows,
) -> LedgerRow | None:
    """Return the row of an earlier try that this one goes on from, None where there is none."""
    if not any(row.failed for row in rows):
        return None
    own = own_rows()
    begun = ledger.unfinished(rows, migration, own)
    if begun is not None:
        half = Half.of(own[begun.id])
        halves.refuse_changed(half, migration, pieces, begun.applied_steps)
    return begun


@dataclass(frozen=True)
class _File:
    """Apply one file in a session of its own, beside the runner's, which holds the lock."""

    applier: Applier
    runner: Connection
    connection: Connection
    migration: Migration
    pieces: tuple[Transaction, ...]

    @property
    def step(self) -> str:
        return self.migration.name

    @property
    def sender(self) -> Sender:
        return Sender(self.applier.emit, self.step, self.applier.probe, self.applier.go_on)

    def apply(self, begun: LedgerRow | None) -> None:
        """Apply it as one transaction or transaction by transaction; go on from ``begun``."""
        if begun is None and len(self.pieces) == 1 and self.pieces[0].in_block:
            self._whole(self.pieces[0])
        else:
            self._in_units(begun)

    def _whole(self, transaction: Transaction) -> None:
        def act() -> None:
            started_at = datetime.now(UTC)
            with self._in_transaction(transaction, 1):
                self._send(transaction, 1)
                # Last, so that the file may begin with SET TRANSACTION.
                self._become_runner(transaction)
                change = self.sender.change
                ledger.record_applied(self.connection, change, self.migration, started_at)

        self._try(act)

    def _in_units(self, begun: LedgerRow | None) -> None:
        """Commit transaction by transaction, each with its count in the ledger row."""
        done, row_id = self._gone_on(begun) if begun else (0, self._begin_row())
        guard, connection = self.applier.guard, self.connection
        rows = RowCounter(older_tables(self.runner), self._tell_rows)
        for setting in settings_of(self.pieces[:done]):
            connection.execute(setting)
            LockBudget(connection, self.applier.policy).clamp()
        for number, transaction in enumerate(self.pieces[done:], start=done + 1):
            if number > done + 1:
                guard.ready(self.step)
            try:
                if transaction.in_block:
                    self._try(self._one(transaction, number, row_id, rows))
                else:
                    self._alone(
                        transaction, number, unsure=begun is not None and number == done + 1
                    )
                if not transaction.in_block or transaction.rolls_back:
                    self._count(self.runner, number, row_id)
                    self.sender.committed(number)
                    guard.passed(self.step, names_in(transaction))
            except StatementError as error:
                if self.applier.go_on and not connection.closed:
                    continue  # what failed is known; the rest is tried as well
                said = halves.what_is_in(self.step, self.pieces, number - 1)
                error.remedy = f"{error.remedy} {said}".strip()
                change = self.sender.change
                ledger.record_failure(self.runner, change, row_id, number - 1, error)
                raise

    def _begin_row(self) -> str:
        """Write the file's unfinished ledger row; the journal proves that it is ours."""
        with self.runner.transaction():
            change = self.sender.change
            row_id = ledger.record_started(self.runner, change, self.migration)
            self.applier.emit(halves.ledger_row(self.migration, row_id, self.pieces))
        return row_id

    def _gone_on(self, begun: LedgerRow) -> tuple[int, str]:
        """Let the row be of the file as it is now; return what is done of it, and its id."""
        if begun.checksum != self.migration.checksum:
            # The journal first: what it knows more than the ledger is not committed yet.
            self.applier.emit(halves.ledger_row(self.migration, begun.id, self.pieces))
            change = self.sender.change
            ledger.record_mended(self.runner, change, begun.id, self.migration.checksum)
        if begun.applied_steps == len(self.pieces):  # what was left to do was taken out
            self._count(self.runner, begun.applied_steps, begun.id)
        return begun.applied_steps, begun.id

    def _count(self, connection: Connection, number: int, row_id: str) -> None:
        """Count the transaction in the ledger row, which the last one finishes."""
        change, finished = self.sender.change, number == len(self.pieces)
        ledger.record_progress(connection, change, row_id, number, finished=finished)

    def _become_runner(self, transaction: Transaction) -> None:
        """Do what was deferred to the COMMIT while the file's role and path hold; then be ours."""
        if not transaction.rolls_back:
            self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        ledger.become_runner(self.connection, self.applier.policy.statements.timeout)

    def _tell_rows(self, found: Sequence[Taken]) -> None:
        """Keep what a transaction does to rows, which no statement takes back."""
        if found:
            self.applier.emit(Event(TOOK, self.step, {"rows": found}, durable=False))

    def _one(
        self, transaction: Transaction, number: int, row_id: str, rows: RowCounter
    ) -> Callable[[], None]:
        """Return what does one transaction of a file, with its count in the ledger row."""

        def act() -> None:
            rows.begin(self.runner, self.connection, self.step, number)
            with self._in_transaction(transaction, number):
                self._send(transaction, number)
                self._become_runner(transaction)
                if not transaction.rolls_back:
                    rows.committing(self.connection, self.step, number)
                self._count(self.connection, number, row_id)

        return act

    def _try(self, act: Callable[[], None]) -> None:
        """Do a transaction, again where only a lock was in the way, as the policy bounds it."""

        def tell(attempt: int, pause: float, error: StatementError) -> None:
            tried = {"attempt": attempt, "pause": pause, "error": str(error), "line": error.line}
            self.applier.emit(Event("retried", self.step, tried))
            words = f"try {attempt} met a lock ({error.sqlstate}); pauses {pause:.1f} s"
            self.applier.emit(said(self.step, words))

        retrying(self.applier.policy, tell)(act)

    def _send(self, transaction: Transaction, number: int) -> None:
        budget = LockBudget(self.connection, self.applier.policy)
        self.sender.send_all(self.connection, transaction.statements, number, budget)

    @contextmanager
    def _in_transaction(self, transaction: Transaction, number: int) -> Iterator[None]:
        """Hold the block in one transaction: the file's own BEGIN and COMMIT, or ours.

        Raises OutcomeUnknownError where the connection is lost once COMMIT may have been sent.
        """
        sender, guard, counter = self.sender, self.applier.guard, self.applier.counter
        if counter is not None:
            counter.begin(self.runner, self.connection, self.step, number)
        sender.begin(self.connection)
        commits = partial(self._committing, transaction, number)
        try:
            if transaction.opens is None or transaction.closes is None:
                with sender.transaction(self.connection, number, commits):
                    yield
            else:
                sender.send(self.connection, transaction.opens, number)
                yield
                commits(self.step)
                sender.committing(number)
                self._close(transaction.closes, number)
        except StatementError as error:
            if error.path is None and transaction.statements:  # the commit: a deferred constraint
                error.path = transaction.statements[-1].path
            self.connection.rollback()
            raise
        guard.committed()

    def _committing(self, transaction: Transaction, number: int, step: str) -> None:
        """See that the runner's lock is still held, and that nothing else speaks against COMMIT."""
        if self.applier.counter is not None and not transaction.rolls_back:
            self.applier.counter.committing(self.connection, step, number)
        self.runner.value("SELECT 1")
        self.applier.guard.committing(step)

    def _close(self, statement: Statement, number: int) -> None:
        try:
            self.sender.send(self.connection, statement, number)
        except TargetError as error:
            raise lost_in_commit(error, number) from error
        self.sender.committed(number)

    def _alone(self, transaction: Transaction, number: int, *, unsure: bool) -> None:
        """Run what cannot be in a transaction.

        ``unsure`` says that an earlier try may have run it. A short lock_timeout would cancel what
        is concurrent even for a transaction on another table.
        """
        sender, connection = self.sender, self.connection
        if transaction.builds:
            paused = partial(self.applier.guard.paused, self.step)
            builder = Builder(self.applier.database, self.applier.policy, sender, paused)
            settings = settings_of(self.pieces[: number - 1])
            with kept_alive(connection, longest_silence(self.applier.policy)):
                builder.build(number, transaction.statements, settings, unsure=unsure)
            return
        (statement,) = transaction.statements
        sender.begin(connection)
        bound = connection.value("SHOW lock_timeout")
        if statement.kind in _CONCURRENT:
            connection.execute("SET lock_timeout = 0")
        try:
            self._try(lambda: sender.send_all(connection, [statement], number))
        except StatementError as error:
            if not (unsure and statement.kind == "drop" and error.sqlstate in _GONE):
                raise  # else the earlier try dropped it
        finally:
            if not connection.closed:
                connection.execute(f"SET lock_timeout = '{bound}'")
                LockBudget(connection, self.applier.policy).clamp()  # it may be DISCARD ALL
