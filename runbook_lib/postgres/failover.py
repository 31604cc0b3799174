"""See that a run stays on one server: a URL may lead to another one after a failover."""

from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.errors import FailoverError, TargetError
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load


@dataclass(frozen=True)
class Server:
    """Name a server and the history that it writes; a promotion begins another timeline.

    Each is empty where the role may not read it or the service has none.
    """

    system_identifier: str
    timeline: str


def read_server(connection: Connection) -> Server:
    """Ask which server answers; raises TargetError for a standby."""
    (row,) = connection.rows(load("standing"))
    if row["standby"]:
        message = "The server is a standby now, which nobody can write to."
        raise TargetError(message, remedy="Point the environment at the primary.")
    identifier = connection.value(load("system_identifier")) if row["may_identify"] else ""
    history = connection.seen(load("timeline")) or [{"timeline": ""}]
    return Server(identifier, history[0]["timeline"])


class OneServer:
    """Hold the server that a run is on; ``tell`` is told of the first, and of each other one."""

    def __init__(
        self, known: Server | None = None, tell: Callable[[Server], object] = lambda _: None
    ) -> None:
        self._known, self._tell = known, tell

    def check(self, connection: Connection) -> None:
        """Raise FailoverError, once for each, where a session is on another server than is known.

        Raises TargetError for a standby.
        """
        found, known = read_server(connection), self._known
        if found == known:
            return
        self._known = found
        self._tell(found)
        if known is not None and known.system_identifier != found.system_identifier:
            message = (
                f"Another server answers: the run is on {known.system_identifier}, and "
                f"{found.system_identifier or 'one that hides its identifier'} answered."
            )
            raise FailoverError(message, remedy="Correct the URL, or start a new run there.")
        if known is not None and known.timeline and found.timeline:
            message = (
                "The server failed over during the run: its timeline was "
                f"{_number(known)} and is {_number(found)}."
            )
            remedy = (
                "Commits that did not reach this server are lost: look what the application "
                "misses. Then run again: this server's ledger says where to go on."
            )
            raise FailoverError(message, remedy=remedy)


def _number(server: Server) -> int:
    return int(server.timeline, 16)
