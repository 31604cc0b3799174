"""A connection may be lost anywhere, COMMIT included: the server says what is in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.faults.bench import Bench, MakeBench, Undisturbed
from tests.support.faults.driver import Fault
from tests.support.faults.proxy import Proxy, Then
from tests.support.faults.scenarios import (
    APPLIED,
    BUILD,
    KEYS,
    NOTHING,
    PARTS,
    TAKEN_APART,
    WHOLE,
    Scenario,
    some,
)


@dataclass(frozen=True)
class Lost:
    """Hold where the runner's backend is ended, and what is then said of the first file."""

    scenario: Scenario
    fault: Fault
    says: str
    resolved: bool = False  # the run itself learns from the ledger how COMMIT ended


LOST = {
    "whole, inside": Lost(WHOLE, Fault("started", 3, hold=True), NOTHING),
    "whole, before COMMIT": Lost(WHOLE, Fault("committing", hold=True), NOTHING, resolved=True),
    "parts, inside the first": Lost(PARTS, Fault("started", 3, hold=True), NOTHING),
    "parts, behind the first COMMIT": Lost(
        PARTS, Fault("committed", before=True, hold=True), some(1, 3)
    ),
    "parts, inside the last": Lost(PARTS, Fault("started", 8, hold=True), some(2, 3)),
    "build, done and not counted": Lost(BUILD, Fault("built", hold=True), some(1, 4)),
    "keys, validation not sent": Lost(KEYS, Fault("started", 3, hold=True), some(2, 3)),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
def test_a_run_whose_backend_is_ended_says_so_and_is_continued(
    lost: Lost, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(lost.scenario)
    runner = bench.start(lost.fault)
    runner.held()
    # Without its lock a run does not COMMIT; without the file's session nobody knows how it ended.
    bench.terminate(bench.file_session() if lost.resolved else bench.holder())
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.error) == (1, "TargetError")
    assert bool(bench.events("resolved")) is lost.resolved
    assert str(bench.position()).startswith(lost.says)
    bench.completes(undisturbed(lost.scenario))


@pytest.mark.parametrize(
    ("scenario", "fault"),
    [
        (WHOLE, Fault("committed", before=True, hold=True)),
        (PARTS, Fault("committing", 1, hold=True)),
        (PARTS, Fault("committing", 2, hold=True)),
        (PARTS, Fault("committing", 3, hold=True)),
        (PARTS, Fault("committed", 3, before=True, hold=True)),
        (TAKEN_APART, Fault("committing", 2, hold=True)),
        (KEYS, Fault("committing", 3, hold=True)),
    ],
)
def test_a_run_whose_backend_is_ended_at_a_commit_goes_on_by_itself(
    scenario: Scenario, fault: Fault, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(fault)
    runner.held()
    bench.terminate(bench.file_session())
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.said) == (0, "")
    assert bool(bench.events("resolved")) is (fault.event == "committing")
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize(
    ("scenario", "lock"), [(WHOLE, "LOCK log"), (KEYS, "LOCK users IN ROW EXCLUSIVE MODE")]
)
def test_a_run_whose_backend_is_ended_inside_a_statement_is_continued(
    scenario: Scenario, lock: str, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    with bench.open_transaction(lock):
        runner = bench.start()
        bench.terminate(bench.wait_blocked())
        ended = runner.end()
    assert (ended.error, ended.sqlstate) == ("TargetError", "57P01")
    assert "migration.sql:2" in ended.said
    bench.completes(undisturbed(scenario))


# --- the answer to COMMIT is lost ---------------------------------------------------------------


@pytest.fixture
def proxy(database: dict[str, str]) -> Iterator[Proxy]:
    with Proxy(Path(database["host"], f".s.PGSQL.{database['port']}")) as made:
        yield made


def through(proxy: Proxy, bench: Bench) -> dict[str, str]:
    """Return the way to the bench's database that leads through the proxy."""
    return {**bench.database.parameters, **proxy.way()}


COMMITS = [(WHOLE, 1), (PARTS, 1), (PARTS, 2), (PARTS, 3), (TAKEN_APART, 2), (KEYS, 2)]


def name_of(value: object) -> str | None:
    names = {WHOLE: "whole", PARTS: "parts", TAKEN_APART: "taken apart", KEYS: "keys"}
    return names[value] if isinstance(value, Scenario) else None


@pytest.mark.parametrize("forward", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize(("scenario", "nth"), COMMITS, ids=name_of)
@pytest.mark.one_of_each("scenario")
def test_a_commit_whose_answer_is_lost_is_resolved_through_the_ledger(
    scenario: Scenario,
    nth: int,
    forward: bool,
    proxy: Proxy,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(Fault("committing", nth, hold=True), database=through(proxy, bench))
    runner.held()
    proxy.arm(forward=forward)
    runner.go()
    ended = runner.end()
    assert proxy.cut.is_set()
    assert len(bench.events("resolved")) == 1
    if forward or scenario is not WHOLE:  # the run knows where to go on
        assert (ended.code, ended.said) == (0, "")
    else:
        assert (ended.code, ended.error) == (1, "TargetError")
        assert "nothing of it remains" in ended.said
        assert str(bench.position()) == NOTHING
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize("forward", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize(("scenario", "nth"), [(WHOLE, 1), (PARTS, 2), (KEYS, 3)], ids=name_of)
@pytest.mark.one_of_each("scenario")
def test_a_commit_that_nobody_can_ask_about_is_called_unknown(
    scenario: Scenario,
    nth: int,
    forward: bool,
    proxy: Proxy,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    fault, soon = Fault("committing", nth, hold=True), {"statements": {"reconnect_wait": 0.5}}
    runner = bench.start(fault, database=through(proxy, bench), policy=soon)
    runner.held()
    proxy.arm(forward=forward, then=Then.DIE)
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.error) == (1, "OutcomeUnknownError")
    assert "is not known" in ended.said
    assert len(bench.events("unknown")) == 1
    done = nth if forward else nth - 1
    # Of whole files one transaction is all; the others have three.
    says = APPLIED if done == (1 if scenario is WHOLE else 3) else some(done, 3)
    assert str(bench.position()) == (says if done else NOTHING)
    proxy.revive()
    again = bench.run(database=through(proxy, bench))
    assert (again.code, again.said) == (0, "")
    bench.completes(undisturbed(scenario))
