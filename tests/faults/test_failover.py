"""A failover during a run: what is written goes to one server, or the run says that it moved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib import apply_step, check_target, review_release, take_backup
from runbook_lib.errors import FailoverError, TargetError
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.failover import OneServer, Server, read_server
from tests.support.defects import project
from tests.support.faults.bench import MakeBench, Undisturbed, wait_for
from tests.support.faults.driver import Fault
from tests.support.faults.scenarios import NOTHING, PARTS, WHOLE, Scenario, some
from tests.support.releases import write_release
from tests.support.servers import database_on, stop

FENCED = "ALTER DATABASE {} SET default_transaction_read_only = on"


@pytest.fixture
def database(own_server: Sandbox) -> Iterator[dict[str, str]]:
    """Make the test's database on that server."""
    with database_on(own_server) as made:
        yield made


@pytest.fixture
def moved(database: dict[str, str]) -> Database:
    """Return that database as the runbook addresses it."""
    return Database(database)


def promote(server: Sandbox) -> None:
    """Let the server die and come back as a standby that is promoted."""
    stop(server)
    (server.data / "standby.signal").touch()
    server.use()
    with Database(server.conninfo()).connect() as connection:
        assert connection.value("SELECT pg_is_in_recovery()")
        with pytest.raises(TargetError, match="is a standby now"):
            OneServer().check(connection)
        assert connection.value("SELECT pg_promote()")
        wait_for(lambda: read_server(connection).timeline, "it writes")


@pytest.mark.parametrize(
    ("scenario", "nth", "says"),
    [(WHOLE, 1, NOTHING), (PARTS, 2, some(1, 3))],
    ids=["whole", "parts"],
)
def test_a_failover_at_a_commit_ends_the_run_and_the_next_one_goes_on(
    scenario: Scenario,
    nth: int,
    says: str,
    own_server: Sandbox,
    bench_of: MakeBench,
    undisturbed: Undisturbed,
) -> None:
    bench = bench_of(scenario)
    runner = bench.start(Fault("committing", nth, hold=True))
    runner.held()
    promote(own_server)
    runner.go()
    ended = runner.end()
    assert (ended.code, ended.error) == (1, "FailoverError")
    assert "failed over during the run: its timeline was" in ended.said
    assert (len(bench.events("unknown")), len(bench.events("resolved"))) == (1, 0)
    assert str(bench.position()) == says
    bench.completes(undisturbed(scenario))


def test_a_failover_between_two_steps_is_said_once_before_the_next_one(
    own_server: Sandbox, moved: Database, tmp_path: Path
) -> None:
    files = {"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"}
    release = write_release(tmp_path / "release", files)
    with project(tmp_path, dict(moved.parameters)) as shop:
        review_release(shop.run(release, "prechecks"))
        check_target(shop.run(release, "prechecks"))
        take_backup(shop.run(release, "backup"))
        apply_step(shop.run(release, "migrate"))
        promote(own_server)
        with pytest.raises(FailoverError, match="failed over"):
            apply_step(shop.run(release, "migrate"))
        with moved.connect() as connection:
            assert connection.value("SELECT to_regclass('b') IS NULL")
        apply_step(shop.run(release, "migrate"))
        assert shop.run(release, "verify").passed("migrate")


def test_a_run_does_not_go_on_with_another_server(moved: Database) -> None:
    with moved.connect() as connection:
        found = read_server(connection)
        other = OneServer(Server("1", found.timeline))
        with pytest.raises(FailoverError, match=f"is on 1, and {found.system_identifier}"):
            other.check(connection)
        OneServer(Server(found.system_identifier, "")).check(connection)


# --- several hosts ------------------------------------------------------------------------------


@pytest.fixture
def both(moved: Database, server: Sandbox) -> Iterator[Database]:
    """Return a way that names two servers, of which the first is read only."""
    first = Database(server.conninfo(moved.dbname))
    first.create(first.dbname)
    with first.connect() as connection:
        connection.execute(FENCED.format(first.dbname))
    hosts = (first.parameters["host"], moved.parameters["host"])
    yield Database({**moved.parameters, "host": ",".join(hosts)})
    first.drop(first.dbname)


def test_of_several_hosts_the_one_that_can_be_written_is_taken(
    both: Database, moved: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with both.connect() as connection, moved.connect() as direct:
        assert read_server(connection) == read_server(direct)
    assert "target_session_attrs=read-write" in both.conninfo()
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "any")
    with both.connect() as connection:
        assert connection.value("SHOW transaction_read_only") == "on"
    assert "target_session_attrs" not in both.conninfo()


def test_where_none_of_several_hosts_can_be_written_the_reason_is_said(
    both: Database, moved: Database
) -> None:
    with moved.connect() as connection:
        connection.execute(FENCED.format(moved.dbname))
    with pytest.raises(TargetError, match="session is read-only"):
        both.connect()
