"""Notice when somebody else changes the schema while a migration runs.

A second session sees what is committed alone: before our COMMIT, what it finds changed since the
last look is not ours. No event trigger is put on the target, which a kill would leave behind.
"""

from collections.abc import Mapping, Set

from runbook_lib.database import Connection, Database
from runbook_lib.queries import load

Stamps = Mapping[str, str]
LEDGER = "relation public._prisma_migrations"


def read_stamps(connection: Connection) -> dict[str, str]:
    """Return a stamp for each object of the users' schemas; the ledger is left out."""
    rows = connection.rows(load("schema_stamps"))
    return {row["key"]: row["stamp"] for row in rows if not row["key"].startswith(LEDGER)}


def changed(before: Stamps, now: Stamps, own: Set[str]) -> list[str]:
    """Say what differs, but for ``own`` names and what the server names after them (t_pkey)."""
    found = []
    for key in sorted(before.keys() | now.keys()):
        name = key.partition(" ")[2].partition("/")[0]
        if before.get(key) == now.get(key) or name in own:
            continue
        if any(name.startswith(f"{mine}_") for mine in own):
            continue
        what = "was dropped" if key not in now else "is new" if key not in before else "was altered"
        found.append(f"{key} {what}")
    return found


class DriftWatch:
    """Compare the committed schema before and after each of our transactions."""

    def __init__(self, database: Database, known: Stamps | None = None) -> None:
        self._database = database
        self._connection: Connection | None = None
        self.known = known

    def look(self, own: Set[str] = frozenset()) -> list[str]:
        """Return what somebody else committed since the last look, and remember what is there."""
        if self._connection is None:
            self._connection = self._database.connect()
        now = read_stamps(self._connection)
        found = [] if self.known is None else changed(self.known, now, own)
        self.known = now
        return found

    def close(self) -> None:
        """Close the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
