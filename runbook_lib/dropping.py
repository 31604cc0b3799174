"""Drop objects inside a transaction, each only when nothing else uses it any more."""

from collections.abc import Callable, Mapping, Sequence

from runbook_lib.database import Connection
from runbook_lib.errors import GateError, StatementError
from runbook_lib.inverse import Drop

# dependent_objects_still_exist, and what a partition has from its parent: tried after the others.
DEPENDED_ON = {"2BP01", "42P16"}
_SAVEPOINT = "runbook_drop"


def refuse_losses(data: Mapping[str, int], accepted: Mapping[str, int]) -> None:
    """Raise GateError unless each loss is accepted with its count."""
    lost = {name: count for name, count in data.items() if accepted.get(name) != count}
    if lost:
        words = ", ".join(f"{name}={count}" for name, count in lost.items())
        message = f"It would lose what was written since: {words}."
        raise GateError(message, remedy=f'Keep it elsewhere, or accept it: accept = "{words}".')


def drop_all(connection: Connection, drops: Sequence[Drop], tell: Callable[[str], object]) -> None:
    """Execute the drops, all at once where none depends on a later one.

    Else each alone; one that others still depend on is tried again after them.
    """
    left = [] if _at_once(connection, drops) else list(drops)
    while left:
        later: list[tuple[Drop, StatementError]] = []
        for drop in left:
            connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                connection.execute(drop.sql)
                tell(drop.sql)
            except StatementError as error:
                if error.sqlstate not in DEPENDED_ON:
                    raise
                connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
                later.append((drop, error))
            connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        if len(later) == len(left):
            drop, stays = later[0]
            stays.message = f"{drop.sql}: {stays.message} The transaction was taken back."
            stays.remedy = "Drop what depends on it, or roll back by restoring."
            raise stays
        left = [drop for drop, _ in later]


def _at_once(connection: Connection, drops: Sequence[Drop]) -> bool:
    connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        connection.execute("; ".join(drop.sql for drop in drops))
    except StatementError as error:
        if error.sqlstate not in DEPENDED_ON:
            raise
        connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False
    connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True
