"""A rollback that is killed, cut off or loses its server leaves the old or the new, and ends."""

import signal
from dataclasses import replace

import pytest

from runbook_lib.postgres.embedded import Sandbox
from tests.support.faults.shop import (
    ASIDE,
    NEW,
    NO_INDEX,
    OLD,
    RESTORED,
    WRITTEN,
    Shop,
    stands,
)
from tests.support.faults.undoer import COMMIT, HALF, IN_PLACE, PG_RESTORE, RESTORE, REVERT, Strike
from tests.support.servers import stop

CASES = {
    REVERT: {
        "before the concurrent drop": (Strike("DROP INDEX CONCURRENTLY"), NEW),
        "after the concurrent drop": (Strike("DROP INDEX CONCURRENTLY", after=True), NO_INDEX),
        "inside, locks taken": (Strike("LOCK TABLE", after=True), NO_INDEX),
        "inside, before the drops": (Strike("SAVEPOINT runbook_drop"), NO_INDEX),
        "inside, after all drops": (Strike("RELEASE SAVEPOINT runbook_drop", after=True), NO_INDEX),
        "before COMMIT": (Strike(COMMIT), NO_INDEX),
        "after COMMIT, not recorded": (Strike(COMMIT, after=True), WRITTEN),
    },
    RESTORE: {
        "database created": (Strike("CREATE DATABASE", after=True), NEW),
        "inside pg_restore": (Strike(HALF), NEW),
        "after pg_restore": (Strike(PG_RESTORE, after=True), NEW),
        "before the swap": (Strike("ALTER DATABASE"), NEW),
        "between the two names": (Strike("ALTER DATABASE", after=True), NEW),
        "before COMMIT": (Strike(COMMIT), NEW),
        "after COMMIT, not recorded": (Strike(COMMIT, after=True), OLD),
    },
    IN_PLACE: {
        "before the move": (Strike("ALTER TABLE"), ASIDE),
        "inside the move": (Strike("ALTER TABLE", after=True), ASIDE),
        "after a COMMIT": (Strike(COMMIT, after=True), ASIDE),
        "inside pg_restore": (Strike(HALF), ASIDE),
        "after pg_restore, not compared": (Strike(PG_RESTORE, after=True), ASIDE),
        "compared, before the drop": (Strike("DROP TABLE"), ASIDE),
        "inside the drop": (Strike("DROP TABLE", after=True), ASIDE),
        "before the schemas are dropped": (Strike("DROP SCHEMA"), RESTORED),
        "inside the drop of the schemas": (Strike("DROP SCHEMA", after=True), RESTORED),
        "not recorded": (Strike('ANALYZE "public"."users"', after=True), OLD),
    },
}
each = pytest.mark.parametrize(
    ("way", "strike", "leaves"),
    [
        pytest.param(way, *case, id=f"{way}, {name}")
        for way, cases in CASES.items()
        for name, case in cases.items()
    ],
)


def ends(way: str, leaves: str) -> bool:
    """Tell whether a way back is at its end with this."""
    return leaves == (WRITTEN if way == REVERT else OLD)


@each
@pytest.mark.one_of_each("way")
def test_a_rollback_that_is_killed_leaves_one_or_the_other(
    shop: Shop, way: str, strike: Strike, leaves: str
) -> None:
    process = shop.start(way, strike)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (out, err)
    shop.wait_alone()
    stands(shop, leaves)
    # What the killed try had begun to restore stays beside: no process is left to drop it.
    begun = int(way == RESTORE and leaves == NEW)
    assert shop.count("restored") == begun
    shop.completes(way)
    assert shop.count("restored") == 0
    assert shop.count("before_rollback") == (way == RESTORE) * (1 + (leaves == OLD))


def lost_at(way: str, strike: Strike) -> str:
    """Name the error of a session that is lost there: once COMMIT is sent, its end is unknown."""
    sent = strike.at == COMMIT and not strike.after and way != RESTORE
    # In place these are the only ones of their transactions: COMMIT is next.
    sent = sent or (way == IN_PLACE and strike.after and strike.at in {"ALTER TABLE", "DROP TABLE"})
    return "OutcomeUnknownError" if sent else "TargetError"


@each
@pytest.mark.one_of_each("way")
def test_a_rollback_whose_session_is_ended_leaves_one_or_the_other(
    shop: Shop, way: str, strike: Strike, leaves: str
) -> None:
    process = shop.start(way, replace(strike, hold=True))
    pid, done = shop.held(process), ends(way, leaves)
    with shop.database.maintenance().connect() as connection:
        # Between two sessions, or with one that was to say no more, nothing is cut.
        if not pid or strike.at == "CREATE DATABASE":
            leaves, done = OLD, True
        if pid:
            assert connection.value(f"SELECT pg_terminate_backend({pid}, 10000)")
    error = shop.go(process)
    assert error == ("" if done else lost_at(way, strike))
    stands(shop, leaves)
    assert shop.count("restored") == 0
    shop.completes(way)
    assert shop.count("restored") == 0


@each
@pytest.mark.one_of_each("way")
def test_a_server_that_dies_leaves_one_or_the_other(
    shop: Shop,
    own_server: Sandbox,
    way: str,
    strike: Strike,
    leaves: str,
) -> None:
    process = shop.start(way, replace(strike, hold=True))
    shop.held(process)
    stop(own_server)
    error = shop.go(process)
    own_server.use()
    done = ends(way, leaves)
    assert error in {lost_at(way, strike), "ToolError"} or (error == "" and done)
    stands(shop, leaves)
    # The server was away when the try wanted to drop what it had begun.
    begun = int(way == RESTORE and leaves == NEW)
    assert shop.count("restored") == begun
    shop.completes(way)
    assert shop.count("restored") == 0
