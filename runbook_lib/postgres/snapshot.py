"""Read a schema and the contents of tables so that two of them can be compared."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from runbook_lib.postgres.connection import SQL, Connection, Identifier, Literal
from runbook_lib.postgres.queries import load
from runbook_lib.redaction import redact_values

_T = TypeVar("_T")
_PARTS = ("tables", "columns", "constraints", "indexes", "types", "routines", "others", "kinds")
_SETTINGS = ("settings", "settings_storage", "settings_kinds", "settings_subscriptions")
_SESSION = """SELECT current_setting('search_path') AS path,
has_table_privilege('pg_catalog.pg_user_mappings', 'SELECT') AS mappings"""
_SECRET = ("ALTER USER MAPPING ", "ALTER SUBSCRIPTION ")  # any value in them may be one
LEDGER = "_prisma_migrations"
NOT_LOOKED_AT = (
    "rows",
    "where a sequence stands",
    "large objects",
    "the planner's statistics",
    "how rows and indexes lie on the disk",
    "what is a session's own",
    "passwords of roles",
)
"""What a snapshot does not tell of, though a statement may change it; what a revert then says."""
_FILTERS = 15  # the version since which a publication has filters, columns and schemas
_HIDDEN_TEXT = "a text that holds a secret; its SHA-256 is "


class Setting(NamedTuple):
    """Hold the statement that sets something as it is, and one that takes it away, if any does."""

    back: str
    away: str


@dataclass(frozen=True)
class Snapshot:
    """Hold a schema: one definition per object, keyed by kind and qualified name.

    ``addresses`` lead from catalog, oid and column (``pg_class/16384/0``), which stay when a name
    changes, to keys; ``settings`` from an address and what is set to the statements. Two schemas
    are equal without them. ``unseen`` says what the role may not look at.
    """

    objects: Mapping[str, str]
    addresses: Mapping[str, str] = field(default_factory=dict, compare=False)
    settings: Mapping[str, Setting] = field(default_factory=dict, compare=False)
    unseen: tuple[str, ...] = field(default=(), compare=False)

    def recorded(self) -> "Snapshot":
        """Return it as it may be written: a text that holds a secret is its SHA-256 instead.

        Such a stand-in is no SQL: a way back that would have to send it is refused by the server.
        """
        objects = _without_secrets(self.objects)
        back = _without_secrets({mark: item.back for mark, item in self.settings.items()})
        away = _without_secrets({mark: item.away for mark, item in self.settings.items()})
        settings = {mark: Setting(back[mark], away[mark]) for mark in self.settings}
        return replace(self, objects=objects, settings=settings)

    def revealed(self, now: "Snapshot") -> "Snapshot":
        """Return what was recorded with the texts that are still there in place of stand-ins."""
        ours = (*self.objects.values(), *(text for item in self.settings.values() for text in item))
        if not any(text.startswith(_HIDDEN_TEXT) for text in ours):
            return self
        theirs = (*now.objects.values(), *(text for item in now.settings.values() for text in item))
        known = {_digest(text): text for text in theirs}
        objects = {key: known.get(text, text) for key, text in self.objects.items()}
        settings = {
            mark: Setting(known.get(item.back, item.back), known.get(item.away, item.away))
            for mark, item in self.settings.items()
        }
        return replace(self, objects=objects, settings=settings)

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the schema: equal exactly where the schemas are."""
        text = json.dumps(dict(sorted(self.objects.items())), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def since(self, before: "Snapshot") -> frozenset[str]:
        """Return the keys of what is here and was not there before."""
        return frozenset(self.objects.keys() - before.objects.keys())

    def restricted(self, wanted: Callable[[str], bool]) -> "Snapshot":
        """Return the part whose keys are wanted, with what is set on it and on no object."""
        objects = {key: text for key, text in self.objects.items() if wanted(key)}
        addresses = {at: key for at, key in self.addresses.items() if key in objects}
        left = self.addresses.keys() - addresses.keys()
        settings = {m: item for m, item in self.settings.items() if m.partition(" ")[0] not in left}
        return replace(self, objects=objects, addresses=addresses, settings=settings)


@dataclass(frozen=True)
class Change:
    """Hold a snapshot as what differs from an earlier one; what is None is there no longer.

    ``since`` is the record that holds the earlier one, empty where this holds all there is.
    """

    since: str
    objects: Mapping[str, str | None]
    addresses: Mapping[str, str | None]
    settings: Mapping[str, Setting | None]
    unseen: tuple[str, ...]

    @classmethod
    def between(cls, since: str, before: Snapshot, now: Snapshot) -> "Change":
        """Return what leads from one snapshot to another."""
        return cls(
            since,
            _changes(before.objects, now.objects),
            _changes(before.addresses, now.addresses),
            _changes(before.settings, now.settings),
            now.unseen,
        )

    def onto(self, before: Snapshot) -> Snapshot:
        """Return the later snapshot."""
        return Snapshot(
            _changed(before.objects, self.objects),
            _changed(before.addresses, self.addresses),
            _changed(before.settings, self.settings),
            self.unseen,
        )


def _changes(before: Mapping[str, _T], now: Mapping[str, _T]) -> dict[str, _T | None]:
    gone = before.keys() - now.keys()
    other = {key: item for key, item in now.items() if before.get(key) != item}
    return {**other, **dict.fromkeys(sorted(gone))}


def _changed(before: Mapping[str, _T], changes: Mapping[str, _T | None]) -> dict[str, _T]:
    both = {**before, **changes}
    return {key: item for key, item in both.items() if item is not None}


def _without_secrets(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts with a digest in place of each that holds a secret."""
    shown = redact_values(texts)
    return {
        key: _digest(text) if shown[key] != text or _holds_options(text) else text
        for key, text in texts.items()
    }


def _holds_options(text: str) -> bool:
    return text.startswith(_SECRET) and "'" in text


def hidden(sql: str) -> bool:
    """Tell whether a statement of a recorded snapshot holds a stand-in, and cannot be sent."""
    return _HIDDEN_TEXT in sql


def _digest(text: str) -> str:
    return f"{_HIDDEN_TEXT}{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True)
class Difference:
    """Hold one object that differs: ``expected`` or ``found`` is None where it is missing."""

    key: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.key} is missing"
        if self.expected is None:
            return f"{self.key} is unexpected"
        return f"{self.key} is '{self.found}' instead of '{self.expected}'"


def take_snapshot(connection: Connection, *, settings: bool = False) -> Snapshot:
    """Read the schema of every user object; the ledger and extensions' members are left out.

    With ``settings`` what a way back needs is read, too.
    """
    with connection.transaction():
        # One moment for all parts, and names qualified whatever the session's path is.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return snapshot_here(connection, settings=settings)


def snapshot_here(connection: Connection, *, settings: bool = False) -> Snapshot:
    """Read the schema inside the transaction that is open, as that transaction sees it."""
    (session,) = connection.rows(_SESSION)
    connection.execute("SET LOCAL search_path = pg_catalog")
    mappings = session["mappings"]
    objects, addresses = dict[str, str](), dict[str, str]()
    for part in (*_PARTS, *(["mappings"] if mappings else [])):
        for row in connection.rows(load(f"schema_{part}")):
            objects[row["key"]] = row["definition"] or ""
            addresses[row["address"]] = row["key"]
    marks = _settings(connection, mappings=mappings) if settings else {}
    unseen = _unseen(connection, mappings=mappings) if settings else ()
    restore = "SELECT set_config('search_path', %(path)s, true)"
    connection.rows(restore, {"path": session["path"]})
    return Snapshot(objects, addresses, marks, unseen)


def _unseen(connection: Connection, *, mappings: bool) -> tuple[str, ...]:
    parts = ["unseen", *(["unseen_mappings"] if mappings else [])]
    found = (row["what"] for part in parts for row in connection.rows(load(part)))
    return (*found, *(() if mappings else ("user mappings",)))


def _settings(connection: Connection, *, mappings: bool) -> dict[str, Setting]:
    """Return by address and what is set the statements, as far as the role may look."""
    old = connection.server_major < _FILTERS
    publications = "settings_publications_14" if old else "settings_publications"
    parts = (*_SETTINGS, publications, *(["settings_mappings"] if mappings else []))
    rows = [row for part in parts for row in connection.rows(load(part))]
    rows += connection.seen(load("settings_connections")) or []
    return {f"{row['address']} {row['what']}": Setting(row["back"], row["away"]) for row in rows}


def difference(expected: Snapshot, found: Snapshot) -> tuple[Difference, ...]:
    """Return what differs between two snapshots, by key."""
    keys = sorted(expected.objects.keys() | found.objects.keys())
    pairs = ((key, expected.objects.get(key), found.objects.get(key)) for key in keys)
    return tuple(Difference(key, want, have) for key, want, have in pairs if want != have)


@dataclass(frozen=True)
class Part:
    """Name where rows of a relation lie on this server; ``readable`` for the role or not."""

    of: tuple[str, str]
    table: Identifier
    readable: bool


def local_parts(connection: Connection, tables: Iterable[tuple[str, str]]) -> list[Part]:
    """Return where the rows of these relations lie, partitions and children among them.

    What lies on another server is no part, nor is a materialized view that was not populated.
    """
    asked = list(tables)
    names = {"schemas": [schema for schema, _ in asked], "names": [name for _, name in asked]}
    return [
        Part(asked[row["place"] - 1], Identifier(row["schema"], row["name"]), row["readable"])
        for row in (connection.rows(load("read_for_rows"), names) if asked else ())
    ]


def with_rows(connection: Connection, tables: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return those of the tables that hold any row, as ``schema.name``.

    One that the role may not read counts as holding rows.
    """
    parts = local_parts(connection, tables)
    readable = [part for part in parts if part.readable]
    found = {part.of for part in parts if not part.readable}
    test = SQL("(SELECT {} WHERE EXISTS (SELECT FROM ONLY {}))")
    tests = [test.format(Literal(at), part.table) for at, part in enumerate(readable)]
    if tests:
        places = connection.value(SQL("SELECT ARRAY[{}]").format(SQL(", ").join(tests)))
        found.update(readable[place].of for place in places if place is not None)
    return frozenset(map(".".join, found))


def count_rows(connection: Connection) -> dict[str, int]:
    """Count the rows of every ordinary table exactly, its own alone, the ledger's included."""
    tables = [(row["schema"], row["name"]) for row in connection.rows(load("tables"))]
    counts = _counts(connection, [Identifier(*table) for table in tables])
    return dict(zip(map(".".join, tables), counts, strict=True))


def _counts(connection: Connection, tables: Sequence[Identifier]) -> list[int]:
    """Count the rows of tables in one statement, so at one moment."""
    if not tables:
        return []
    count = SQL("(SELECT count(*) FROM ONLY {})")
    counts = SQL(", ").join(count.format(table) for table in tables)
    found: list[int] = connection.value(SQL("SELECT ARRAY[{}]").format(counts))
    return found


@dataclass(frozen=True)
class Contents:
    """Hold how many rows a table has and a checksum that does not depend on their order."""

    rows: int
    checksum: str


def rows_and_checksums(contents: Mapping[str, Contents]) -> tuple[dict[str, int], dict[str, str]]:
    """Return both by table, as a backup keeps them."""
    rows = {table: item.rows for table, item in contents.items()}
    return rows, {table: item.checksum for table, item in contents.items()}


def tables_by_size(connection: Connection) -> list[tuple[str, str]]:
    """Return schema and name of every ordinary table, the largest first."""
    rows = sorted(connection.rows(load("tables")), key=lambda row: -row["size"])
    return [(row["schema"], row["name"]) for row in rows]


def read_contents(connection: Connection, tables: Iterable[tuple[str, str]]) -> dict[str, Contents]:
    """Count and checksum the rows of these tables, at one moment.

    The checksum sums a 64-bit hash of each row, which is the same in every database. A row that the
    role may not see (row level security) makes it fail rather than be left out.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return contents_here(connection, tables)


def contents_here(connection: Connection, tables: Iterable[tuple[str, str]]) -> dict[str, Contents]:
    """Count and checksum the rows inside the transaction that is open."""
    columns = columns_by_table(connection)
    connection.rows(load("content_settings"))
    return {".".join(table): _contents(connection, table, columns.get(table)) for table in tables}


def columns_by_table(connection: Connection) -> dict[tuple[str, str], str]:
    """Return for each ordinary table its columns, as they go into the checksum of a row."""
    found = connection.rows(load("content_columns"))
    return {(row["schema"], row["table"]): row["columns"] for row in found}


def checksum_by(connection: Connection, table: tuple[str, str], columns: str | None) -> str:
    """Return the checksum of a table by columns that another database has, inside a transaction."""
    connection.rows(load("content_settings"))
    return _contents(connection, table, columns).checksum


def _contents(connection: Connection, table: tuple[str, str], columns: str | None) -> Contents:
    # A table without any column has rows, too.
    hashed = f"sum(hash_record_extended(ROW({columns}), 0))" if columns else "0"
    sums = SQL("SELECT count(*) AS rows, {} AS total FROM ONLY {}")
    (row,) = connection.rows(sums.format(SQL(hashed), Identifier(*table)))
    return Contents(row["rows"], str(row["total"] or 0))


def count_tables(connection: Connection, tables: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Count the rows of these tables with their partitions and children, at one moment.

    One that the role may not read is left out.
    """
    wanted = list(tables)
    parts = local_parts(connection, wanted)
    hidden = {part.of for part in parts if not part.readable}
    found = {".".join(table): 0 for table in wanted if table not in hidden}
    read = [part for part in parts if part.of not in hidden]
    for part, rows in zip(read, _counts(connection, [x.table for x in read]), strict=True):
        found[".".join(part.of)] += rows
    return found


def touched(before: Snapshot, now: Snapshot) -> frozenset[str]:
    """Return the marks of what differs: addresses of objects, and settings of them."""
    old, new = _by_address(before), _by_address(now)
    objects = {mark for mark in old.keys() | new.keys() if old.get(mark) != new.get(mark)}
    marks = before.settings.keys() | now.settings.keys()
    settings = {mark for mark in marks if before.settings.get(mark) != now.settings.get(mark)}
    return frozenset(objects | settings)


def _by_address(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    return {address: (key, snapshot.objects[key]) for address, key in snapshot.addresses.items()}
