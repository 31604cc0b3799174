"""A concurrent build may lose its runner or its backend in every phase: it is adopted or redone."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.faults.bench import Bench, MakeBench, Runner, Undisturbed
from tests.support.faults.scenarios import GATED, STEP, some

# In this order a build goes through them (PostgreSQL manual, 27.4.4).
PHASES = (
    "initializing",
    "waiting for writers before build",
    "building index%",
    "waiting for writers before validation",
    "index validation%",
    "waiting for old snapshots",
)
WRITER = "LOCK orders IN ROW EXCLUSIVE MODE"


@contextmanager
def held_in(bench: Bench, phase: str) -> Iterator[tuple[Runner, int]]:
    """Start a run and hold its build in the phase while the block runs; yield it and its backend.

    What holds each phase is a transaction of the application's.
    """
    scan, late = (f"SELECT pg_advisory_xact_lock({key})" for key in (1001, 1002))
    before = {
        # Two sessions make a relation of one name: the second waits for how the first ends.
        "initializing": ["CREATE SEQUENCE orders_gate"],
        "waiting for writers before build": [WRITER],
        "waiting for old snapshots": [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SELECT 1",
        ],
    }
    with ExitStack() as stack:
        first = stack.enter_context(bench.open_transaction(*before.get(phase, [scan])))
        runner = bench.start()
        if phase == "waiting for writers before validation":
            bench.wait_gate()
            stack.enter_context(bench.open_transaction(WRITER))
            first.execute("ROLLBACK")
        elif phase == "index validation%":
            bench.wait_gate()  # the phase is named before the scan takes its snapshot
            stack.enter_context(bench.open_transaction(late))
            bench.execute("INSERT INTO orders VALUES (0, -1, 0)")  # the validation adds it
            first.execute("ROLLBACK")
        yield runner, bench.wait_phase(phase)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.one_of_each()
def test_a_build_whose_runner_is_killed_is_finished_by_the_server_and_adopted(
    phase: str, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(GATED)
    with held_in(bench, phase) as (runner, pid):
        runner.kill()
        said = str(bench.position())
        in_catalog = phase != "initializing"
        still = f"; pid {pid} still builds public.orders_gate" if in_catalog else ""
        assert said == some(1, 3, 2) + still
        built = bench.value("SELECT coalesce(to_regclass('orders_gate')::oid::int8, 0)")
        second = bench.start()
        assert bench.wait_event("adopted")["pid"] == pid
        assert bench.wait_phase(phase) == pid
    ended = second.end()
    assert (ended.code, ended.said) == (0, ""), ended.said
    if in_catalog:
        assert bench.value("SELECT 'orders_gate'::regclass::oid::int8") == built
    sent = [line["line"] for line in bench.events("started") if line["step"] == STEP]
    assert sent == [1, 2, 3]  # the build was not sent twice
    bench.execute("DELETE FROM orders WHERE id = 0")
    bench.completes(undisturbed(GATED))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.one_of_each()
def test_a_build_whose_backend_is_ended_is_named_dropped_and_built_again(
    phase: str, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(GATED)
    with held_in(bench, phase) as (runner, pid):
        bench.terminate(pid)
        ended = runner.end()
        assert (ended.code, ended.error, ended.sqlstate) == (1, "TargetError", "57P01")
        said = str(bench.position())
    left = phase != "initializing"
    invalid = "; invalid and to be rebuilt: public.orders_gate" if left else ""
    assert said == some(1, 3, 2) + invalid
    bench.execute("DELETE FROM orders WHERE id = 0")
    bench.completes(undisturbed(GATED))
    assert len(bench.events("leftover")) == left


@pytest.mark.parametrize("phase", PHASES[1:])
@pytest.mark.one_of_each()
def test_a_build_that_loses_runner_and_backend_is_built_again(
    phase: str, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(GATED)
    with held_in(bench, phase) as (runner, pid):
        runner.kill()
        second = bench.start()
        bench.wait_event("adopted")
        bench.terminate(pid)
    assert second.end().code == 0
    assert len(bench.events("leftover")) == 1
    bench.execute("DELETE FROM orders WHERE id = 0")
    bench.completes(undisturbed(GATED))
