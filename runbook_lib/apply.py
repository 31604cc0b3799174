"""Carry out one step of a plan: apply a file, record a baseline, add demo rows."""

import time
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from runbook_lib import ledger
from runbook_lib.build import demo_statements, has_rows, set_scale
from runbook_lib.database import Connection, Database, quote
from runbook_lib.errors import GateError, StatementError, TargetError
from runbook_lib.model import Migration, Policy, Statement, Unit
from runbook_lib.observed import LedgerRow, Observation, Outcome, StatementRun
from runbook_lib.plan import units
from runbook_lib.queries import load

_SAVEPOINT = "runbook_statement"
_CONCURRENT = {"index", "drop", "reindex"}


class Prober(Protocol):
    """Look at the server before and after each statement, inside its transaction."""

    def begin(self, connection: Connection) -> None:
        """Take note of what is there before a transaction."""

    def before(self, connection: Connection, statement: Statement) -> None:
        """Measure what the statement is about to change."""

    def after(self, connection: Connection) -> Observation:
        """Read what it did."""


class Watcher(Protocol):
    """See each statement before and after it runs."""

    def started(self, step: str, statement: Statement) -> None:
        """Take note that a statement is about to be sent."""

    def ended(self, run: StatementRun) -> None:
        """Take note of how it ended."""

    def ledger_row(self, step: str, row_id: str) -> None:
        """Take note of the unfinished ledger row of a file that is several transactions."""


@dataclass(frozen=True)
class Applier:
    """Run statements on one database under one policy, watched.

    A rehearsal gives a ``probe``. With ``go_on`` a statement that fails is taken back to a
    savepoint and the next one is run: never so on a target.
    """

    database: Database
    policy: Policy
    watcher: Watcher
    probe: Prober | None = None
    go_on: bool = False

    def migrate(self, migration: Migration, own_rows: Set[str] = frozenset()) -> Outcome:
        """Apply one migration file and write its ledger row in the same transaction.

        A file that cannot be one transaction is applied unit by unit, each counted in its ledger
        row, and goes on where an earlier try stopped, if that row is among ``own_rows``. Raises
        StatementError with SQLSTATE, file and line; a file that is one transaction then left
        nothing behind.
        """
        with self._session() as connection:
            rows = ledger.read(connection)
            if migration.name in ledger.applied(rows):
                return Outcome.ALREADY_DONE
            open_rows = [row for row in rows if row.name == migration.name and row.failed]
            if any(row.id not in own_rows for row in open_rows):
                message = f"The ledger holds a failed row of {migration.name} from elsewhere."
                remedy = f"Resolve it: npx prisma migrate resolve --rolled-back {migration.name}."
                raise GateError(message, remedy=remedy)
            pieces = units(migration)
            if len(pieces) == 1 and pieces[0].transactional:
                self._whole(connection, migration, pieces[0])
            else:
                self._in_units(connection, migration, pieces, open_rows[0] if open_rows else None)
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
                self._run(connection, step, demo_statements(files))
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
        started_at = datetime.now(UTC)
        with self._own_transaction(connection, migration.name, unit):
            self._run(connection, migration.name, unit.statements, 1)
            # Last, so that the file may begin with SET TRANSACTION.
            ledger.record_applied(connection, migration, started_at)

    def _in_units(
        self,
        connection: Connection,
        migration: Migration,
        pieces: tuple[Unit, ...],
        begun: LedgerRow | None,
    ) -> None:
        """Commit unit by unit, each with its count in the ledger row; go on from ``begun``."""
        done, row_id = (begun.applied_steps, begun.id) if begun else (0, "")
        if not begun:
            with connection.transaction():
                row_id = ledger.record_started(connection, migration)
                self.watcher.ledger_row(migration.name, row_id)
        for number, unit in enumerate(pieces[done:], start=done + 1):
            finished = number == len(pieces)
            try:
                if unit.transactional:
                    with self._own_transaction(connection, migration.name, unit):
                        self._run(connection, migration.name, unit.statements, number)
                        ledger.record_progress(connection, row_id, number, finished=finished)
                else:
                    unsure = begun is not None and number == done + 1
                    self._alone(connection, migration.name, unit, number, unsure=unsure)
                if not unit.transactional or unit.rolls_back:
                    ledger.record_progress(connection, row_id, number, finished=finished)
            except StatementError as error:
                ledger.record_progress(connection, row_id, number - 1, logs=str(error))
                raise

    @contextmanager
    def _own_transaction(self, connection: Connection, step: str, unit: Unit) -> Iterator[None]:
        """Hold the block in one transaction: the file's own BEGIN and COMMIT, or ours."""
        if self.probe is not None:
            self.probe.begin(connection)
        if unit.opens is None or unit.closes is None:
            try:
                with connection.transaction():
                    yield
            except StatementError as error:
                if error.path is None and unit.statements:  # the commit: a deferred constraint
                    error.path = unit.statements[-1].path
                raise
            return
        try:
            self._run(connection, step, [unit.opens])
            yield
            self._run(connection, step, [unit.closes])
        except StatementError:
            connection.rollback()
            raise

    def _alone(
        self, connection: Connection, step: str, unit: Unit, number: int, *, unsure: bool
    ) -> None:
        """Run a statement that cannot be in a transaction.

        An interrupted concurrent build leaves an invalid index, over which IF NOT EXISTS reports
        success: it goes first. ``unsure`` says that an earlier try may have run the statement: a
        valid index then is its work. A short lock_timeout would cancel a build even for a
        transaction on another table (PostgreSQL manual, CREATE INDEX, "Building Indexes
        Concurrently").
        """
        if self.probe is not None:
            self.probe.begin(connection)
        bound = connection.value("SHOW lock_timeout")
        if unit.statements[0].kind in _CONCURRENT:
            connection.execute("SET lock_timeout = 0")
        if not (self._built(connection, unit.statements[0]) and unsure):
            self._run(connection, step, unit.statements, number)
        connection.execute(f"SET lock_timeout = '{bound}'")

    @staticmethod
    def _built(connection: Connection, statement: Statement) -> bool:
        """Tell whether the statement's index is there and valid; drop an invalid one."""
        for item in statement.creates:
            if item.kind != "index":
                continue
            wanted = {"schema": item.schema, "name": item.name}
            states = connection.rows(load("index_state"), wanted)
            if any(not state["valid"] for state in states):
                name = f"{quote(item.schema)}.{quote(item.name)}"
                connection.execute(f"DROP INDEX CONCURRENTLY {name}")
            elif states:
                return True
        return False

    def _run(
        self, connection: Connection, step: str, statements: Iterable[Statement], unit: int = 1
    ) -> None:
        for statement in statements:
            # Outside a transaction there is nothing to take back.
            plain = bool(statement.control) or _sets_transaction(statement)
            saved = self.go_on and not plain and connection.in_transaction()
            if saved:
                connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                self._send(connection, step, statement, unit)
            except StatementError:
                if not self.go_on or (plain and connection.in_transaction()):
                    raise
                if saved:
                    connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            if saved:
                connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")

    def _send(self, connection: Connection, step: str, statement: Statement, unit: int) -> None:
        self.watcher.started(step, statement)
        # SET TRANSACTION has to come before any query.
        probed = not statement.control and not _sets_transaction(statement)
        if self.probe is not None and probed:
            self.probe.before(connection, statement)
        run = StatementRun(
            step=step,
            path=statement.path,
            line=statement.line,
            label=statement.label,
            outcome=Outcome.UNKNOWN,
            seconds=0.0,
            started_at=datetime.now(UTC),
            unit=unit,
            statement=statement.line,
            number=statement.number,
        )
        begin = time.perf_counter()
        try:
            connection.execute(statement.sql)
            run = replace(run, outcome=Outcome.DONE, seconds=time.perf_counter() - begin)
            if self.probe is not None and probed:
                run = replace(run, observed=self.probe.after(connection))
        except StatementError as error:
            run = replace(run, outcome=Outcome.FAILED, seconds=time.perf_counter() - begin)
            placed = error.at(statement.path, statement.line, statement.sql)
            run = replace(run, line=placed.line or statement.line, error=error.message)
            run = replace(run, sqlstate=error.sqlstate or "")
            raise placed from error.__cause__
        except TargetError as error:
            run = replace(run, seconds=time.perf_counter() - begin)
            error.path, error.line = statement.path, statement.line
            raise
        finally:
            self.watcher.ended(run)


def _sets_transaction(statement: Statement) -> bool:
    """Tell whether it is SET TRANSACTION, which the server refuses after a savepoint."""
    return statement.kind == "variable set" and "TRANSACTION" in statement.sql.upper().split()[1:3]
