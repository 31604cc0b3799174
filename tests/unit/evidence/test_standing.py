"""How an act stands is known from its events: what is done, under way, and in the way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook_lib.evidence.journal import EXITED, PROGRAM, SENDING, SENT, WAITING, Event, said
from runbook_lib.evidence.standing import Standing

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NEW = Standing("Migration", BEGAN, 4.0)
BLOCKER = {
    "pid": 7, "user": "app", "application": "shop", "state": "idle in transaction",
    "age": 90.0, "query_start": "2026-01-01 00:00:00+00",
}  # fmt: skip
SQL = {"pid": 3, "sql": "ANALYZE t"}
DUMP = {"argv": ["pg_dump", "-d", "shop db"]}


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("name", "end", "content", "shown"),
    [(SENDING, SENT, SQL, "ANALYZE t"), (PROGRAM, EXITED, DUMP, "pg_dump -d 'shop db'")],
)
def test_what_runs_long_has_a_clock_until_it_ends(
    name: str, end: str, content: dict[str, Any], shown: str
) -> None:
    sent = NEW.after(Event(name, "s", content), at(1))
    assert not any("for 0:" in line for line in sent.lines(at(2)))
    assert f"for 1:04: {shown}" in list(sent.lines(at(65)))
    assert sent.after(Event(end, "s", content), at(66)).under_way == ()


def test_who_keeps_it_waiting_is_a_row_with_how_long_in_all() -> None:
    waits = NEW.after(Event(SENDING, "s", SQL), at(0))
    waits = waits.after(Event(WAITING, "s", {"blockers": [BLOCKER]}), at(10))
    waits = waits.after(Event(WAITING, "s", {"blockers": [BLOCKER, BLOCKER]}), at(20))
    first, _ = waits.blocking(at(32))
    assert (first["blocked by pid"], first["application"], first["waited"]) == ("7", "shop", "0:22")
    assert waits.after(Event(SENT, "s", SQL), at(33)).blocking(at(34)) == []


def test_each_line_of_what_is_said_is_a_line() -> None:
    stands = NEW.after(said("s", "users_i: building 4 %\norders_i: resting"), at(1))
    assert stands.doing == ("users_i: building 4 %", "orders_i: resting")


def test_the_time_left_is_that_of_what_is_not_done() -> None:
    assert NEW.left(at(10)) is None
    assert NEW.advanced().left(at(10)) == pytest.approx(30)


def test_by_a_forecast_the_share_grows_with_the_clock_up_to_what_was_foretold() -> None:
    foretold = replace(NEW, whole=100.0, foretold=True)
    (sent,) = NEW.after(Event(SENDING, "s", SQL), at(0)).under_way
    running = replace(foretold, under_way=(replace(sent, weight=50.0),))
    assert running.share(at(25)) == pytest.approx(0.25)
    assert running.share(at(80)) == pytest.approx(0.5)


def test_what_came_of_it_is_said_in_one_line() -> None:
    assert NEW.over(at(3), failed=False).summary(at(99)) == "finished in 3.0 s"
    stopped = NEW.at("add_index (line 3)").over(at(3), failed=True)
    assert list(stopped.lines(at(99))) == ["Migration: stopped after 3.0 s at: add_index (line 3)"]
