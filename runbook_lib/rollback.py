"""Roll back by restoring beside: a new database, compared, then the names are swapped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib import catalog, ledger
from runbook_lib.archive import restore, swap
from runbook_lib.database import Connection, Database
from runbook_lib.errors import GateError
from runbook_lib.observed import Backup
from runbook_lib.policy import Policy
from runbook_lib.shell import Runner

_NAME_BYTES = 63
_TAIL = len("_before_rollback_20260101_000000_000")


@dataclass(frozen=True)
class Loss:
    """Hold what a rollback changes in one table; ``at_backup`` is None for a table made since."""

    table: str
    at_backup: int | None
    now: int


@dataclass(frozen=True)
class Rollback:
    """Hold a finished rollback: the database that is in place and the one that was kept."""

    dbname: str
    kept_as: str
    schema_fingerprint: str
    rows: Mapping[str, int]


def losses(connection: Connection, backup: Backup) -> tuple[Loss, ...]:
    """Return the tables whose row count differs from the backup's: what a restore changes."""
    now = catalog.count_rows(connection)
    return tuple(
        Loss(table, backup.rows.get(table), count)
        for table, count in now.items()
        if count != backup.rows.get(table) and not table.endswith(f".{catalog.LEDGER}")
    )


def restore_beside(
    database: Database, server_major: int, backup: Backup, policy: Policy, run: Runner
) -> Rollback:
    """Restore the backup into a new database, compare it with the backup, and swap the names.

    The old database is kept under a dated name. Until the swap, which is one transaction, the
    target is untouched. Raises GateError where the restored database is not what the backup
    recorded.
    """
    now = datetime.now(UTC)
    stamp = f"{now:%Y%m%d_%H%M%S}_{now.microsecond // 1000:03d}"
    fresh = _short(f"{database.dbname}_restored_{stamp}")
    kept = _short(f"{database.dbname}_before_rollback_{stamp}")
    database.create(fresh, like=database.dbname)
    beside = database.on(fresh)
    try:
        restore(beside, server_major, backup.archive, run, with_owners=True)
        with beside.connect() as connection:
            found = catalog.take_snapshot(connection)
            rows = catalog.count_rows(connection)
            connection.execute("ANALYZE")
        if found.fingerprint != backup.schema_fingerprint or rows != dict(backup.rows):
            message = f"The restored database {fresh} is not what the backup recorded."
            raise GateError(message, remedy="The target is untouched; take another backup file.")
        with database.connect() as connection:
            ledger.take_runner_lock(connection, policy.runner_lock_wait)
        swap(database, fresh, kept)
    except BaseException:
        database.drop(fresh)
        raise
    return Rollback(database.dbname, kept, found.fingerprint, rows)


def _short(name: str) -> str:
    """Cut the middle so that the name fits PostgreSQL's 63 bytes with its time stamp."""
    if len(name.encode()) <= _NAME_BYTES:
        return name
    return name.encode()[: _NAME_BYTES - _TAIL].decode(errors="ignore") + name[-_TAIL:]
