"""A server that dies in the middle, and comes back: nothing is lost, nothing is done twice."""

from collections.abc import Callable, Iterator

import pytest

from runbook_lib.postgres.embedded import Sandbox
from tests.support.faults.bench import Bench, MakeBench, Undisturbed
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
from tests.support.memory import MakeDirectory
from tests.support.servers import database_on, stop


@pytest.fixture(scope="module")
def own_server(in_memory: MakeDirectory) -> Iterator[Sandbox]:
    """Run a server that these tests alone use, and may stop."""
    with Sandbox(in_memory("own")) as sandbox:
        yield sandbox
        sandbox.stop()


@pytest.fixture
def database(own_server: Sandbox) -> Iterator[dict[str, str]]:
    """Make the test's database on that server."""
    with database_on(own_server) as made:
        yield made


STOPPED = {
    "whole, inside": (
        WHOLE,
        Fault("started", 3, hold=True),
        f"{NOTHING}; it was stopped at line 3",
    ),
    "parts, inside the second": (PARTS, Fault("started", 5, hold=True), some(1, 3, 5)),
    "parts, behind the first COMMIT": (
        PARTS,
        Fault("committed", before=True, hold=True),
        some(1, 3),
    ),
    "build, done and not counted": (BUILD, Fault("built", hold=True), some(1, 4)),
    "keys, validation not sent": (KEYS, Fault("started", 3, hold=True), some(2, 3, 2)),
}


@pytest.mark.parametrize(("scenario", "fault", "says"), STOPPED.values(), ids=STOPPED.keys())
def test_a_server_that_dies_between_statements_has_what_was_committed(
    scenario: Scenario,
    fault: Fault,
    says: str,
    own_server: Sandbox,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(fault)
    runner.held()
    stop(own_server)
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.error) == (1, "TargetError")
    own_server.use()
    assert str(bench.position()) == says
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize(
    ("scenario", "nth", "goes_on"),
    [(WHOLE, 1, False), (PARTS, 1, True), (PARTS, 2, True), (TAKEN_APART, 2, True)],
    ids=["whole", "parts, first", "parts, second", "taken apart, last"],
)
def test_a_server_that_dies_at_a_commit_and_comes_back_is_asked(
    scenario: Scenario,
    nth: int,
    goes_on: bool,
    own_server: Sandbox,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(Fault("committing", nth, hold=True))
    runner.held()
    stop(own_server)
    runner.go()
    own_server.use()
    ended = runner.end()
    assert (ended.code, ended.error) == ((0, "") if goes_on else (1, "TargetError")), ended.said
    assert len(bench.events("resolved")) == 1
    assert str(bench.position()) == (APPLIED if goes_on else NOTHING)
    bench.completes(undisturbed(scenario))


def test_a_server_that_stays_away_leaves_the_commit_unknown(
    own_server: Sandbox, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(PARTS)
    runner = bench.start(
        Fault("committing", 2, hold=True), policy={"statements": {"reconnect_wait": 0.5}}
    )
    runner.held()
    stop(own_server)
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.error) == (1, "OutcomeUnknownError")
    own_server.use()
    assert str(bench.position()) == some(1, 3)
    bench.completes(undisturbed(PARTS))


INSIDE: dict[str, tuple[Scenario, str, Callable[[Bench], object], str]] = {
    "whole": (WHOLE, "LOCK log", Bench.wait_blocked, f"{NOTHING}; it was stopped at line 2"),
    "keys": (KEYS, "LOCK users IN ROW EXCLUSIVE MODE", Bench.wait_blocked, some(1, 3, 2)),
    "build": (
        BUILD,
        "LOCK orders IN ROW EXCLUSIVE MODE",
        lambda bench: bench.wait_phase("waiting for writers before build"),
        f"{some(1, 4, 2)}; invalid and to be rebuilt: public.orders_user",
    ),
}


@pytest.mark.parametrize(("scenario", "lock", "wait", "says"), INSIDE.values(), ids=INSIDE.keys())
def test_a_server_that_dies_inside_a_statement_has_what_was_committed(
    scenario: Scenario,
    lock: str,
    wait: Callable[[Bench], object],
    says: str,
    own_server: Sandbox,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    with bench.open_transaction(lock):
        runner = bench.start()
        wait(bench)
        stop(own_server)
        ended = runner.end()
    assert (ended.code, ended.error) == (1, "TargetError")
    own_server.use()
    assert str(bench.position()) == says
    bench.completes(undisturbed(scenario))


def test_a_server_that_becomes_read_only_stops_the_run_where_it_is(
    own_server: Sandbox, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(PARTS)
    runner = bench.start(Fault("committed", hold=True))
    runner.held()
    reload = "SELECT pg_reload_conf()"
    bench.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    bench.execute(reload)
    try:
        bench.wait("SELECT current_setting('transaction_read_only') = 'on'")
        runner.go()
        ended = runner.end()
    finally:
        bench.execute("ALTER SYSTEM RESET default_transaction_read_only")
        bench.execute(reload)
        bench.wait("SELECT current_setting('transaction_read_only') = 'off'")
    assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "25006")
    assert "migration.sql:5: " in ended.said
    assert str(bench.position()) == some(1, 3)
    bench.completes(undisturbed(PARTS))
