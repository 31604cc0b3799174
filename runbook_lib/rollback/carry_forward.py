"""Carry rows that were written since the backup from the database that a restore kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.evidence.journal import Event
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import (
    SQL,
    Connection,
    Database,
    Identifier,
    Query,
    Row,
)
from runbook_lib.postgres.queries import load

_SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences"
_PARENT_MISSING = SqlState.FOREIGN_KEY_VIOLATION  # tried again after the other tables
_MISSING = "FROM {copy} AS theirs WHERE NOT EXISTS (SELECT FROM {name} AS ours WHERE {same})"
_GONE = "FROM {name} AS ours WHERE NOT EXISTS (SELECT FROM {copy} AS theirs WHERE {same})"
_DIFFER = "FROM {copy} AS theirs JOIN {name} AS ours ON {same} WHERE {other}"
_INSERT = "INSERT INTO {name} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} {missing}"
_OTHER = "theirs.{0}::text IS DISTINCT FROM ours.{0}::text"


@dataclass(frozen=True)
class Carried:
    """Hold how a table of the kept database differs from the restored one, in rows.

    ``missing`` are those whose key is not there, ``differ`` have other values, ``gone`` were
    deleted since the backup and are there again. ``why`` says what keeps rows from being carried.
    """

    table: str
    missing: int = 0
    differ: int = 0
    gone: int = 0
    why: str = ""


def compare(database: Database, kept_as: str, backup: Backup) -> tuple[Carried, ...]:
    """Compare by key the tables whose rows changed after the backup; nothing is changed."""
    with _both(database, kept_as) as (restored, kept):
        return tuple(found for found, _ in _changed(restored, kept, backup))


def carry(database: Database, kept_as: str, backup: Backup, sender: Sender) -> tuple[Carried, ...]:
    """Insert the rows that are missing, parents first, and advance sequences; all or nothing.

    Rows with other values stay as the backup has them, and rows deleted since stay: which one is
    right nobody but a person knows. Raises StatementError for a row that does not fit.
    """
    with (
        database.runner_session() as restored,
        database.on(kept_as).runner_session() as kept,
        kept.transaction(),
        sender.transaction(restored),
    ):
        sender.emit(Event("began", sender.step, {"pid": restored.pid, "kept_as": kept_as}))
        changed = list(_changed(restored, kept, backup))
        left = [(found, sql) for found, sql in changed if found.missing and not found.why]
        while left:
            later = [each for each in left if not _inserted(restored, sender, *each)]
            if len(later) == len(left):
                _insert(restored, sender, *left[0])  # raises what is in the way
            left = later
        for name, value in _ahead(restored, kept).items():
            ahead = {"name": name, "value": value}
            sender.change(restored, "SELECT setval(%(name)s, %(value)s)", ahead)
        return tuple(found for found, _ in changed)


@contextmanager
def _both(database: Database, kept_as: str) -> Iterator[tuple[Connection, Connection]]:
    """Hold a transaction on each database."""
    with (
        database.runner_session() as restored,
        database.on(kept_as).runner_session() as kept,
        restored.transaction(),
        kept.transaction(),
    ):
        yield restored, kept


def _inserted(restored: Connection, sender: Sender, found: Carried, sql: Query) -> bool:
    """Insert the missing rows of one table, unless rows of another have to be there first."""
    try:
        with restored.transaction():  # a savepoint
            _insert(restored, sender, found, sql)
    except StatementError as error:
        if error.sqlstate != _PARENT_MISSING:
            raise
        return False
    return True


def _insert(restored: Connection, sender: Sender, found: Carried, sql: Query) -> None:
    try:
        sender.change(restored, sql)
    except StatementError as error:
        error.message = f"Rows of {found.table} cannot be carried: {error.message}"
        error.remedy = "Nothing was carried; the rows are in the database that was kept."
        raise


def _changed(
    restored: Connection, kept: Connection, backup: Backup
) -> Iterator[tuple[Carried, Query]]:
    """Yield the tables that changed, each with the statement that inserts what is missing."""
    theirs = {row["name"]: row for row in kept.rows(load("carry_tables"))}
    columns = snapshot.columns_by_table(restored)
    for number, row in enumerate(restored.rows(load("carry_tables"))):
        found = Carried(f"{row['schema']}.{row['table']}")
        if row["name"] not in theirs:
            yield replace(found, why="the release dropped the table; its rows are restored"), ""
        elif _unchanged(kept, row, theirs[row["name"]], columns, backup.checksums):
            continue
        elif row["key"] is None:
            yield replace(found, why="no primary key tells which rows are missing"), ""
        else:
            shared = [each for each in row["columns"] if each in theirs[row["name"]]["columns"]]
            yield _compared(restored, kept, found, row, shared, f"runbook_carry_{number}")


def _unchanged(
    kept: Connection,
    ours: Row,
    theirs: Row,
    columns: Mapping[tuple[str, str], str],
    checksums: Mapping[str, str],
) -> bool:
    """Tell whether the kept table holds the backup's rows, what the release added aside."""
    if not set(ours["columns"]) <= set(theirs["columns"]):
        return False
    table = ours["schema"], ours["table"]
    found = snapshot.checksum_by(kept, table, columns.get(table))
    return found == checksums.get(".".join(table))


def _compared(
    restored: Connection,
    kept: Connection,
    found: Carried,
    row: Row,
    columns: Sequence[str],
    copy: str,
) -> tuple[Carried, Query]:
    # The names come from the catalog, quoted.
    parts = {
        "copy": Identifier(copy),
        "name": SQL(row["name"]),
        "listed": SQL(", ".join(columns)),
        "same": SQL(" AND ".join(f"theirs.{each} = ours.{each}" for each in row["key"])),
        "other": SQL(" OR ".join(_OTHER.format(each) for each in columns)),
    }
    read = SQL("SELECT {listed} FROM {name}").format(**parts)
    create = SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {} WITH NO DATA")
    restored.execute(create.format(Identifier(copy), read))
    write = SQL("COPY {} FROM STDIN").format(Identifier(copy))
    kept.copy(SQL("COPY ({}) TO STDOUT").format(read), restored, write)
    restored.execute(SQL("ANALYZE {}").format(Identifier(copy)))
    missing, differ, gone = (SQL(text).format(**parts) for text in (_MISSING, _DIFFER, _GONE))
    count = SQL("SELECT count(*) {}")
    counts = [restored.value(count.format(each)) for each in (missing, differ, gone)]
    why = "a trigger of the table would fire" if row["fires"] else ""
    insert = SQL(_INSERT).format(**parts, missing=missing)
    return replace(found, missing=counts[0], differ=counts[1], gone=counts[2], why=why), insert


def _ahead(restored: Connection, kept: Connection) -> Mapping[str, int]:
    """Return the sequences that went on since the backup, quoted, with where they were."""
    here, there = (
        {
            Identifier(row["schemaname"], row["sequencename"]).as_string(): row["last_value"] or 0
            for row in connection.rows(_SEQUENCES)
        }
        for connection in (restored, kept)
    )
    return {name: at for name, at in there.items() if at > here.get(name, at)}
