"""Notice when somebody else changes the schema while a migration runs.

A second session sees what is committed alone: before our COMMIT, what it finds changed since the
last look is not ours. What others commit in the few milliseconds of our COMMIT is not told apart.
No event trigger is put on the target: a kill would leave it behind.
"""

from collections.abc import Callable, Set
from concurrent.futures import Future
from dataclasses import dataclass

from runbook_lib.errors import RunbookError
from runbook_lib.postgres.connection import Connection, Database, SideSession
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.watching import Watcher

_PATIENCE = 60.0  # seconds for what is being read of a large schema
_NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True)
class Schema:
    """Hold a stamp for each object of the users' schemas, one a line, as ``next_xid`` is next."""

    stamps: str
    next_xid: int


def read_schema(connection: Connection) -> Schema:
    """Read the committed schema; the ledger is left out."""
    (row,) = connection.rows(load("schema_stamps"))
    return Schema(row["stamps"] or "", row["next_xid"])


def changed(before: str, now: str, own: Set[str]) -> list[str]:
    """Say what differs, but for ``own`` names and those made of them (t_pkey, partition_index)."""
    if before == now:
        return []
    old, new = _by_key(before), _by_key(now)
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


def _by_key(stamps: str) -> dict[str, str]:
    return dict(line.split("\t", 1) for line in stamps.splitlines())


class DriftWatch:
    """Compare the committed schema before and after each of our transactions, from a thread.

    ``tell`` is given the step and what somebody else changed. What cannot be looked at, for the
    server is lost, is told as well.
    """

    def __init__(
        self, database: Database, known: str | None, tell: Callable[[str, list[str]], None]
    ) -> None:
        self._known = None if known is None else Schema(known, 0)
        self._tell = tell
        self._watcher = Watcher(database, "drift", patience=_PATIENCE)

    @property
    def known(self) -> str | None:
        """Return the stamps as they were last read."""
        return self._known.stamps if self._known else None

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
        self._known = read_schema(connection)

    def _hold(self, connection: Connection) -> None:
        # Where no transaction has ended since, nobody has changed anything; ours has not yet.
        if self._known and connection.value(_NEXT_XID) == self._known.next_xid:
            return
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.value("SELECT 1")  # the first query takes the snapshot

    def _compare_held(self, connection: Connection, step: str) -> None:
        if connection.in_transaction():
            self._compare(connection, step, frozenset())
            connection.execute("COMMIT")

    def _compare(self, connection: Connection, step: str, own: Set[str]) -> None:
        before, self._known = self.known, read_schema(connection)
        found = [] if before is None else changed(before, self._known.stamps, own)
        if found:
            self._tell(step, found)

    def _do(self, step: str, act: Callable[[Connection], None]) -> "Future[None]":
        def safely(session: SideSession) -> None:
            try:
                act(session.connection())
            except RunbookError as error:
                session.close()
                self._known = None
                self._tell(step, [f"not known: {error.message}"])

        return self._watcher.do(safely)
