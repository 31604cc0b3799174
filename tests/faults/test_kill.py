"""A runner that is killed at any point loses nothing, and the next one does nothing twice."""

import signal
from dataclasses import dataclass

import pytest

from tests.support.faults.bench import MakeBench, Undisturbed
from tests.support.faults.driver import Fault
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
class Killed:
    """Hold where the runner dies, and what is then said of the first file."""

    scenario: Scenario
    fault: Fault
    says: str


KILLED = {
    # One transaction: in or not, and COMMIT alone decides.
    "whole, first statement not sent": Killed(
        WHOLE, Fault("started"), f"{NOTHING}; it was stopped at line 1"
    ),
    "whole, third statement not sent": Killed(
        WHOLE, Fault("started", 3), f"{NOTHING}; it was stopped at line 3"
    ),
    "whole, third statement done, not noted": Killed(
        WHOLE, Fault("ended", 3, before=True), f"{NOTHING}; it was stopped at line 3"
    ),
    "whole, before COMMIT": Killed(WHOLE, Fault("committing"), NOTHING),
    "whole, COMMIT not noted": Killed(WHOLE, Fault("committed", before=True), APPLIED),
    "whole, COMMIT noted": Killed(WHOLE, Fault("committed"), APPLIED),
    # A file with its own transactions.
    "parts, ledger row not noted": Killed(PARTS, Fault("ledger row", before=True), NOTHING),
    "parts, ledger row not committed": Killed(PARTS, Fault("ledger row"), NOTHING),
    "parts, BEGIN not sent": Killed(
        PARTS, Fault("started"), f"{NOTHING}; it was stopped at line 1"
    ),
    "parts, before the first COMMIT": Killed(PARTS, Fault("committing"), NOTHING),
    "parts, first COMMIT not sent": Killed(
        PARTS, Fault("started", 4), f"{NOTHING}; it was stopped at line 4"
    ),
    "parts, first COMMIT done, its end not noted": Killed(
        PARTS, Fault("ended", 4, before=True), some(1, 3, 4)
    ),
    "parts, first COMMIT not noted": Killed(PARTS, Fault("committed", before=True), some(1, 3)),
    "parts, second transaction not sent": Killed(PARTS, Fault("started", 5), some(1, 3, 5)),
    "parts, second transaction before COMMIT": Killed(PARTS, Fault("committing", 2), some(1, 3)),
    "parts, inside the last transaction": Killed(PARTS, Fault("started", 8), some(2, 3, 8)),
    "parts, before the last COMMIT": Killed(PARTS, Fault("committing", 3), some(2, 3)),
    "parts, last COMMIT not noted": Killed(PARTS, Fault("committed", 3, before=True), APPLIED),
    # An index that is built concurrently, between other statements.
    "build, not sent": Killed(BUILD, Fault("started", 2), some(1, 4, 2)),
    "build, done and not noted": Killed(BUILD, Fault("ended", 2, before=True), some(1, 4, 2)),
    "build, done and not counted": Killed(BUILD, Fault("built"), some(1, 4)),
    "build, counted and not noted": Killed(BUILD, Fault("committed", 2, before=True), some(2, 4)),
    "build, behind it, before COMMIT": Killed(BUILD, Fault("committing", 3), some(3, 4)),
    # Builds that the plan takes out of the file's transaction, side by side.
    "taken apart, before the first COMMIT": Killed(TAKEN_APART, Fault("committing"), NOTHING),
    "taken apart, one build done": Killed(TAKEN_APART, Fault("built"), some(1, 3)),
    "taken apart, both builds done": Killed(TAKEN_APART, Fault("built", 2), some(1, 3)),
    "taken apart, before the last COMMIT": Killed(TAKEN_APART, Fault("committing", 2), some(2, 3)),
    "taken apart, last COMMIT not noted": Killed(
        TAKEN_APART, Fault("committed", 3, before=True), APPLIED
    ),
    # A foreign key that is added and validated apart.
    "keys, before it is added": Killed(KEYS, Fault("started", 2), some(1, 3, 2)),
    "keys, added and not committed": Killed(KEYS, Fault("committing", 2), some(1, 3)),
    "keys, added and not noted": Killed(KEYS, Fault("committed", 2, before=True), some(2, 3)),
    "keys, validation not sent": Killed(KEYS, Fault("started", 3), some(2, 3, 2)),
    "keys, validated and not committed": Killed(KEYS, Fault("committing", 3), some(2, 3)),
}


@pytest.mark.one_of_each("killed.scenario")
@pytest.mark.parametrize("killed", KILLED.values(), ids=KILLED.keys())
def test_a_run_that_is_killed_is_named_and_continued(
    killed: Killed, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(killed.scenario)
    assert bench.run(killed.fault).code == -signal.SIGKILL
    said = str(bench.position())
    # Of two builds side by side, the other may have come to any point.
    assert said.startswith(killed.says) if killed.scenario is TAKEN_APART else said == killed.says
    bench.completes(undisturbed(killed.scenario))


BLOCKED = {
    "whole, first statement": (WHOLE, "LOCK orders", f"{NOTHING}; it was stopped at line 1"),
    "whole, behind what it did": (WHOLE, "LOCK log", f"{NOTHING}; it was stopped at line 2"),
    "parts, first": (PARTS, "LOCK orders", f"{NOTHING}; it was stopped at line 2"),
    "build, queued for its table": (
        BUILD,
        "LOCK orders IN SHARE UPDATE EXCLUSIVE MODE",
        some(1, 4, 2),
    ),
    "keys, added": (KEYS, "LOCK users IN ROW EXCLUSIVE MODE", some(1, 3, 2)),
    "keys, validated": (KEYS, "LOCK orders IN SHARE UPDATE EXCLUSIVE MODE", some(1, 3, 2)),
}


@pytest.mark.parametrize(("scenario", "lock", "says"), BLOCKED.values(), ids=BLOCKED.keys())
def test_a_run_that_is_killed_inside_a_statement_is_named_and_continued(
    scenario: Scenario, lock: str, says: str, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    with bench.open_transaction(lock):
        runner = bench.start()
        bench.wait_blocked()
        runner.kill()
    assert str(bench.position()).startswith(says)
    bench.completes(undisturbed(scenario))


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_end(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(PARTS)
    for fault in (Fault("ledger row"), Fault("committing"), Fault("committed"), Fault("started")):
        assert bench.run(fault).code == -signal.SIGKILL
    assert str(bench.position()) == some(1, 3, 5)
    bench.completes(undisturbed(PARTS))


def test_a_run_that_is_killed_between_two_files_goes_on_with_the_second(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(WHOLE)
    assert bench.run(Fault("started", 5)).code == -signal.SIGKILL
    assert str(bench.position()) == APPLIED
    bench.completes(undisturbed(WHOLE))
