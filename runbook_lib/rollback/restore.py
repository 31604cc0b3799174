"""Roll back by restoring into a database beside, whose name is swapped with the target's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.backup.archive import restore, swap
from runbook_lib.backup.files import read_snapshot
from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError, TargetError
from runbook_lib.evidence.journal import Event
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import catalog, ledger, process, snapshot
from runbook_lib.postgres.connection import Connection, Database, Send
from runbook_lib.postgres.process import Runner
from runbook_lib.postgres.queries import load
from runbook_lib.rollback.carry_forward import advance
from runbook_lib.rollback.reprint import as_printed, set_otherwise

_NAME_BYTES = 63
_SHOWN = 3
MAY_NOT_CREATE = "the role may not create a database"
_MAY_CREATE = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
_EXISTS = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %(dbname)s)"
_RESTORED = "_restored_"
_STAMP = r"\d{8}_\d{6}_\d{3}"
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
    now = snapshot.count_rows(connection)
    return tuple(
        Loss(table, backup.rows.get(table), count)
        for table, count in now.items()
        if count != backup.rows.get(table) and not table.endswith(f".{snapshot.LEDGER}")
    )


@dataclass(frozen=True)
class Restorer:
    """Restore a backup over one target; ``run`` runs pg_restore.

    Without rows it tries what a role may do, and compares the schema alone.
    """

    database: Database
    server_major: int
    backup: Backup
    policy: Policy
    sender: Sender
    run: Runner = process.run
    with_rows: bool = True

    def beside(self, set_back: Sequence[str] = ()) -> Rollback:
        """Restore into a new database, compare it with the backup, and swap the names.

        The old database is kept under a dated name. The new one has what is set on the old one
        itself; ``set_back`` are the statements that take back what a release set there. Until the
        swap, which is one transaction, the target is untouched. Raises GateError where the restored
        database is not what the backup recorded.
        """
        database, backup, send = self.database, self.backup, self.sender.change
        now = datetime.now(UTC)
        stamp = f"{now:%Y%m%d_%H%M%S}_{now.microsecond // 1000:03d}"
        fresh = _short(f"{database.dbname}{_RESTORED}{stamp}")
        kept = _short(f"{database.dbname}_before_rollback_{stamp}")
        with (
            database.runner_session() as holder
        ):  # until the swap ends this session with all others
            ledger.take_runner_lock(holder, self.policy.locks.runner_wait)
            names = {"pid": holder.pid, "fresh": fresh, "kept_as": kept}
            self.sender.emit(Event("began", self.sender.step, names))
            for leftover in _leftovers(holder, fresh.removesuffix(stamp)):
                database.drop(leftover, send)
            database.create(fresh, like=database.dbname, send=send)
            try:
                self._fill(database.on(fresh), lambda: holder.value("SELECT 1"))
                self._carry_settings(fresh)
                with database.on(fresh).runner_session() as restored:
                    advance(restored, holder, self.sender)
                self._swap(fresh, kept, set_back)
            except BaseException:
                database.drop(fresh, send)
                raise
        return Rollback(database.dbname, kept, backup.schema_fingerprint, backup.rows)

    def _fill(self, fresh: Database, held: Callable[[], object]) -> None:
        """Restore into an empty database and compare; raises GateError where it differs."""
        archive, runner = self.backup.archive, self._runner
        restore(
            fresh,
            self.server_major,
            archive,
            runner,
            with_owners=True,
            with_rows=self.with_rows,
            may=held,
        )
        with fresh.runner_session() as connection:
            send, rows = self.sender.change, self.with_rows
            if differs := as_recorded(connection, self.backup, send, with_rows=rows):
                message = (
                    f"The restored database {fresh.dbname} is not what the backup recorded: "
                    f"{differs}."
                )
                remedy = "The target is untouched; take another backup file."
                raise GateError(message, remedy=remedy)
            catalog.analyze_all(connection, self.sender.change)

    def _swap(self, fresh: str, kept: str, then: Sequence[str]) -> None:
        """Swap the names; where the answer to COMMIT is lost, the server tells how it ended."""
        try:
            swap(self.database, fresh, kept, self.sender.change, then)
        except TargetError:
            with self.database.maintenance().runner_session() as connection:
                if not exists(connection, kept):
                    raise

    @property
    def _runner(self) -> Runner:
        return self.sender.runner(self.run, backup=self.backup.sha256)

    def _carry_settings(self, fresh: str) -> None:
        """Give a new database what is set on the old one itself: a dump does not hold it."""
        with self.database.maintenance().runner_session() as connection:
            both = {"dbname": self.database.dbname, "into": fresh}
            for row in connection.rows(load("database_settings"), both):
                self.sender.change(connection, row["statement"])


def as_recorded(
    connection: Connection,
    backup: Backup,
    send: Send,
    *,
    with_rows: bool = True,
    wanted: Callable[[str], bool] = bool,
) -> str:
    """Return where schema, settings, rows or contents are not the backup's, or nothing.

    Looked at are the objects whose keys in a snapshot are ``wanted``: all, if nothing else is said.
    """
    recorded = read_snapshot(backup)
    found = snapshot.take_snapshot(connection, settings=True).restricted(wanted)
    if found.fingerprint != backup.schema_fingerprint:
        printed = as_printed(connection, recorded, found, send)
        if differs := snapshot.difference(printed, found):
            return "; ".join(map(str, differs[:_SHOWN]))
    if otherwise := [sql for sql in set_otherwise(recorded, found) if wanted(sql)]:
        return "; ".join(otherwise[:_SHOWN])
    if not with_rows:
        return ""
    tables = [x for x in snapshot.tables_by_size(connection) if wanted(f"table {x[0]}")]
    contents = snapshot.read_contents(connection, tables)
    rows, checksums = snapshot.rows_and_checksums(contents)
    names = rows.keys() | backup.rows.keys()
    of_rows = {x for x in names if rows.get(x) != backup.rows.get(x)}
    of_values = {x for x in names if checksums.get(x) != backup.checksums.get(x)}
    return ", ".join(f"the rows of {x}" for x in sorted(of_rows | of_values)[:_SHOWN])


def can_create(connection: Connection) -> bool:
    """Tell whether the role may create the database that a restore beside needs."""
    return bool(connection.value(_MAY_CREATE))


def exists(connection: Connection, dbname: str) -> bool:
    """Tell whether the server has a database of this name."""
    return bool(connection.value(_EXISTS, {"dbname": dbname}))


def _leftovers(connection: Connection, begin: str) -> list[str]:
    """Return the databases that killed restores left: ours, for we hold the runner's lock."""
    rows = connection.rows(load("databases_left"), {"begin": begin, "stamp": _STAMP})
    return [row["datname"] for row in rows]


def _short(name: str) -> str:
    """Cut the middle so that the name fits PostgreSQL's 63 bytes with its time stamp."""
    if len(name.encode()) <= _NAME_BYTES:
        return name
    return name.encode()[: _NAME_BYTES - _TAIL].decode(errors="ignore") + name[-_TAIL:]
