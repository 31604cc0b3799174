"""Keep the ledger of applied migrations: Prisma's ``_prisma_migrations``, as Prisma writes it."""

import time
import uuid
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.errors import GateError, RunbookError, StatementError
from runbook_lib.postgres.connection import (
    REPLACER,
    RUNNER_LOCK,
    SQL,
    Connection,
    Identifier,
    Query,
    Row,
    Send,
)
from runbook_lib.postgres.queries import load
from runbook_lib.release.model import Migration

NAME = "_prisma_migrations"
_FILE_LOCK = 1  # beside the runner's: shared by the session that runs a file
_LOCK = {"key": RUNNER_LOCK, "file": _FILE_LOCK, "replacer": REPLACER}
_TRY = "SELECT pg_catalog.pg_try_advisory_lock(%(key)s)"
_LET_GO = "SELECT pg_catalog.pg_advisory_unlock(%(key)s)"
_TRY_FILE = "SELECT pg_catalog.pg_try_advisory_lock(%(key)s, %(file)s)"
_LET_FILE_GO = "SELECT pg_catalog.pg_advisory_unlock(%(key)s, %(file)s)"
_MARK = "SELECT pg_catalog.pg_try_advisory_lock_shared(%(key)s, %(file)s)"


@dataclass(frozen=True)
class LedgerRow:
    """Hold one row of Prisma's ``_prisma_migrations``."""

    id: str
    name: str
    checksum: str
    started_at: datetime
    finished_at: datetime | None
    rolled_back_at: datetime | None
    logs: str
    applied_steps: int

    @property
    def finished(self) -> bool:
        """Tell whether the migration counts as applied."""
        return self.finished_at is not None and self.rolled_back_at is None

    @property
    def failed(self) -> bool:
        """Tell whether the row blocks: started, neither finished nor resolved."""
        return self.finished_at is None and self.rolled_back_at is None


def _query(name: str, schema: str) -> Query:
    return SQL(load(name)).format(Identifier(schema, NAME))


def _place(connection: Connection) -> tuple[str, bool]:
    """Return the schema of the ledger, and whether it is there; raises GateError without any."""
    for row in connection.rows(load("ledger_place")):
        return row["schema"], row["there"]
    message = "The database has no schema in which the ledger could be made."
    raise GateError(message, remedy="Create one for the role that migrates, such as public.")


def read(connection: Connection, name: str = "") -> tuple[LedgerRow, ...]:
    """Return all rows, or those of one migration, oldest first; none where there is no ledger."""
    rows = connection.rows(load("ledger_place"))
    if not rows or not rows[0]["there"]:
        return ()
    return tuple(
        LedgerRow(
            id=row["id"],
            name=row["migration_name"],
            checksum=row["checksum"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            rolled_back_at=row["rolled_back_at"],
            logs=row["logs"],
            applied_steps=row["applied_steps_count"],
        )
        for row in connection.rows(_query("ledger_rows", rows[0]["schema"]), {"name": name})
    )


def applied(rows: Iterable[LedgerRow]) -> frozenset[str]:
    """Return the names of the migrations that the ledger calls finished."""
    return frozenset(row.name for row in rows if row.finished)


def unfinished(
    rows: Iterable[LedgerRow], migration: Migration, own: Container[str]
) -> LedgerRow | None:
    """Return the unfinished row of a migration, if it is our ``own``.

    Raises GateError for another's row.
    """
    found = [row for row in rows if row.name == migration.name and row.failed]
    if any(row.id not in own for row in found):
        message = f"The ledger holds a failed row of {migration.name} from elsewhere."
        remedy = "10_prechecks.ipynb says whose it is, and what to do."
        raise GateError(message, remedy=remedy)
    return found[0] if found else None


def create(connection: Connection, send: Send) -> str:
    """Create the ledger where it is not there; return its schema."""
    schema, there = _place(connection)
    if not there:  # IF NOT EXISTS alone would raise a notice each time
        send(connection, _query("ledger_create", schema), None)
    return schema


def become_runner(connection: Connection, timeout: float) -> None:
    """Let a file's transaction end as the role that logged in, whatever the file has set.

    What is set holds in this transaction alone: the file's own settings go on behind it. The
    ``timeout`` of each statement is in seconds.
    """
    connection.execute(
        "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE; SET LOCAL search_path = "
        "pg_catalog; SET LOCAL row_security = on; "
        f"SET LOCAL statement_timeout = {round(timeout * 1000)}"
    )


def record_applied(
    connection: Connection, send: Send, migration: Migration, started_at: datetime
) -> None:
    """Write the finished row of a migration; the last act of its transaction."""
    _insert(connection, send, migration, started_at, None, 1, finished=True)


def record_baseline(connection: Connection, send: Send, migration: Migration) -> None:
    """Write the row of a migration that was found applied, as ``migrate resolve --applied``."""
    _insert(connection, send, migration, None, "", 0, finished=True)


def record_started(connection: Connection, send: Send, migration: Migration) -> str:
    """Write the unfinished row of a file that is not one transaction; return its id."""
    return _insert(connection, send, migration, None, None, 0, finished=False)


def resolve_failed(connection: Connection, send: Send) -> None:
    """Mark every unfinished row as rolled back, as ``migrate resolve --rolled-back`` does.

    For a rehearsal's copy: what blocks the target is reported, and the rest is still tried.
    """
    schema, there = _place(connection)
    if there:
        send(connection, _query("ledger_resolve", schema), None)


def take_back(connection: Connection, send: Send, names: Sequence[str]) -> None:
    """Mark the rows of these migrations as rolled back: they are pending again."""
    if names:
        schema, _ = _place(connection)
        send(connection, _query("ledger_take_back", schema), {"names": list(names)})


def record_mended(connection: Connection, send: Send, row_id: str, checksum: str) -> None:
    """Write into the unfinished row of a file the checksum of the text that it goes on with."""
    schema, _ = _place(connection)
    send(connection, _query("ledger_mended", schema), {"id": row_id, "checksum": checksum})


def record_progress(
    connection: Connection,
    send: Send,
    row_id: str,
    steps: int,
    *,
    finished: bool = False,
    logs: str = "",
) -> None:
    """Count the committed transactions of such a file; the last finishes the row."""
    schema, _ = _place(connection)
    parameters = {"id": row_id, "steps": steps, "finished": finished, "logs": logs or None}
    send(connection, _query("ledger_progress", schema), parameters)


def record_failure(
    connection: Connection, send: Send, row_id: str, done: int, error: StatementError
) -> None:
    """Write the error into the unfinished row; where that fails too, the first error says so."""
    try:
        record_progress(connection, send, row_id, done, logs=str(error))
    except RunbookError as second:
        error.message += f" The failure could not be written to the ledger: {second.message}"


def _insert(
    connection: Connection,
    send: Send,
    migration: Migration,
    started_at: datetime | None,
    logs: str | None,
    steps: int,
    *,
    finished: bool,
) -> str:
    """Write one row; its times are the server's, at the moment, where none is given."""
    row_id = str(uuid.uuid4())
    parameters = {
        "id": row_id,
        "checksum": migration.checksum,
        "name": migration.name,
        "logs": logs,
        "started_at": started_at,
        "finished": finished,
        "steps": steps,
    }
    send(connection, _query("ledger_insert", create(connection, send)), parameters)
    return row_id


def at_work(connection: Connection) -> bool:
    """Tell whether a runner is at work, or what outlived one."""
    if not connection.value(_TRY, _LOCK):
        return True
    try:
        return _outlived(connection)
    finally:
        connection.rows(_LET_GO, _LOCK)


def _outlived(connection: Connection) -> bool:
    """Tell whether a file's session, or a restore in place, outlived its runner.

    This session holds the runner's lock, so that no other file begins meanwhile.
    """
    if not connection.value(_TRY_FILE, _LOCK):
        return True
    connection.rows(_LET_FILE_GO, _LOCK)
    found = connection.seen(load("restore_at_work"), _LOCK) or ()
    return any(row["at_work"] for row in found)


def _described(holders: Sequence[Row] | None) -> str:
    """Name who is at work, for a person."""
    if holders is None:
        return "who, is not visible to this role"
    return "; ".join(
        f"pid {row['pid']}, {row['user']}, {row['application']}, since {row['since']}"
        for row in holders
    )


def take_runner_lock(connection: Connection, wait: float) -> None:
    """Take Prisma's session lock, so that one runner works at a time; wait seconds at most.

    The lock is polled: a session that waits in pg_advisory_lock holds a snapshot, which would
    stop concurrent index builds. What outlived its runner, and with it the lock, is waited for
    likewise: the session of a file, a restore in place. Raises GateError that names who is at work.
    """
    until, taken = time.monotonic() + wait, False
    while not (taken := taken or connection.value(_TRY, _LOCK)) or _outlived(connection):
        if time.monotonic() >= until:
            who = _described(connection.seen(load("lock_holder"), _LOCK))
            message = f"Another runner is at work ({who or 'it just ended'})."
            raise GateError(message, remedy="Wait until it ends, then run again.")
        time.sleep(0.1)


def mark_file_session(connection: Connection) -> None:
    """Let the next runner wait for this session, should it outlive its own runner."""
    connection.rows(_MARK, _LOCK)
