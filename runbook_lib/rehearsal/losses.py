"""Count what the release took from the tables that were there before it, whatever did it.

The copy is compared with a pristine one beside it. A table is what its oid is, through every
rename and move; where the oid is gone, a new table of its name stands for it. Partitions are
compared as the one table that they are. Nobody's code runs as a superuser: what is read, is read
by a role that may read everything and nothing else.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runbook_lib.errors import GateError
from runbook_lib.evidence.records import Loss, Taken
from runbook_lib.migrate.row_counts import LARGE_OBJECTS, RowCounter, older_tables
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier, Literal
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.sequences import read_sequences
from runbook_lib.rehearsal.compare import (
    Column,
    Counts,
    Pair,
    Sessions,
    Subject,
    Table,
    read_tables,
    tables_of,
)
from runbook_lib.rehearsal.place import Place

DELETES, CHANGES = "deletes-rows", "changes-rows"
TABLE, COLUMN, VALUES = "drops-table", "drops-column", "loses-values"
SEQUENCE, DELETES_LARGE_OBJECTS = "sets-back-sequence", "deletes-large-objects"
PRISTINE = "runbook_pristine"
_PATIENCE = 10.0  # seconds until the sessions of a database that was used have ended
_LOOK = 0.005  # seconds


@dataclass(frozen=True)
class Pristine:
    """Hold what a rehearsal's database was before the plan, in another one beside it.

    ``copy`` is the one that is migrated, as the role that does it. ``tables`` were there, by oid;
    ``pages`` is how often large objects had been written till then, ``since`` the id of the next
    transaction.
    """

    place: Place
    copy: Database
    tables: Mapping[int, Table]
    pages: int
    since: str

    @classmethod
    def of(cls, place: Place, copy: Database) -> "Pristine":
        """Put it beside the copy; nobody may be in that."""
        wait_until_left(place.database(copy.dbname))  # then its rows are counted
        with place.database(copy.dbname).runner_session() as connection:
            tables, pages = read_tables(connection), connection.value(_WRITTEN_LARGE_OBJECTS)
            since = connection.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text")
        duplicate(place.database(copy.dbname), PRISTINE)
        return cls(place, copy, tables, pages, since)

    def counter(self, tell: Callable[[Sequence[Taken]], object]) -> RowCounter:
        """Return what counts before each COMMIT of the rehearsal."""
        with self._session(self.copy.dbname) as connection:
            return RowCounter(older_tables(connection), tell)

    def losses(self, whole: float = math.inf) -> tuple[tuple[Loss, ...], tuple[str, ...]]:
        """Count what is in the copy no more, or otherwise than it was; call it behind the plan.

        Tables of more than ``whole`` bytes that were written anew are compared by a sample, and
        named besides.
        """
        name = self.copy.dbname
        # Then all that its sessions did is in the statistics.
        wait_until_left(self.place.database(name))
        with self._session(PRISTINE) as before, self._session(name) as after:
            now, more = read_tables(after, self.since), [*_sequences(before, after)]
            if after.value(_WRITTEN_LARGE_OBJECTS) != self.pages:
                more += _large_objects(before, after)
        with self.copy.connect() as session:
            zone = session.value("SHOW TimeZone")
        with (
            _reader(self.place, name) as reader,
            self._session(PRISTINE, reader) as before,
            self._session(name, reader) as after,
        ):
            groups = [item for item in _groups(self.tables, now, whole) if item.differs()]
            sessions = Sessions(before, after, zone, self.since)
            found = [loss for group in groups for loss in _of_group(sessions, group)]
        sampled = tuple(group.root.qualified for group in groups if group.subject.sampled)
        return (*found, *more), sampled

    def drop(self) -> None:
        """Give its room back."""
        self.place.database(self.copy.dbname).maintenance().drop(PRISTINE)

    def _session(self, dbname: str, user: str = "") -> Connection:
        return self.place.database(dbname, user).runner_session()


def duplicate(database: Database, name: str) -> None:
    """Copy the files of a database of the rehearsal's once nobody is in it."""
    wait_until_left(database)
    with database.maintenance().runner_session() as connection:
        (row,) = connection.rows(load("database_owner"), {"dbname": database.dbname})
        create = SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} {}")
        names = Identifier(name), Identifier(database.dbname), Identifier(row["owner"])
        connection.execute(create.format(*names, SQL(row["strategy"])))


def wait_until_left(database: Database) -> None:
    """Return when nobody is in a database of the rehearsal's any more; raises GateError."""
    until = time.monotonic() + _PATIENCE
    with database.maintenance().runner_session() as connection:
        while connection.value(_INSIDE, {"name": database.dbname}):
            if time.monotonic() > until:
                message = f"Sessions stay in the rehearsal's {database.dbname}."
                raise GateError(message, remedy="Look into what the files leave running.")
            time.sleep(_LOOK)


@contextmanager
def _reader(place: Place, dbname: str) -> Iterator[str]:
    """Hold a role for the block that may read all rows, and nothing else."""
    name = f"{place.superuser}_reader"
    with place.database(dbname).runner_session() as connection:
        role, password = Identifier(name), Literal(place.password or None)
        make = "CREATE ROLE {} LOGIN BYPASSRLS PASSWORD {} IN ROLE pg_read_all_data"
        connection.execute(SQL(make).format(role, password))
        may = "SELECT has_database_privilege(%(name)s, current_database(), 'CONNECT')"
        closed = not connection.value(may, {"name": name})
        if closed:
            connection.execute(
                SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(dbname), role)
            )
        try:
            yield name
        finally:
            if closed:
                connection.execute(
                    SQL("REVOKE CONNECT ON DATABASE {} FROM {}").format(Identifier(dbname), role)
                )
            connection.execute(SQL("DROP ROLE {}").format(role))


@dataclass(frozen=True)
class _Group:
    """Hold a table as it was, the tables that held its rows, and those that hold them now.

    ``keyed`` says that the server still keeps its key unique.
    """

    root: Table
    before: Sequence[Table]
    after: Sequence[Table]
    dropped: bool
    pairs: Sequence[Pair]
    keyed: bool
    whole: float

    def differs(self) -> bool:
        """Tell whether anything of it can have been lost."""
        return not self.after or self.touched() or bool(self.columns_gone + self.columns_cut)

    @property
    def columns_gone(self) -> list[str]:
        """Return the columns that none of them has any more."""
        return [pair.was.name for pair in self.pairs if not any(pair.now)]

    @property
    def columns_cut(self) -> list[str]:
        """Return the composite columns whose type lost an attribute, and with it their values."""
        return [
            pair.was.name
            for pair in self.pairs
            if not pair.types
            and any(item and set(pair.was.attributes) - set(item.attributes) for item in pair.now)
        ]

    def touched(self) -> bool:
        """Tell whether rows of it can be another now: written, or not where they were."""
        written = any(table.touched for table in self.after)
        return written or not self.in_place

    @property
    def in_place(self) -> bool:
        """Tell whether its rows lie in the files and columns where they lay."""
        before = {table.oid: table for table in self.before}
        now = {table.oid: table.file for table in self.after}
        lie = all(now.get(table.oid) == table.file for table in self.before)
        columns = (
            (before[table.oid].named(pair.was.name), column)
            for pair in self.pairs
            for table, column in zip(self.after, pair.now, strict=True)
            if column and table.oid in before
        )
        return lie and all(was and was.number == column.number for was, column in columns)

    @property
    def copied(self) -> bool:
        """Tell whether no statement wrote a row: the server put them where they lie now.

        ALTER TABLE leaves the values of each column as they are whose definition it does not write.
        """
        known = {table.oid: table.inserted for table in self.before}
        now = {table.oid: table.inserted for table in self.after}
        return known == now and not any(table.touched for table in self.after)

    @property
    def subject(self) -> Subject:
        """Return what is compared: the columns that are on both sides, and may differ."""
        pairs = [
            pair
            for pair in self.pairs
            if any(pair.now)
            and (
                not self.copied
                or pair.was.number in self.root.key
                or any(item and item.altered for item in pair.now)
            )
        ]
        places = {pair.was.number: place for place, pair in enumerate(pairs)}
        whole = all(number in places for number in self.root.key)
        key = [places[number] for number in self.root.key] if whole else []
        large = sum(table.size for table in self.before) > self.whole
        in_place = self.in_place and self.keyed and bool(key)
        sampled = large and bool(self.after) and self.touched() and not in_place
        deleted = sum(table.deleted for table in self.after)
        return Subject(self.before, self.after, pairs, key, in_place, sampled, deleted)


def _of_group(sessions: Sessions, group: _Group) -> Iterator[Loss]:
    if not group.after or not group.touched():
        counts = sessions.count(group.before)
    else:
        counts = sessions.compare(group.subject)
    less = [*group.columns_gone, *group.columns_cut] if group.after else []
    values = {}
    if less and counts.gone < counts.rows:
        values = sessions.count_values(group.before, less)
    return _losses(group, counts, values)


def _losses(group: _Group, counts: Counts, less: Mapping[str, int]) -> Iterator[Loss]:
    table, rows = group.root.qualified, counts.rows
    gone = counts.gone if group.after else rows
    if gone:
        yield Loss(TABLE if group.dropped else DELETES, table, "", gone, 0, rows)
    types = {pair.was.name: pair.types for pair in group.pairs}
    for name, count in (counts.values or {}).items():
        yield Loss(VALUES if types[name] else CHANGES, table, name, 0, count, rows)
    if counts.changed and not counts.values:
        yield Loss(CHANGES, table, "", 0, counts.changed, rows)
    for name, count in less.items():
        if count and name in group.columns_gone:
            yield Loss(COLUMN, table, name, count, 0, rows)
        elif count and name not in (counts.values or {}):
            yield Loss(VALUES, table, name, 0, count, rows)


def _groups(old: Mapping[int, Table], new: Mapping[int, Table], whole: float) -> Iterator[_Group]:
    leaves: dict[int, list[Table]] = {}
    for table in tables_of(old):
        leaves.setdefault(table.root, []).append(table)
    by_name = {table.qualified: table for table in new.values() if table.oid not in old}
    for oid, before in leaves.items():
        root = old[oid]
        kept = [new[table.oid] for table in before if table.oid in new]
        roots = {table.root for table in kept} | ({new[oid].root} if oid in new else set())
        if root.qualified in by_name:
            roots.add(by_name[root.qualified].root)
        fresh = [table for table in tables_of(new) if table.root in roots and table.oid not in old]
        after = [*kept, *fresh]
        pairs = [
            Pair(item, tuple(_now(item.name, root, table, old, new) for table in after))
            for item in root.columns
        ]
        keyed = oid in new and new[oid].key == root.key
        yield _Group(root, before, after, len(kept) < len(before), pairs, keyed, whole)


def _now(
    name: str, root: Table, table: Table, old: Mapping[int, Table], new: Mapping[int, Table]
) -> Column | None:
    """Return the column of a table that an older one is now: the same, or a new one of its name."""
    was = old.get(table.oid) or root
    column = was.named(name)
    if table.oid not in old and root.oid in new and column:  # a new partition
        same = new[root.oid].numbered(column.number)
        return table.named(same.name if same else name)
    same = table.numbered(column.number) if column and table.oid in old else None
    again = table.named(name)
    known = again is not None and table.oid in old and was.numbered(again.number) is not None
    return same or (None if known else again)


def _sequences(before: Connection, after: Connection) -> Iterator[Loss]:
    """Yield the sequences that would hand out again what they handed out already."""
    now = {item.oid: item for item in read_sequences(after)}
    for was in read_sequences(before):
        if was.oid in now and (count := now[was.oid].behind(was)):
            yield Loss(SEQUENCE, was.qualified, "", count, 0, was.count)


def _large_objects(before: Connection, after: Connection) -> Iterator[Loss]:
    was, now = (
        {row["oid"]: row["checksum"] for row in session.rows(load("large_object_contents"))}
        for session in (before, after)
    )
    gone = len(was.keys() - now.keys())
    changed = sum(was[oid] != now[oid] for oid in was.keys() & now.keys())
    if gone or changed:
        yield Loss(DELETES_LARGE_OBJECTS, LARGE_OBJECTS, "", gone, changed, len(was))


_INSIDE = """SELECT EXISTS (SELECT FROM pg_stat_activity
WHERE datname = %(name)s AND backend_type = 'client backend')"""
_WRITTEN_LARGE_OBJECTS = """SELECT sum(pg_stat_get_tuples_updated(oid)
+ pg_stat_get_tuples_deleted(oid))::bigint FROM pg_class
WHERE oid IN ('pg_largeobject'::regclass, 'pg_largeobject_metadata'::regclass)"""
