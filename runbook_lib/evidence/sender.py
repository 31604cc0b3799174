"""Send what changes a target: the only way there, with a line in the journal before and after.

The release's statements, the runbook's own and programs such as pg_restore all pass here, whether
a migration, a rollback or the ledger's bookkeeping sends them.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from runbook_lib.errors import OutcomeUnknownError, StatementError, TargetError, ToolError
from runbook_lib.evidence.directory import file_sha256
from runbook_lib.evidence.journal import (
    COMMITTING,
    EXITED,
    PROGRAM,
    SENDING,
    SENT,
    Event,
    Listener,
    ended,
    started,
)
from runbook_lib.evidence.records import Observation, Outcome, StatementRun
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres.connection import Connection, Query, text_of
from runbook_lib.postgres.locks import LockBudget
from runbook_lib.postgres.process import Completed, Runner

_SAVEPOINT = "runbook_statement"


class Prober(Protocol):
    """Look at the server before and after each statement, inside its transaction."""

    def begin(self, connection: Connection) -> None:
        """Take note of what is there before a transaction."""

    def before(self, connection: Connection, statement: Statement, *, last: bool) -> None:
        """Measure what the statement is about to change; ``last`` of its transaction or not."""

    def after(self, connection: Connection) -> Observation:
        """Read what it did."""

    def failed(self, connection: Connection, statement: Statement, error: StatementError) -> None:
        """Look at what a statement failed for, in the session as it was before it."""

    def explained(self, statement: Statement, why: str) -> None:
        """Take note of what a statement that failed met."""


@dataclass(frozen=True)
class Sender:
    """Send what one step of a run does, and ``emit`` each of it to whoever listens.

    A rehearsal gives a ``probe``. With ``go_on`` a statement that fails is taken back to a
    savepoint and the next one is sent: never so on a target.
    """

    emit: Listener
    step: str
    probe: Prober | None = None
    go_on: bool = False

    def begin(self, connection: Connection) -> None:
        """Let the probe take note of what is there before a transaction."""
        if self.probe is not None:
            self.probe.begin(connection)

    def send_all(
        self,
        connection: Connection,
        statements: Sequence[Statement],
        transaction: int = 1,
        budget: LockBudget | None = None,
    ) -> None:
        """Send statements one after the other; raises StatementError with SQLSTATE and place."""
        for place, statement in enumerate(statements, 1):
            if budget is not None:
                budget.before(statement)
            # Outside a transaction there is nothing to take back.
            plain = bool(statement.control) or _sets_transaction(statement)
            saved = self.go_on and not plain and connection.in_transaction()
            if saved:
                connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                # One that fails later would keep the probe from seeing what came before it.
                last = self.go_on or place == len(statements)
                self.send(connection, statement, transaction, last=last)
            except StatementError as error:
                if not self.go_on or (plain and connection.in_transaction()):
                    raise
                if saved:
                    connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
                if self.probe is not None:
                    self.probe.failed(connection, statement, error)
            if saved:
                connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            if budget is not None:
                budget.after(statement)

    def send(
        self,
        connection: Connection,
        statement: Statement,
        transaction: int = 1,
        *,
        last: bool = True,
    ) -> None:
        """Send one statement of the release."""
        self.emit(started(self.step, statement))
        # SET TRANSACTION has to come before any query.
        probed = not statement.control and not _sets_transaction(statement)
        if self.probe is not None and probed:
            self.probe.before(connection, statement, last=last)
        started_at, begin = datetime.now(UTC), time.perf_counter()
        outcome, line, error_text, sqlstate = Outcome.UNKNOWN, statement.line, "", ""
        observed: Observation | None = None
        seconds = 0.0
        try:
            connection.execute(statement.sql)
            seconds, outcome = _since(begin), Outcome.DONE
            if self.probe is not None and probed:
                observed = self.probe.after(connection)
        except StatementError as error:
            seconds, outcome = _since(begin), Outcome.FAILED
            placed = error.at(statement.path, statement.line, statement.sql)
            line, error_text = placed.line or statement.line, error.message
            sqlstate = error.sqlstate or ""
            raise placed from error.__cause__
        except TargetError as error:
            seconds = _since(begin)
            error.path, error.line = statement.path, statement.line
            raise
        finally:
            run = StatementRun(
                step=self.step,
                path=statement.path,
                line=line,
                label=statement.label,
                outcome=outcome,
                seconds=seconds,
                started_at=started_at,
                transaction=transaction,
                statement=statement.line,
                number=statement.number,
                sqlstate=sqlstate,
                error=error_text,
                observed=observed,
            )
            self.emit(ended(run))

    def change(
        self, connection: Connection, sql: Query, parameters: Mapping[str, Any] | None = None
    ) -> int:
        """Send a statement of the runbook's own; return the rows it touched, -1 if not known.

        What the parameters hold is not journalled.
        """
        durable = not connection.in_transaction()
        known = {"pid": connection.pid, "sql": text_of(sql)}
        self.emit(Event(SENDING, self.step, known, durable))
        begin, rows = time.perf_counter(), -1
        outcome: dict[str, object] = {"outcome": Outcome.UNKNOWN}
        try:
            rows = connection.execute(sql, parameters)
            outcome = {"outcome": Outcome.DONE, "rows": rows}
        except StatementError as error:
            outcome = {
                "outcome": Outcome.FAILED,
                "sqlstate": error.sqlstate,
                "error": error.message,
            }
            raise
        finally:
            took = {"seconds": _since(begin)}
            self.emit(Event(SENT, self.step, {**known, **outcome, **took}, durable))
        return rows

    @contextmanager
    def transaction(
        self,
        connection: Connection,
        number: int = 1,
        before_commit: Callable[[str], object] | None = None,
    ) -> Iterator[None]:
        """Hold the block in one transaction, with a line before and after its COMMIT.

        ``before_commit`` is told the step when all else is done. Raises OutcomeUnknownError where
        the connection is lost once COMMIT may have been sent.
        """
        sent = False
        try:
            with connection.transaction():
                yield
                if before_commit is not None:
                    before_commit(self.step)
                self.committing(number)
                sent = True
        except TargetError as error:
            if not sent:
                raise
            raise lost_in_commit(error, number) from error
        self.committed(number)

    def committing(self, number: int) -> None:
        """Say that the COMMIT of the transaction of this number comes next."""
        self.emit(Event(COMMITTING, self.step, {"transaction": number}))

    def committed(self, number: int) -> None:
        """Say that the transaction of this number is committed; the ledger tells that as well."""
        self.emit(Event("committed", self.step, {"transaction": number}, durable=False))

    def runner(self, run: Runner, **digests: str) -> Runner:
        """Return what runs a program as ``run`` does, with a line before and after it.

        ``digests`` are the SHA-256 of what the program reads, by what it is.
        """

        def watched(argv: Sequence[Any], **options: Any) -> Completed:
            words = [str(word) for word in argv]
            known = {"argv": words, "digests": {**_digest_of(words[0]), **digests}}
            self.emit(Event(PROGRAM, self.step, known))
            begin = time.perf_counter()
            outcome: dict[str, object] = {"exit": None}
            try:
                done = run(argv, **options)
                outcome = {"exit": done.returncode}
            except ToolError as error:
                outcome = {"exit": error.exit_code, "error": error.message}
                raise
            finally:
                took = {"seconds": _since(begin)}
                self.emit(Event(EXITED, self.step, {"argv": words, **outcome, **took}))
            return done

        return watched


def _since(begin: float) -> float:
    """Return the seconds since then, as exact as a clock is: to the microsecond."""
    return round(time.perf_counter() - begin, 6)


def lost_in_commit(error: TargetError, number: int) -> OutcomeUnknownError:
    """Return what says that nobody knows how a COMMIT ended."""
    message = f"The connection was lost during COMMIT: {error.message}"
    return OutcomeUnknownError(message, transaction=number, sqlstate=error.sqlstate)


def _digest_of(program: str) -> dict[str, str]:
    """Return the digest of a program's file, empty where it is not found."""
    path = shutil.which(program)
    return {"program": file_sha256(Path(path))} if path else {}


def _sets_transaction(statement: Statement) -> bool:
    """Tell whether it is SET TRANSACTION, which the server refuses after a savepoint."""
    return statement.kind == "variable set" and "TRANSACTION" in statement.sql.upper().split()[1:3]
