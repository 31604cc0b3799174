"""Read what belongs to the whole server, and say what would take a change of it back.

No backup of a database holds it and no revert touches it: others of the server may rely on it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.redaction import redact

_QUERIES = {
    "server_wide": "roles, databases, tablespaces and their settings",
    "server_configuration": "what ALTER SYSTEM has set",
    "server_parameters": "who may set which parameter",
}
_SINCE = {"server_parameters": 15}  # the version that brought it


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
        comparable = self.unseen == now.unseen  # else what one lacks may only have been hidden
        for what in sorted(self.things.keys() | now.things.keys()):
            old, new = self.things.get(what), now.things.get(what)
            if old is None and new is not None and comparable:
                yield f"{what} was made", new.drop
            elif old is not None and new is None and comparable:
                yield f"{what} is gone", old.make
            elif old is not None and new is not None and old.state != new.state:
                yield f"{what} was {old.state}", old.change


def read_server(connection: Connection) -> ServerState:
    """Read it as far as the role may; nothing is read of passwords.

    A setting that holds a secret keeps its digest, by which another value is known.
    """
    major = connection.server_major
    asked = {query: what for query, what in _QUERIES.items() if _SINCE.get(query, 0) <= major}
    found = {what: connection.seen(load(query)) for query, what in asked.items()}
    rows = [row for part in found.values() for row in part or ()]
    things = {row.pop("what"): _without_secret(Thing(**row)) for row in rows}
    unseen = ", ".join(what for what, part in found.items() if part is None)
    return ServerState(things, f"{unseen}: this role may not look" if unseen else "")


def _without_secret(thing: Thing) -> Thing:
    make, change = redact(thing.make), redact(thing.change)
    if (make, change) == (thing.make, thing.change):
        return thing
    digest = hashlib.sha256(thing.state.encode()).hexdigest()
    return Thing(f"a secret, SHA-256 {digest}", make, change, thing.drop)
