"""Run named checks: one read-only query each, its answer beside what was expected."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.findings import Severity
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.model import Check

Row = Mapping[str, Any]
_SHOWN_OFFENDERS = 5
_LONGEST = 600  # seconds of one check
_REASON = "not_measured"
_NO_ROWS, _BY_HAND = "no rows", "by hand"
_NOTHING = "none found"
_MAY_LOOK = "GRANT pg_monitor, or what is named, to the role that migrates; then run again."


def run_checks(
    connection: Connection, checks: Iterable[Check], parameters: Mapping[str, Any] | None = None
) -> tuple[CheckResult, ...]:
    """Run the checks; one that cannot run is as bad as its severity, with the server's words.

    A query that names one of ``parameters``, ``%(name)s``, writes every other percent sign twice.
    What the role may not see is not measured: the server refuses the query, or a row of it says so
    in a column ``not_measured``. A check of severity info never fails. Of one that finds nothing
    its ``seen`` says what it looked at.
    """
    return tuple(_run_check(connection, check, parameters) for check in checks)


def _run_check(
    connection: Connection, check: Check, parameters: Mapping[str, Any] | None
) -> CheckResult:
    if check.expect == _BY_HAND:
        return _unseen(check, "not visible from the database", check.remedy)
    worse = {Severity.ERROR: Status.FAIL, Severity.WARNING: Status.WARN}
    status = worse.get(check.severity, Status.PASS)
    try:
        rows = _rows(connection, check.sql, parameters)
    except StatementError as error:
        if error.sqlstate == SqlState.INSUFFICIENT_PRIVILEGE:
            return _unseen(check, str(error), _MAY_LOOK)
        if status is Status.PASS:
            return _unseen(check, str(error), check.remedy)
        return CheckResult(check.name, status, str(error), _expected(check), check.remedy)
    reasons = [str(row[_REASON]) for row in rows if row.get(_REASON) is not None]
    rows = [row for row in rows if row.get(_REASON) is None]
    if reasons and not rows:
        return _unseen(check, "; ".join(reasons), _MAY_LOOK)
    if check.expect == _NO_ROWS:
        good = not rows
        found = [*_offenders(rows), *reasons]
        observed = "; ".join(found) if rows else _seen(connection, check, parameters)
    else:
        operator, number = check.expect.split()
        value = next(iter(rows[0].values())) if len(rows) == 1 else None
        good = isinstance(value, (int, float, Decimal)) and (
            value == int(number) if operator == "=" else value >= int(number)
        )
        observed = str(value) if len(rows) == 1 else f"{len(rows)} rows"
    if good:
        return CheckResult(check.name, Status.PASS, observed, _expected(check))
    return CheckResult(check.name, status, observed, _expected(check), check.remedy)


def _rows(connection: Connection, sql: str, parameters: Mapping[str, Any] | None) -> list[Row]:
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute(f"SET LOCAL statement_timeout = '{_LONGEST}s'")
        return list(connection.rows(sql, parameters if "%(" in sql else None))


def _offenders(rows: Sequence[Row]) -> list[str]:
    """Return the first rows as words, and how many there are besides."""
    shown = [
        " ".join(str(value) for name, value in row.items() if name != _REASON)
        for row in rows[:_SHOWN_OFFENDERS]
    ]
    if len(rows) > len(shown):
        shown[-1] += f" and {len(rows) - len(shown)} more"
    return shown


def _seen(connection: Connection, check: Check, parameters: Mapping[str, Any] | None) -> str:
    """Return what a check that found nothing looked at; where it cannot be read, that and why."""
    if not check.seen:
        return _NOTHING
    try:
        rows = _rows(connection, check.seen, parameters)
    except StatementError as error:
        return f"{_NOTHING}; {error}"
    return str(next(iter(rows[0].values()))) if rows else _NOTHING


def _expected(check: Check) -> str:
    """Return what a check expects, in words."""
    if check.severity is Severity.INFO and check.expect == _NO_ROWS:
        return "for information"
    operator, _, number = check.expect.partition(" ")
    words = {_NO_ROWS: "none", _BY_HAND: _BY_HAND}
    return words.get(check.expect) or (number if operator == "=" else f"{number} or more")


def _unseen(check: Check, reason: str, remedy: str) -> CheckResult:
    return CheckResult(check.name, Status.NOT_MEASURED, reason, _expected(check), remedy)
