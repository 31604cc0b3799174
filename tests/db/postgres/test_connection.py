"""A server that falls silent is lost within a bound; one that is slow is waited for."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest

from runbook_lib.errors import TargetError
from runbook_lib.postgres.connection import Database
from tests.support.faults.proxy import Proxy

SOON = {"tcp_user_timeout": "1000", "connect_timeout": "2"}
BOUND = 8.0  # seconds: both of these, and what a busy machine adds


@pytest.fixture
def proxy(database: dict[str, str]) -> Iterator[Proxy]:
    with Proxy(Path(database["host"], f".s.PGSQL.{database['port']}")) as made:
        yield made


@pytest.fixture
def through(proxy: Proxy, database: dict[str, str]) -> Database:
    return Database({**database, **proxy.way(), **SOON})


def silenced(after: float, act: Callable[[], object]) -> Timer:
    """Let the silence begin ``after`` seconds."""
    timer = Timer(after, act)
    timer.start()
    return timer


@pytest.mark.parametrize("drops", [True, False], ids=["drops all packets", "answers as TCP alone"])
@pytest.mark.parametrize("works", [True, False], ids=["at work", "idle"])
@pytest.mark.one_of_each("works")
def test_a_server_that_falls_silent_is_lost(
    works: bool, drops: bool, proxy: Proxy, through: Database
) -> None:
    with through.connect() as connection:
        begin = time.monotonic()
        silence = silenced(0.3 if works else 0, lambda: proxy.fall_silent(drops=drops))
        if not works:
            silence.join()
        with pytest.raises(TargetError, match="connection to the server was lost"):
            connection.rows("SELECT pg_sleep(15)")
        assert connection.closed
        with pytest.raises(TargetError, match="does not answer: connection"):
            through.connect()
    assert time.monotonic() - begin < BOUND


@pytest.mark.slow
def test_an_answer_that_was_lost_on_the_way_is_not_waited_for(
    proxy: Proxy, through: Database
) -> None:
    with through.connect() as connection:
        proxy.mute()
        with pytest.raises(TargetError, match="no answer came within 1 s"):
            connection.rows("SELECT 1")


def test_a_session_that_was_ended_unheard_is_not_waited_for(
    proxy: Proxy, through: Database, database: dict[str, str]
) -> None:
    def end() -> None:
        proxy.mute()
        other.rows("SELECT pg_terminate_backend(%(pid)s)", {"pid": connection.pid})

    with through.connect() as connection, Database(database).connect() as other:
        silence = silenced(0.3, end)
        with pytest.raises(TargetError, match="no answer came within 1 s"):
            connection.rows("SELECT pg_sleep(15)")
        silence.join()


def test_a_slow_answer_is_waited_for(through: Database) -> None:
    with through.connect() as connection:
        assert connection.value("SELECT 7 FROM pg_sleep(2.5)") == 7
