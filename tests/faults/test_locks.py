"""Locks of others are waited for, within bounds, and never leave a file half done."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.postgres.connection import Connection
from tests.support.faults.bench import Bench, MakeBench, Undisturbed, wait_for
from tests.support.faults.driver import Fault
from tests.support.faults.scenarios import (
    APPLIED,
    BUILD,
    GUARDED,
    KEYS,
    NOTHING,
    PARTS,
    UNIQUE,
    WHOLE,
    Scenario,
    some,
)

READ = "LOCK orders IN ACCESS SHARE MODE"  # as any SELECT takes it


@pytest.mark.parametrize(
    ("scenario", "lock"),
    [(WHOLE, READ), (PARTS, READ), (KEYS, "LOCK users IN ROW EXCLUSIVE MODE")],
    ids=["whole", "parts", "keys"],
)
def test_a_lock_that_is_let_go_in_time_is_waited_for(
    scenario: Scenario, lock: str, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    with bench.open_transaction(lock) as other:
        runner = bench.start(policy={"locks": {"timeout": 1.0, "tries": 20}})
        bench.wait_event("retried")
        waiting = bench.wait_event("waiting")
        assert [row["pid"] for row in waiting["blockers"]] == [other.pid]
        assert waiting["blockers"][0]["application"] == "the application"
    ended = runner.end()
    assert (ended.code, ended.said) == (0, "")
    assert "55P03" in bench.events("retried")[0]["error"]
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize(
    ("scenario", "lock", "line", "says"),
    [
        (WHOLE, READ, 1, NOTHING),
        (WHOLE, "LOCK log", 2, NOTHING),
        (PARTS, READ, 2, NOTHING),
        (KEYS, "LOCK users IN ROW EXCLUSIVE MODE", 2, some(1, 3)),
        (KEYS, "LOCK orders IN SHARE UPDATE EXCLUSIVE MODE", 2, some(1, 3)),
    ],
)
def test_a_lock_that_is_never_let_go_stops_the_run(
    scenario: Scenario,
    lock: str,
    line: int,
    says: str,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    before = bench.state()
    with bench.open_transaction(lock):
        ended = bench.run(policy={"locks": {"timeout": 0.2, "tries": 2}})
        assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "55P03")
        assert f"migration.sql:{line}: " in ended.said
    assert str(bench.position()) == says
    assert len(bench.events("retried")) == 1
    if scenario is WHOLE:
        assert bench.state() == before
    bench.completes(undisturbed(scenario))


def test_a_deadlock_with_the_application_is_tried_again(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(WHOLE)
    bench.execute(f'ALTER DATABASE "{bench.database.dbname}" SET deadlock_timeout = 100')
    # Whoever looks finds the deadlock and is its victim: the application does not look.
    patient = "SET LOCAL deadlock_timeout = '1min'"
    with bench.open_transaction(patient, "LOCK log IN EXCLUSIVE MODE") as other:
        runner = bench.start(Fault("started", 2, hold=True))
        runner.held()  # with its lock on orders, and about to ask for that on log

        def write() -> None:
            other.execute("UPDATE orders SET total = total")
            other.execute("COMMIT")

        application = Thread(target=write)
        application.start()
        bench.wait_queued("orders")
        runner.go()
        application.join()
        ended = runner.end()
    assert (ended.code, ended.said) == (0, "")
    assert ["40P01" in line["error"] for line in bench.events("retried")] == [True]
    bench.completes(undisturbed(WHOLE))


# --- other runners ------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [WHOLE, PARTS, BUILD], ids=["whole", "parts", "build"])
def test_a_second_runner_is_refused_and_told_who_works(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    first = bench.start(Fault("started", 2, hold=True))
    first.held()
    second = bench.run(policy={"locks": {"runner_wait": 0.2}})
    assert (second.code, second.error) == (1, "GateError")
    assert f"pid {bench.holder()}, " in second.said
    first.go()
    assert first.end().code == 0
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize("scenario", [WHOLE, PARTS, BUILD], ids=["whole", "parts", "build"])
def test_a_second_runner_that_waits_does_nothing_twice(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    first = bench.start(Fault("started", 2, hold=True))
    first.held()
    second = bench.start(journal=str(bench.directory / "second.jsonl"))
    bench.wait_polled()
    first.go()
    ended = [first.end(), second.end()]
    assert [(one.code, one.said) for one in ended] == [(0, ""), (0, "")]
    assert ended[1].outcomes[0] == "already done"
    bench.completes(undisturbed(scenario))


def test_a_second_runner_goes_on_where_the_first_was_killed_meanwhile(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(KEYS)
    with bench.open_transaction("LOCK users IN ROW EXCLUSIVE MODE"):
        first = bench.start(Fault("ledger row", before=True, hold=True))
        first.held()
        second = bench.start()
        bench.wait_polled()
        first.go()
        bench.wait_blocked()
        first.kill()
    ended = second.end()
    assert (ended.code, ended.said) == (0, "")
    bench.completes(undisturbed(KEYS))


def test_two_runners_at_once_do_nothing_twice(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(PARTS)
    both = [bench.start() for _ in range(2)]
    assert [one.end().code for one in both] == [0, 0]
    bench.completes(undisturbed(PARTS))


@contextmanager
def waiting_as_prisma_does(bench: Bench) -> Iterator[list[str | None]]:
    """Wait for the runner's lock in a statement, as Prisma's engine does; yield how that ended."""
    found: list[str | None] = []

    def wait(session: Connection) -> None:
        try:
            session.rows("SELECT pg_advisory_lock(72707369)")
        except RunbookError as error:
            found.append(error.sqlstate)

    with bench.database.connect() as session:
        session.execute("SET lock_timeout = '3s'; SET statement_timeout = '3s'")
        thread = Thread(target=wait, args=(session,))
        thread.start()
        yield found
        thread.join()


def test_a_session_that_waits_as_prisma_does_only_delays_a_build(
    bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(BUILD)
    runner = bench.start(Fault("started", 2, hold=True))
    runner.held()
    with waiting_as_prisma_does(bench) as ended:
        bench.wait("SELECT bool_or(NOT granted) FROM pg_locks WHERE objid = 72707369")
        runner.go()
        bench.wait_phase("waiting for old snapshots")
    assert ended in (["55P03"], ["57014"])
    assert runner.end().code == 0
    assert len(bench.events("built")) == 1
    bench.completes(undisturbed(BUILD))


# --- indexes of others --------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [UNIQUE, GUARDED], ids=["plain", "if not exists"])
def test_an_invalid_index_that_somebody_left_is_built_again(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    with bench.database.connect() as other, pytest.raises(RunbookError, match="23505"):
        other.execute("CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (substr(email, 1, 1))")
    assert str(bench.position()) == f"{NOTHING}; invalid and to be rebuilt: public.users_email"
    ended = bench.run()
    assert (ended.code, ended.said) == (0, "")
    assert len(bench.events("leftover")) == 1
    bench.completes(undisturbed(scenario))


@pytest.mark.parametrize("scenario", [UNIQUE, GUARDED], ids=["plain", "if not exists"])
def test_duplicates_under_a_unique_build_are_named_and_nothing_invalid_stays(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    bench.execute("INSERT INTO users SELECT id + 100, email FROM users WHERE id IN (7, 8)")
    bench.execute("INSERT INTO users SELECT id + 200, email FROM users WHERE id = 7")
    ended = bench.run()
    assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "23505")
    assert "(u7@example.org) in 3 rows; (u8@example.org) in 2 rows" in ended.said
    assert str(bench.position()) == some(1, 3)
    bench.execute("DELETE FROM users WHERE id > 100")
    wait_for(lambda: bench.value("SELECT to_regclass('users_email') IS NULL"), "it is dropped")
    bench.completes(undisturbed(scenario))
    assert str(bench.position()) == APPLIED
