"""A watcher has its session for itself, comes back after a loss, and is ended for certain."""

import threading
import time
from contextlib import closing

import pytest

from runbook_lib.errors import RunbookError, TargetError
from runbook_lib.postgres.connection import Connection, Database, SideSession
from runbook_lib.postgres.watching import Watcher, kept_alive

PID = "SELECT pg_backend_pid()"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %(p)s"


def others(connection: Connection) -> int:
    return int(connection.value(OTHERS, {"p": connection.pid}))


def until(condition: threading.Event) -> None:
    assert condition.wait(10)


def gone(connection: Connection) -> bool:
    end = time.monotonic() + 5
    while others(connection) and time.monotonic() < end:
        time.sleep(0.02)
    return not others(connection)


def test_it_looks_at_its_interval_in_one_session(target: Database, connection: Connection) -> None:
    pids, enough = list[int](), threading.Event()

    def look(session: SideSession) -> None:
        pids.append(session.connection().value(PID))
        if len(pids) == 3:
            enough.set()

    with closing(Watcher(target, "test")) as watcher:
        watcher.look(look, 0.01)
        until(enough)
        assert others(connection) == 1
    assert len(set(pids)) == 1
    assert gone(connection)
    assert "test_0" not in {thread.name for thread in threading.enumerate()}


def test_a_lost_session_is_told_and_opened_again_prepared(
    target: Database, connection: Connection
) -> None:
    seen, lost, again = list[tuple[int, str]](), list[str](), threading.Event()

    def look(session: SideSession) -> None:
        held = session.connection()
        seen.append((held.pid, held.value("SHOW lock_timeout")))
        if len(seen) == 1:
            connection.rows("SELECT pg_terminate_backend(%(pid)s)", {"pid": held.pid})
        if held.pid != seen[0][0]:
            again.set()

    def prepare(session: Connection) -> None:
        session.execute("SET lock_timeout = '7s'")

    with closing(Watcher(target, "test", prepare)) as watcher:
        watcher.look(look, 0.01, lambda error: lost.append(str(error)))
        until(again)
    assert len(lost) == 1
    assert {setting for _, setting in seen} == {"7s"}


def test_a_query_that_hangs_is_cancelled_at_the_end(
    target: Database, connection: Connection
) -> None:
    errors, begun = list[RunbookError](), threading.Event()

    def look(session: SideSession) -> None:
        session.connection()
        begun.set()
        session.rows("SELECT pg_sleep(60)")

    watcher = Watcher(target, "test", patience=0.3)
    watcher.look(look, 0.01, errors.append)
    until(begun)
    begin = time.monotonic()
    watcher.close()
    assert time.monotonic() - begin < 5
    assert [error.sqlstate for error in errors] == ["57014"]
    assert gone(connection)


def test_what_was_asked_for_is_done_before_the_end(target: Database) -> None:
    done = list[int]()
    with closing(Watcher(target, "test")) as watcher:
        for number in range(5):
            watcher.do(lambda session, n=number: done.append(n))  # type: ignore[misc]
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("after", [0.0, 5.0])
def test_a_block_that_is_short_opens_no_session(target: Database, after: float) -> None:
    opened = list[Connection]()
    begin = time.monotonic()
    with closing(Watcher(target, "test", opened.append)) as watcher:
        watcher.look(lambda session: session.connection(), 5.0, after=after)
        if not after:
            time.sleep(0.5)
    assert time.monotonic() - begin < 3
    assert len(opened) == (0 if after else 1)


def test_a_session_that_could_not_be_prepared_is_not_used(target: Database) -> None:
    tries, looked = list[int](), threading.Event()

    def prepare(session: Connection) -> None:
        tries.append(session.pid)
        session.execute("SELECT 1 / 0" if len(tries) == 1 else "SET lock_timeout = '7s'")

    def look(session: SideSession) -> None:
        if session.connection().value("SHOW lock_timeout") == "7s":
            looked.set()
        assert session.connection().value("SHOW lock_timeout") == "7s"

    lost = list[RunbookError]()
    with closing(Watcher(target, "test", prepare)) as watcher:
        watcher.look(look, 0.01, lost.append)
        until(looked)
    assert [error.sqlstate for error in lost] == ["22012"]
    assert len(tries) == 2


def test_a_session_outlives_the_servers_patience_only_while_it_is_kept_alive(
    connection: Connection,
) -> None:
    connection.set({"idle_session_timeout": "800"})
    with kept_alive(connection, 0.8):
        time.sleep(1.6)
        assert connection.value("SELECT 1") == 1
    time.sleep(1.6)
    with pytest.raises(TargetError, match="idle-session timeout"):
        connection.value("SELECT 1")
