"""Send what takes things back inside a transaction, each once nothing else is in its way."""

from collections.abc import Callable, Mapping, Sequence

from runbook_lib.errors import GateError, StatementError
from runbook_lib.postgres.connection import Connection
from runbook_lib.rollback.inverse import Undo

# dependent_objects_still_exist, and what a partition has from its parent: tried after the others.
DEPENDED_ON = {"2BP01", "42P16"}
# What a later statement may mend: a name that is still taken, or is not back yet.
_NOT_YET = {*DEPENDED_ON, "42P07", "42710", "42723", "42P01", "42883", "42704", "42703", "42P17"}
_LOCKED = {"55P03", "40P01", "53200"}  # once more would not help
_SAVEPOINT = "runbook_drop"


def refuse_losses(data: Mapping[str, int], accepted: Mapping[str, int]) -> None:
    """Raise GateError unless each loss is accepted with its count."""
    lost = {name: count for name, count in data.items() if accepted.get(name) != count}
    if lost:
        words = ", ".join(f"{name}={count}" for name, count in lost.items())
        message = f"It would lose what was written since: {words}."
        raise GateError(message, remedy=f'Keep it elsewhere, or accept it: accept = "{words}".')


def undo_all(connection: Connection, undone: Sequence[Undo], tell: Callable[[str], object]) -> None:
    """Execute the statements, all at once where none depends on a later one.

    Else each alone; one that is not possible yet is tried again after the others.
    """
    left = [] if not undone or _at_once(connection, undone) else list(undone)
    while left:
        later: list[tuple[Undo, StatementError]] = []
        for item in left:
            connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                connection.execute(item.sql)
                tell(item.sql)
            except StatementError as error:
                if error.sqlstate not in _NOT_YET:
                    raise _stays(item, error) from error.__cause__
                connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
                later.append((item, error))
            connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        if len(later) == len(left):
            raise _stays(*later[0])
        left = [item for item, _ in later]


def _stays(item: Undo, error: StatementError) -> StatementError:
    error.message = f"{item.sql}: {error.message} The transaction was taken back."
    error.remedy = "Drop what depends on it, or roll back by restoring."
    return error


def _at_once(connection: Connection, undone: Sequence[Undo]) -> bool:
    connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        connection.execute("; ".join(item.sql for item in undone))
    except StatementError as error:
        if error.sqlstate in _LOCKED:
            raise
        connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False
    connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True
