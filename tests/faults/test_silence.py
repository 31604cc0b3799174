"""A black hole between runner and server: both let go within a bound, and the next run knows."""

import os
import sys
import time
from collections.abc import Iterator

import pytest

from runbook_lib.postgres import embedded
from runbook_lib.postgres.embedded import Sandbox
from tests.support.faults.bench import Bench, MakeBench, Undisturbed
from tests.support.faults.driver import Fault
from tests.support.faults.proxy import Proxy, Then
from tests.support.faults.scenarios import NOTHING, PARTS, WHOLE, Scenario, some
from tests.support.memory import MakeDirectory
from tests.support.servers import database_on, hurry

pytestmark = [
    pytest.mark.xdist_group("silence"),
    pytest.mark.skipif(sys.platform != "linux", reason="BPF, and loopback of many addresses"),
]
SOON = {
    "tcp_user_timeout": "1000",
    "connect_timeout": "2",
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "2",
}
HOLDS = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'orders'::regclass AND granted"
IDLE = 10.0  # seconds: what a transaction may stand still in any case


@pytest.fixture(scope="module")
def address() -> str:
    """Return an address of this machine that no other test's server listens on."""
    return f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.3"


@pytest.fixture(scope="module")
def own_server(in_memory: MakeDirectory, address: str) -> Iterator[Sandbox]:
    """Run a server that listens on TCP, where its own bounds on silence count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embedded.SETTINGS, "listen_addresses", address)
        with Sandbox(in_memory("tcp")) as sandbox:
            hurry(sandbox)
            yield sandbox
            sandbox.stop()


@pytest.fixture
def database(own_server: Sandbox) -> Iterator[dict[str, str]]:
    """Make the test's database on that server."""
    with database_on(own_server) as made:
        yield made


@pytest.fixture
def proxy(own_server: Sandbox, address: str) -> Iterator[Proxy]:
    with Proxy((address, 5432)) as made:
        yield made


def through(proxy: Proxy, bench: Bench) -> dict[str, str]:
    return {**bench.database.parameters, **proxy.way(), **SOON}


def let_go(bench: Bench) -> float:
    """Return how many seconds the server still holds the table."""
    begin = time.monotonic()
    bench.wait(f"SELECT NOT ({HOLDS})")
    return time.monotonic() - begin


@pytest.mark.parametrize("then", [Then.DROP, pytest.param(Then.STALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("scenario", "nth", "forward"), [(WHOLE, 1, False), (WHOLE, 1, True), (PARTS, 2, False)]
)
@pytest.mark.one_of_each("then")
def test_a_black_hole_at_commit_is_called_unknown_and_read_back(
    scenario: Scenario,
    nth: int,
    forward: bool,
    then: Then,
    proxy: Proxy,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(
        Fault("committing", nth, hold=True),
        database=through(proxy, bench),
        policy={"statements": {"reconnect_wait": 0.5}},
    )
    runner.held()
    proxy.arm(forward=forward, then=then)
    begin = time.monotonic()
    runner.go()
    ended = runner.end()
    assert time.monotonic() - begin < 2 * IDLE
    assert (ended.code, ended.error) == (1, "OutcomeUnknownError")
    assert "is not known" in ended.said
    assert let_go(bench) < 2 * IDLE
    again = bench.run()  # on another way: the silent one stays so
    assert (again.code, again.said) == (0, "")
    assert again.outcomes[0] == ("already done" if forward else "done")
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize("then", [Then.DROP, pytest.param(Then.STALL, marks=pytest.mark.slow)])
@pytest.mark.one_of_each("then")
@pytest.mark.parametrize(
    ("scenario", "fault", "says"),
    [
        (WHOLE, Fault("started", 3, hold=True), NOTHING),
        (PARTS, Fault("started", 5, hold=True), some(1, 3)),
    ],
    ids=["whole", "parts"],
)
def test_a_black_hole_inside_a_transaction_keeps_no_lock(
    scenario: Scenario,
    fault: Fault,
    says: str,
    then: Then,
    proxy: Proxy,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(fault, database=through(proxy, bench))
    runner.held()
    assert bench.value(HOLDS) or scenario is PARTS
    proxy.fall_silent(drops=then is Then.DROP)
    begin = time.monotonic()
    runner.go()
    ended = runner.end()
    assert time.monotonic() - begin < 2 * IDLE
    assert (ended.code, ended.error) == (1, "TargetError")
    assert "connection to the server was lost" in ended.said
    assert let_go(bench) < 2 * IDLE
    assert str(bench.position()).startswith(says)  # the runner's lock is free, too
    bench.completes(undisturbed(scenario))
