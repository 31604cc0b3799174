"""A pooler that shares sessions is refused before anything is set on one; others are not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from runbook_lib.errors import ConfigError
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.pooler import refuse_pooling
from tests.support.poolers import needs_pgbouncer, pooled

SHARED = {
    "transactions, quiet": ("transaction", 5, ""),
    "transactions, one session": ("transaction", 1, ""),
    "transactions, in turn": ("transaction", 5, "server_round_robin = 1"),
    "statements": ("statement", 5, ""),
}


@contextmanager
def application(through: Database) -> Iterator[list[str]]:
    """Ask an application's queries through the pool all along; yield what failed."""
    over, failed = Event(), list[str]()

    def ask() -> None:
        with through.connect() as connection:
            while not over.is_set():
                try:
                    connection.rows("SELECT id FROM orders")
                except Exception as error:  # whatever it is, it is the finding
                    failed.append(str(error))

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_direct_connection_is_let_through(target: Database) -> None:
    refuse_pooling(target)


@needs_pgbouncer
@pytest.mark.parametrize("kind", SHARED)
def test_a_pool_that_shares_sessions_is_refused(
    kind: str, target: Database, tmp_path: Path
) -> None:
    mode, size, more = SHARED[kind]
    with (
        pooled(target, tmp_path, mode, size=size, more=more) as through,
        pytest.raises(ConfigError, match="another session"),
    ):
        refuse_pooling(through)


@needs_pgbouncer
@pytest.mark.parametrize("size", [5, 1])
def test_a_pool_of_whole_sessions_is_let_through(
    size: int, target: Database, tmp_path: Path
) -> None:
    with pooled(target, tmp_path, "session", size=size) as through:
        refuse_pooling(through)


@needs_pgbouncer
def test_a_busy_pool_is_refused_and_the_application_notices_nothing(
    target: Database, tmp_path: Path
) -> None:
    with target.connect() as connection:
        connection.execute("CREATE TABLE orders (id int)")
    with pooled(target, tmp_path, "transaction") as through, application(through) as failed:
        for _ in range(5):
            with pytest.raises(ConfigError, match="another session"):
                refuse_pooling(through)
    assert not failed
