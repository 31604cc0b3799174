"""The write probe feels what the application feels, and leaves nothing behind."""

import time
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.config.policies import Locks, Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.write_probe import WriteProbe
from runbook_lib.parser.identifiers import quote
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Database
from tests.support.sessions import events, holding, until

POLICY = Policy(locks=Locks(timeout=0.3))
_PID = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'migration runbook'"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def notes(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "traffic.jsonl")


def samples(notes: Journal) -> list[dict[str, Any]]:
    return events(notes, "sample")


def test_samples_are_written_while_the_block_runs_and_not_after_it(
    target: Database, notes: Journal
) -> None:
    with WriteProbe(target, POLICY, (), notes) as probe:
        assert probe.latest is None or probe.latest >= 0
        until(lambda: len(samples(notes)) > 2)
        assert probe.latest is not None
        assert 0 < probe.latest < 1
    kept = samples(notes)
    time.sleep(0.6)
    assert samples(notes) == kept
    assert {(item["outcome"], item["table"]) for item in kept} == {("done", "")}
    assert all(item["seconds"] == item["write"] > 0 for item in kept)


def test_a_lock_on_a_touched_table_is_felt_and_bounded(
    target: Database, connection: Connection, notes: Journal
) -> None:
    connection.execute("CREATE TABLE t (c int); CREATE TABLE free (c int)")
    tables = [("public", "free"), ("public", "t")]
    with WriteProbe(target, POLICY, tables, notes) as probe:
        until(lambda: len(samples(notes)) > 1)
        with holding(target, "LOCK TABLE t IN SHARE MODE"):  # reads go on
            until(lambda: any(item["outcome"] != "done" for item in samples(notes)))
        until(lambda: probe.latest is not None and probe.latest < 1)
    felt = next(item for item in samples(notes) if item["outcome"] != "done")
    bound = POLICY.locks.timeout + 2.0
    assert bound - 0.1 <= felt["seconds"] < bound + 1.5
    assert felt["table"] == '"public"."t"'
    assert felt["write"] < 1
    assert "lock timeout" in felt["outcome"] or "statement timeout" in felt["outcome"]


def test_what_lets_writes_through_is_not_felt(
    target: Database, connection: Connection, notes: Journal
) -> None:
    connection.execute("CREATE TABLE t (c int)")
    with (
        holding(target, "LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE"),
        WriteProbe(target, POLICY, [("public", "t")], notes),
    ):
        until(lambda: len(samples(notes)) > 2)
    assert {item["outcome"] for item in samples(notes)} == {"done"}


def test_nothing_is_left_behind_and_no_lock_is_held_between_two_samples(
    target: Database, connection: Connection, notes: Journal
) -> None:
    connection.execute("CREATE TABLE t (c int); INSERT INTO t VALUES (1)")
    before = snapshot.take_snapshot(connection), snapshot.count_rows(connection)
    with WriteProbe(target, POLICY, [("public", "t")], notes):
        until(lambda: len(samples(notes)) > 1)
        connection.execute("SET lock_timeout = '2s'; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        states = {row["state"] for row in connection.rows(_PID.replace("pid F", "state F", 1))}
        assert "idle in transaction" not in states
    assert (snapshot.take_snapshot(connection), snapshot.count_rows(connection)) == before
    assert connection.rows(_PID) == []


def test_it_goes_on_when_its_session_is_ended(
    target: Database, connection: Connection, notes: Journal
) -> None:
    with WriteProbe(target, POLICY, (), notes):
        until(lambda: samples(notes))
        for row in connection.rows(_PID):
            connection.rows("SELECT pg_terminate_backend(%(pid)s)", row)
        until(lambda: any(item["seconds"] is None for item in samples(notes)))
        lost = next(n for n, item in enumerate(samples(notes)) if item["seconds"] is None)
        until(lambda: any(item["seconds"] for item in samples(notes)[lost:]))
    assert "lost" in samples(notes)[lost]["outcome"]


@pytest.mark.parametrize("name", ['odd "table" é', "100%s", "Tab'le; --", "select"])
def test_a_table_of_any_name_is_touched(
    target: Database, connection: Connection, notes: Journal, name: str
) -> None:
    connection.execute(f'CREATE SCHEMA "S %"; CREATE TABLE "S %".{quote(name)} (c int)')
    with WriteProbe(target, POLICY, [("S %", name)], notes):
        until(lambda: len(samples(notes)) > 1)
    assert {item["outcome"] for item in samples(notes)} == {"done"}


def test_a_partitioned_table_is_touched_alone(
    target: Database, connection: Connection, notes: Journal
) -> None:
    connection.execute(
        "CREATE TABLE p (c int) PARTITION BY RANGE (c);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)"
    )
    tables = [("public", "p"), ("public", "p1")]
    with WriteProbe(target, POLICY, tables, notes):
        until(lambda: len(samples(notes)) > 1)
    assert {item["outcome"] for item in samples(notes)} == {"done"}


def test_a_table_that_is_dropped_meanwhile_does_not_end_it(
    target: Database, connection: Connection, notes: Journal
) -> None:
    connection.execute("CREATE TABLE t (c int)")
    with WriteProbe(target, POLICY, [("public", "t")], notes):
        until(lambda: samples(notes))
        connection.execute("DROP TABLE t")
        until(lambda: sum("does not exist" in item["outcome"] for item in samples(notes)) > 1)
    assert samples(notes)[-1]["seconds"] < 1
