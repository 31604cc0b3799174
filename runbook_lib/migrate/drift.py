"""Notice when somebody else changes the schema while a migration runs.

A second session sees what is committed alone: before our COMMIT, what it finds changed since the
last look is not ours. What others commit in the few milliseconds of our COMMIT is not told apart.
No event trigger is put on the target: a kill would leave it behind.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from threading import Lock
from typing import NamedTuple

from runbook_lib.errors import RunbookError
from runbook_lib.postgres.connection import Connection, Database, Row, SideSession
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.watching import Watcher

_PATIENCE = 60.0  # seconds for what is being read of a large schema
_NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_OBJECTS = ("schema", "relation", "type", "function", "extension")
_WITHOUT_COLUMNS = ("i", "I", "S")  # kinds of relations, as pg_class has them

Place = tuple[str, str]  # a catalog, and an oid in it
Stamps = Mapping[str, str]


class _Row(NamedTuple):
    """Hold a row of a catalog: the oid of what it belongs to, and what a change of it changes."""

    of: str
    name: str
    written: str


class Schema:
    """Know the committed schema by a stamp of each object, which changes when the object does.

    The ledger is left out. A look reads what was written since the one before; the first one all
    there is, and compares it with what was ``recorded``, None where nothing was. One thread looks,
    any may ask for the stamps.
    """

    def __init__(self, recorded: Stamps | None = None) -> None:
        self.next_xid = 0
        self._recorded = recorded
        self._since: int | None = None
        self._rows: dict[str, dict[str, _Row]] = defaultdict(dict)
        self._parts: dict[Place, set[Place]] = defaultdict(set)
        self._lock = Lock()

    @property
    def stamps(self) -> Stamps | None:
        """Return the stamps as they were last seen, None before anything was."""
        with self._lock:
            return self._recorded if self._since is None else self._stamped(self._objects())

    def look(self, connection: Connection) -> tuple[Stamps | None, Stamps]:
        """Read what was written since the last look; return what changed as it was and as it is."""
        answer = self._read(connection)
        deleted = list[Place]()
        if any(self._deleted(row) for row in answer):
            answer = self._read(connection, oids=True)
            deleted = [
                (row["catalog"], oid)
                for row in answer
                for oid in self._rows[row["catalog"]].keys() - row["oids"]
                if row["rows"] is not None
            ]
        with self._lock:
            touched = self._touched(answer, deleted)
            before = self._recorded if self._since is None else self._stamped(touched)
            self._take(answer, deleted)
            return before, self._stamped(touched)

    def _read(self, connection: Connection, *, oids: bool = False) -> Sequence[Row]:
        return connection.rows(load("schema_rows"), {"since": self._since, "oids": oids})

    def _deleted(self, row: Row) -> bool:
        """Tell whether a catalog has fewer rows than are known, and new."""
        known = self._rows[row["catalog"]]
        new = sum(oid not in known for oid, *_ in row["written"] or ())
        return row["rows"] is not None and row["rows"] != len(known) + new

    def _touched(self, answer: Iterable[Row], deleted: Iterable[Place]) -> Set[Place]:
        """Return the objects of what was written or deleted; all, where a schema was renamed."""
        written = [
            _object(row["catalog"], oid, of)
            for row in answer
            for oid, of, *_ in row["written"] or ()
        ]
        gone = [_object(of, oid, self._rows[of][oid].of) for of, oid in deleted]
        found = {*written, *gone}
        renamed = any(catalog == "schema" for catalog, _ in found)
        return found | self._objects() if renamed else found

    def _objects(self) -> Set[Place]:
        return {(catalog, oid) for catalog in _OBJECTS for oid in self._rows[catalog]}

    def _take(self, answer: Iterable[Row], deleted: Iterable[Place]) -> None:
        """Take over what was written, and forget what was deleted."""
        for catalog, oid in deleted:
            gone = self._rows[catalog].pop(oid)
            self._parts[_object(catalog, oid, gone.of)].discard((catalog, oid))
            if catalog == "relation":
                self._rows["column"].pop(oid, None)
                self._parts[catalog, oid].discard(("column", oid))
        for row in answer:
            catalog = row["catalog"]
            for oid, *content in row["written"] or ():
                self._rows[catalog][oid] = _Row(*content)
                if catalog not in _OBJECTS:
                    self._parts[_object(catalog, oid, content[0])].add((catalog, oid))
            self._since, self.next_xid = row["oldest"], row["next"]

    def _stamped(self, objects: Iterable[Place]) -> Stamps:
        known = [(place, self._rows[place[0]].get(place[1])) for place in objects]
        return {self._key(place, row): self._stamp(place, row) for place, row in known if row}

    def _key(self, place: Place, row: _Row) -> str:
        """Return the kind and the name of an object."""
        catalog, oid = place
        if row.of == oid:
            return f"{catalog} {row.name}"
        schema = self._rows["schema"].get(row.of)
        name = f"{catalog} {schema.name if schema else row.of}.{row.name}"
        return f"{name}/{oid}" if catalog == "function" else name

    def _stamp(self, place: Place, row: _Row) -> str:
        parts = [
            f"{oid} {self._rows[catalog][oid].written}"
            for catalog, oid in sorted(self._parts.get(place, ()))
            if catalog != "column" or not row.written.startswith(_WITHOUT_COLUMNS)
        ]
        return "/".join((place[1], row.written, *parts))


def _object(catalog: str, oid: str, of: str) -> Place:
    """Return the object that a row of a catalog is, or is a part of."""
    if catalog in _OBJECTS:
        return catalog, oid
    return "type" if catalog == "enum value" else "relation", of


def changed(old: Stamps, new: Stamps, own: Set[str]) -> list[str]:
    """Say what differs, but for ``own`` names and those made of them (t_pkey, partition_index)."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        name = key.partition(" ")[2].partition("/")[0]
        if old.get(key) == new.get(key) or name in own:
            continue
        if any(name.startswith(f"{mine}_") for mine in own):
            continue
        if any(name.endswith(f"_{mine.partition('.')[2]}") for mine in own):
            continue
        what = "was dropped" if key not in new else "is new" if key not in old else "was altered"
        found.append(f"{key} {what}")
    return found


class DriftWatch:
    """Compare the committed schema before and after each of our transactions, from a thread.

    ``tell`` is given the step and what somebody else changed. What cannot be looked at, for the
    server is lost, is told as well.
    """

    def __init__(
        self, database: Database, known: str | None, tell: Callable[[str, list[str]], None]
    ) -> None:
        self._schema = Schema(None if known is None else _by_key(known))
        self._tell = tell
        self._watcher = Watcher(database, "drift", patience=_PATIENCE)

    @property
    def known(self) -> str | None:
        """Return the stamps as they were last read, a line each."""
        stamps = self._schema.stamps
        if stamps is None:
            return None
        return "\n".join(f"{key}\t{stamp}" for key, stamp in sorted(stamps.items()))

    def begin(self) -> "Future[None]":
        """Take the schema that is there now for what the next look compares with."""
        return self._do("", self._remember)

    def freeze(self, step: str) -> None:
        """Hold the moment right before our COMMIT, and compare while that goes on."""
        self._do(step, self._hold).result()
        self._do(step, lambda connection: self._compare_held(connection, step))

    def look(self, step: str, own: Set[str]) -> None:
        """Compare what is there now, but for our ``own`` names, and remember it."""
        self._do(step, lambda connection: self._compare(connection, step, own))

    def close(self) -> None:
        """Wait for what is being read."""
        self._watcher.close()

    def _remember(self, connection: Connection) -> None:
        self._schema.look(connection)

    def _hold(self, connection: Connection) -> None:
        # Where no transaction has ended since, nobody has changed anything; ours has not yet.
        if connection.value(_NEXT_XID) == self._schema.next_xid:
            return
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.value("SELECT 1")  # the first query takes the snapshot

    def _compare_held(self, connection: Connection, step: str) -> None:
        if connection.in_transaction():
            self._compare(connection, step, frozenset())
            connection.execute("COMMIT")

    def _compare(self, connection: Connection, step: str, own: Set[str]) -> None:
        before, now = self._schema.look(connection)
        found = [] if before is None else changed(before, now, own)
        if found:
            self._tell(step, found)

    def _do(self, step: str, act: Callable[[Connection], object]) -> "Future[None]":
        def safely(session: SideSession) -> None:
            try:
                act(session.connection())
            except RunbookError as error:
                session.close()
                self._schema = Schema()
                self._tell(step, [f"not known: {error.message}"])

        return self._watcher.do(safely)


def _by_key(stamps: str) -> Stamps:
    return dict(line.split("\t", 1) for line in stamps.splitlines())
