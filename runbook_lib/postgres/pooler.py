"""Tell whether a pooler stands before the server that gives each transaction another session.

Nothing may be set on such a session: it goes back to the application with what was set on it.
"""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late

from runbook_lib.errors import ConfigError
from runbook_lib.postgres.connection import Connection, Database

_ROUNDS = 10
_PATIENCE = 5.0  # seconds for a second session, which a pool of one never gives
_PID = "SELECT pg_catalog.pg_backend_pid()"


def refuse_pooling(database: Database) -> None:
    """Raise ConfigError where a pooler shares sessions between transactions or statements.

    Without a pooler the server itself named the process at connect, and this is one query.
    """
    with database.connect() as connection:
        if connection.value(_PID) == connection.pid or not _shared(database, connection):
            return
    message = f"A pooler before '{database.dbname}' gives each transaction another session."
    remedy = "Connect to the server itself, or to a pool in session mode."
    raise ConfigError(message, remedy=remedy)


def _shared(database: Database, one: Connection) -> bool:
    """Tell whether two clients meet on one session, or one client on two.

    A quiet pool gives both the session that was used last, a busy one gives either of them
    whatever is free. No transaction is held open meanwhile, so that a pool of one session answers.
    """
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(_meet, database, one).result(_PATIENCE)
    except Late:
        return False  # the session is ours alone: nobody else gets it
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _meet(database: Database, one: Connection) -> bool:
    with database.connect() as other:
        pids = [(one.value(_PID), other.value(_PID)) for _ in range(_ROUNDS)]
    ours, theirs = ({pair[place] for pair in pids} for place in (0, 1))
    return len(ours) > 1 or len(theirs) > 1 or bool(ours & theirs)
