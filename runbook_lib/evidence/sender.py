"""Send statements to the server one by one: journalled, observed, and errors with their place."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from runbook_lib.errors import StatementError, TargetError
from runbook_lib.evidence.journal import Watcher
from runbook_lib.evidence.records import Observation, Outcome, StatementRun
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.locks import LockBudget

_SAVEPOINT = "runbook_statement"


class Prober(Protocol):
    """Look at the server before and after each statement, inside its transaction."""

    def begin(self, connection: Connection) -> None:
        """Take note of what is there before a transaction."""

    def before(self, connection: Connection, statement: Statement, *, last: bool) -> None:
        """Measure what the statement is about to change; ``last`` of its transaction or not."""

    def after(self, connection: Connection) -> Observation:
        """Read what it did."""


@dataclass(frozen=True)
class Sender:
    """Send statements of one step, watched.

    A rehearsal gives a ``probe``. With ``go_on`` a statement that fails is taken back to a
    savepoint and the next one is sent: never so on a target.
    """

    watcher: Watcher
    probe: Prober | None = None
    go_on: bool = False

    def begin(self, connection: Connection) -> None:
        """Let the probe take note of what is there before a transaction."""
        if self.probe is not None:
            self.probe.begin(connection)

    def send_all(
        self,
        connection: Connection,
        step: str,
        statements: Sequence[Statement],
        unit: int = 1,
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
                self.send(connection, step, statement, unit, last=last)
            except StatementError:
                if not self.go_on or (plain and connection.in_transaction()):
                    raise
                if saved:
                    connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            if saved:
                connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            if budget is not None:
                budget.after(statement)

    def send(
        self,
        connection: Connection,
        step: str,
        statement: Statement,
        unit: int = 1,
        *,
        last: bool = True,
    ) -> None:
        """Send one statement, with a line in the journal before and after it."""
        self.watcher.started(step, statement)
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
            seconds, outcome = time.perf_counter() - begin, Outcome.DONE
            if self.probe is not None and probed:
                observed = self.probe.after(connection)
        except StatementError as error:
            seconds, outcome = time.perf_counter() - begin, Outcome.FAILED
            placed = error.at(statement.path, statement.line, statement.sql)
            line, error_text = placed.line or statement.line, error.message
            sqlstate = error.sqlstate or ""
            raise placed from error.__cause__
        except TargetError as error:
            seconds = time.perf_counter() - begin
            error.path, error.line = statement.path, statement.line
            raise
        finally:
            run = StatementRun(
                step=step,
                path=statement.path,
                line=line,
                label=statement.label,
                outcome=outcome,
                seconds=seconds,
                started_at=started_at,
                unit=unit,
                statement=statement.line,
                number=statement.number,
                sqlstate=sqlstate,
                error=error_text,
                observed=observed,
            )
            self.watcher.ended(run)


def _sets_transaction(statement: Statement) -> bool:
    """Tell whether it is SET TRANSACTION, which the server refuses after a savepoint."""
    return statement.kind == "variable set" and "TRANSACTION" in statement.sql.upper().split()[1:3]
