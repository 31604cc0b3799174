"""Read what belongs to the whole server, and say what would take a change of it back.

No backup of a database holds it and no revert touches it: others of the server may rely on it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load

_QUERIES = {
    "server_wide": "roles, databases, tablespaces and their settings",
    "server_configuration": "what ALTER SYSTEM has set",
}


@dataclass(frozen=True)
class Thing:
    """Hold one thing of a server: its state, and the SQL that makes, sets and drops it."""

    state: str
    make: str
    change: str
    drop: str


@dataclass(frozen=True)
class ServerState:
    """Hold what belongs to a whole server by what it is; ``unseen`` says what may not be read."""

    things: Mapping[str, Thing]
    unseen: str = ""

    def changes(self, now: "ServerState") -> Iterator[tuple[str, str]]:
        """Yield what is another ``now``, with the statement that would set it back."""
        for what in sorted(self.things.keys() | now.things.keys()):
            old, new = self.things.get(what), now.things.get(what)
            if old is None and new is not None:
                yield f"{what} was made", new.drop
            elif old is not None and new is None:
                yield f"{what} is gone", old.make
            elif old is not None and new is not None and old.state != new.state:
                yield f"{what} was {old.state}", old.change


def read_server(connection: Connection) -> ServerState:
    """Read it as far as the role may; nothing is read of passwords."""
    found = {what: connection.seen(load(query)) for query, what in _QUERIES.items()}
    things = {row.pop("what"): Thing(**row) for rows in found.values() for row in rows or ()}
    unseen = ", ".join(what for what, rows in found.items() if rows is None)
    return ServerState(things, f"{unseen}: this role may not look" if unseen else "")
