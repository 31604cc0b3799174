"""Carry rows that were written since the backup from the database that a restore kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.evidence.journal import Event
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import (
    SQL,
    Composable,
    Connection,
    Database,
    Identifier,
    Literal,
    Query,
    Row,
)
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.sequences import Sequence, read_sequences
from runbook_lib.rollback.losses import LARGE_OBJECTS

_PARENT_MISSING = SqlState.FOREIGN_KEY_VIOLATION  # tried again after the other tables
_MISSING = "FROM {copy} AS theirs WHERE NOT EXISTS (SELECT FROM ONLY {name} AS ours WHERE {same})"
_GONE = "FROM ONLY {name} AS ours WHERE NOT EXISTS (SELECT FROM {copy} AS theirs WHERE {same})"
_DIFFER = "FROM {copy} AS theirs JOIN ONLY {name} AS ours ON {same} WHERE {other}"
_INSERT = "INSERT INTO {name} ({listed}) OVERRIDING SYSTEM VALUE SELECT {values} {missing}"
_OTHER = "theirs.{0}::text IS DISTINCT FROM ours.{0}::text"
_KEYS = "SELECT {key} AS key {rows} ORDER BY {order} LIMIT {most}"
_TEXT = "text"
MOST_KEYS = 10_000  # of a table and a kind: where more were changed, nobody decides row by row
OTHER_VALUES, DELETED = "other values", "deleted since"
_OBJECTS = "SELECT oid FROM pg_largeobject_metadata"
_READ_OBJECT = "SELECT lo_get(%(oid)s)"
_SET_AHEAD = (
    "SELECT setval(quote_ident(%(schema)s) || '.' || quote_ident(%(name)s), %(value)s::bigint)"
)
_MAKE_OBJECT = "SELECT lo_from_bytea(%(oid)s, %(data)s)"


@dataclass(frozen=True)
class Undecided:
    """Name a row of which only a person knows what it should be, by its key."""

    table: str
    key: str
    what: str


@dataclass(frozen=True)
class Carried:
    """Hold how a table of the kept database differs from the restored one, in rows.

    ``missing`` are those whose key is not there, ``differ`` have other values, ``gone`` were
    deleted since the backup and are there again: ``undecided`` names the first of these two.
    ``why`` says what keeps rows from being carried.
    """

    table: str
    missing: int = 0
    differ: int = 0
    gone: int = 0
    why: str = ""
    undecided: tuple[Undecided, ...] = field(default=(), compare=False)


def compare(database: Database, kept_as: str, backup: Backup) -> tuple[Carried, ...]:
    """Compare by key the tables whose rows changed after the backup; nothing is changed."""
    with _both(database, kept_as) as (restored, kept):
        tables = [found for found, _ in _changed(restored, kept, backup)]
        missing = len(_large_objects(restored, kept))
        return (*tables, *([Carried(LARGE_OBJECTS, missing)] if missing else []))


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
        objects = _large_objects(restored, kept)
        for oid in objects:  # rows name them
            known = {"oid": oid, "data": kept.value(_READ_OBJECT, {"oid": oid})}
            sender.change(restored, _MAKE_OBJECT, known)
        changed = list(_changed(restored, kept, backup))
        left = [(found, sql) for found, sql in changed if found.missing and not found.why]
        while left:
            later = [each for each in left if not _inserted(restored, sender, *each)]
            if len(later) == len(left):
                _insert(restored, sender, *left[0])  # raises what is in the way
            left = later
        advance(restored, kept, sender)
        tables = [found for found, _ in changed]
        return (*tables, *([Carried(LARGE_OBJECTS, len(objects))] if objects else []))


def _large_objects(restored: Connection, kept: Connection) -> list[int]:
    """Return the large objects that were made since, as far as this role may see them."""
    here, there = (
        {row["oid"] for row in connection.seen(_OBJECTS) or ()} for connection in (restored, kept)
    )
    return sorted(there - here)


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
            continue
        other = theirs[row["name"]]
        seen: tuple[Carried, Query] | None = None
        try:
            with restored.transaction(), kept.transaction():  # savepoints
                if not _unchanged(kept, row, other, columns, backup.checksums):
                    copy = f"runbook_carry_{number}"
                    seen = _compared(restored, kept, found, row, other, copy)
        except StatementError as error:  # what cannot be read stays in the kept database
            seen = replace(found, why=f"it cannot be compared: {error.message}"), ""
        if seen:
            yield seen


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
    restored: Connection, kept: Connection, found: Carried, ours: Row, theirs: Row, copy: str
) -> tuple[Carried, Query]:
    """Compare a table by key; what has another type in the kept database goes as text."""
    columns = [each for each in ours["columns"] if each in theirs["columns"]]
    if ours["key"] is None or not set(ours["key"]) <= set(columns):
        return replace(found, why="no primary key tells which rows are missing"), ""
    parts = _parts(ours, theirs, columns, copy)
    restored.execute(SQL("CREATE TEMPORARY TABLE {copy} ({typed}) ON COMMIT DROP").format(**parts))
    kept.copy(
        SQL("COPY (SELECT {read} FROM ONLY {name}) TO STDOUT").format(**parts),
        restored,
        SQL("COPY {copy} FROM STDIN").format(**parts),
    )
    restored.execute(SQL("ANALYZE {copy}").format(**parts))
    missing, differ, gone = (SQL(text).format(**parts) for text in (_MISSING, _DIFFER, _GONE))
    count = SQL("SELECT count(*) {}")
    counts = [restored.value(count.format(each)) for each in (missing, differ, gone)]
    why = "a trigger of the table would fire" if ours["fires"] else ""
    found = replace(found, missing=counts[0], differ=counts[1], gone=counts[2], why=why)
    found = replace(found, undecided=tuple(_undecided(restored, found, parts)))
    if not why:
        found = replace(found, why=_unfit(restored, parts, missing))
    return found, SQL(_INSERT).format(**parts, missing=missing)


def _undecided(
    restored: Connection, found: Carried, parts: Mapping[str, Composable]
) -> Iterator[Undecided]:
    for count, what, text in ((found.differ, OTHER_VALUES, _DIFFER), (found.gone, DELETED, _GONE)):
        if count:
            rows = SQL(text).format(**parts)
            read = SQL(_KEYS).format(**parts, rows=rows, most=Literal(MOST_KEYS))
            yield from (Undecided(found.table, x["key"], what) for x in restored.rows(read))


def _parts(ours: Row, theirs: Row, columns: list[str], copy: str) -> dict[str, Composable]:
    """Return the parts of the statements; the names come from the catalog, quoted."""
    types = {each: ours["types"][each]["type"] for each in columns}
    equal = [each for each in columns if types[each] == theirs["types"][each]["type"]]
    same = {each for each in equal if ours["types"][each]["own"]}
    lists = {
        "listed": columns,
        "typed": [f"{each} {types[each] if each in same else _TEXT}" for each in columns],
        "read": [each if each in same else f"{each}::{_TEXT}" for each in columns],
        "values": [each if each in same else f"theirs.{each}::{types[each]}" for each in columns],
    }
    keys = [
        f"theirs.{each} = ours.{each}{'' if each in same else f'::{_TEXT}'}" for each in ours["key"]
    ]
    named = [SQL("{} || ours.{}::text").format(Literal(f"{x}="), SQL(x)) for x in ours["key"]]
    # The release gave the others another type, and by that perhaps every value another text.
    others = [_OTHER.format(each) for each in equal] or ["false"]
    return {
        "copy": Identifier(copy),
        "name": SQL(ours["name"]),
        "same": SQL(" AND ".join(keys)),
        "key": SQL("concat_ws(', ', {})").format(SQL(", ").join(named)),
        "order": SQL(", ".join(f"ours.{each}" for each in ours["key"])),
        "other": SQL(" OR ".join(others)),
        **{name: SQL(", ".join(items)) for name, items in lists.items()},
    }


def _unfit(restored: Connection, parts: Mapping[str, Composable], missing: Query) -> str:
    """Say why the missing rows do not fit into the types of the restored table, if they do not."""
    try:
        with restored.transaction():  # a savepoint
            fits = SQL("SELECT count(ROW({values})::text) {missing}")
            restored.value(fits.format(**parts, missing=missing))
    except StatementError as error:
        return f"a value does not fit into the restored table: {error.message}"
    return ""


def advance(restored: Connection, kept: Connection, sender: Sender) -> None:
    """Let no sequence stand behind what the other database has handed out since the backup."""
    there = {item.qualified: item for item in read_sequences(kept)}
    for item in read_sequences(restored):
        if item.qualified in there:
            set_ahead(restored, item, there[item.qualified], sender)


def set_ahead(connection: Connection, here: Sequence, there: Sequence, sender: Sender) -> None:
    """Set a sequence to what another one handed out, if it stands behind that."""
    if here.behind(there) and here.reaches(there):
        known = {"schema": here.schema, "name": here.name, "value": there.last}
        sender.change(connection, _SET_AHEAD, known)
