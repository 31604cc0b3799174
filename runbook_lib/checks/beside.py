"""Look whether a database can be restored beside, and what a swap would leave with the old one."""

from datetime import UTC, datetime

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.parser.identifiers import quote
from runbook_lib.postgres.connection import Connection, Database, Send
from runbook_lib.postgres.queries import load

_NAME = "runbook_tried_{}_"  # and the time
_TRIED = "SELECT datname FROM pg_database WHERE starts_with(datname, %(begin)s) ORDER BY 1"
_REMEDY = (
    "Give the role CREATEDB, and let it be a member of the database's owner; otherwise the "
    "rollback restores in place, where the rehearsal proves that."
)
_POINT = (
    "After a swap they belong to the old database: drop and make them again for the new one, and "
    "let pools that keep prepared statements reconnect."
)


def try_beside(database: Database, send: Send) -> CheckResult:
    """Create the empty database that a restore beside needs, and drop it again.

    One that a look before left, which was killed, is named: another one may be looking just now.
    """
    name, expected = "a database beside", "can be created"
    begin = _NAME.format(database.dbname[:30])
    tried = f"{begin}{datetime.now(UTC):%H%M%S%f}"
    try:
        database.create(tried, like=database.dbname, send=send)
        database.drop(tried, send)
        with database.runner_session() as connection:
            left = [row["datname"] for row in connection.rows(_TRIED, {"begin": begin})]
    except RunbookError as error:
        return CheckResult(name, Status.WARN, error.message, expected, _REMEDY)
    observed = "was created, and dropped"
    if not left:
        return CheckResult(name, Status.PASS, observed, expected)
    observed += f"; left by another look: {', '.join(left)}"
    remedy = f"Unless one looks just now: {' '.join(f'DROP DATABASE {quote(x)};' for x in left)}"
    return CheckResult(name, Status.WARN, observed, expected, remedy)


def left_by_swap(connection: Connection) -> tuple[str, ...]:
    """Return what names the database itself, and stays with it when another takes its name."""
    rows = connection.seen(load("swap_leaves")) or ()
    return tuple(str(row["what"]) for row in rows)


def check_swap(connection: Connection) -> CheckResult:
    """Say what a swap of names would leave pointing at the old database."""
    found = left_by_swap(connection)
    status = Status.WARN if found else Status.PASS
    observed = ", ".join(found) or "nothing else names this database"
    return CheckResult("left by a swap", status, observed, "nothing", _POINT if found else "")
