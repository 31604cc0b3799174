"""Carrying rows that is killed, or whose session is ended, has carried all of them or none."""

import signal
from dataclasses import replace

import pytest

from runbook_lib.rollback.restore import Restorer
from tests.support.faults.shop import Shop
from tests.support.faults.undoer import CARRY, COMMIT, Strike
from tests.support.senders import unheard

STRIKES = {
    "before the copy": (Strike("CREATE TEMPORARY TABLE"), 20),
    "copied": (Strike("ANALYZE"), 20),
    "before the rows": (Strike("INSERT INTO"), 20),
    "after the rows": (Strike("INSERT INTO", after=True), 20),
    "before COMMIT": (Strike(COMMIT), 20),
    "after COMMIT": (Strike(COMMIT, after=True), 21),
}
each = pytest.mark.parametrize(
    ("strike", "rows"), [pytest.param(*case, id=name) for name, case in STRIKES.items()]
)


@pytest.fixture
def restored(shop: Shop) -> Shop:
    """Roll the shop back by restoring: the row that was written since is in what is kept."""
    undo = shop.undo
    restorer = Restorer(shop.database, undo.major, undo.backup, undo.policy, unheard())
    shop.undo = replace(undo, kept=restorer.beside().kept_as)
    return shop


def count(shop: Shop) -> int:
    with shop.database.connect() as connection:
        found: int = connection.value("SELECT count(*) FROM users")
    return found


def completes(shop: Shop) -> None:
    """Carry once more, undisturbed: every row is there, and none twice."""
    assert shop.end(shop.start(CARRY)) == ("", "")
    assert count(shop) == 21


@each
@pytest.mark.one_of_each()
def test_carrying_that_is_killed_has_carried_all_or_nothing(
    restored: Shop, strike: Strike, rows: int
) -> None:
    process = restored.start(CARRY, strike)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (out, err)
    restored.wait_alone()
    assert count(restored) == rows
    completes(restored)


@each
@pytest.mark.slow
def test_carrying_whose_session_is_ended_has_carried_all_or_nothing(
    restored: Shop, strike: Strike, rows: int
) -> None:
    process = restored.start(CARRY, replace(strike, hold=True))
    pid = restored.held(process)
    with restored.database.maintenance().connect() as connection:
        assert connection.value(f"SELECT pg_terminate_backend({pid}, 10000)")
    assert restored.go(process) in {"TargetError", "OutcomeUnknownError", ""}
    assert count(restored) == rows
    completes(restored)
