"""A server that a person named for rehearsals: marked, nobody else's, and left as it was."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.__main__ import main
from runbook_lib.errors import ConfigError
from runbook_lib.evidence.journal import Journal
from runbook_lib.postgres import tools
from runbook_lib.postgres.cluster import Cluster, temporary_cluster
from runbook_lib.postgres.connection import Database
from runbook_lib.rehearsal import server
from runbook_lib.rehearsal.rehearse import Rehearsal, rehearse
from tests.support.memory import MakeDirectory
from tests.support.processes import started_with
from tests.support.releases import migration_of
from tests.support.snapshots import SHOP, back_up
from tests.support.worlds import backup_of, run_of

PROJECT = Path(__file__).parents[3]
VARIABLE = "RUNBOOK_TEST_REHEARSALS"
SETTINGS = {"wal_level": "logical", "max_prepared_transactions": "5"}
ACTS = """
CREATE ROLE made_here LOGIN IN ROLE pg_monitor;
GRANT SELECT ON users TO made_here;
GRANT CREATE ON DATABASE postgres TO made_here;
ALTER ROLE made_here SET work_mem = '3MB';
ALTER ROLE ALL SET application_name = 'mine';
ALTER DATABASE postgres SET work_mem = '1MB';
ALTER SYSTEM SET log_min_duration_statement = '777ms';
ALTER SYSTEM RESET work_mem;
CREATE DATABASE made_beside OWNER made_here IS_TEMPLATE true;
COMMENT ON DATABASE made_beside IS 'here to stay';
CREATE SUBSCRIPTION nowhere CONNECTION 'host=127.0.0.1 dbname=x' PUBLICATION p
    WITH (connect = false, slot_name = 'far', enabled = false);
SELECT pg_create_logical_replication_slot('kept', 'pgoutput');
SELECT pg_replication_origin_create('from_afar');
"""
HOLD = """
import sys, time
from pathlib import Path
from runbook_lib.postgres.connection import Database
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.sender import Sender
from runbook_lib.rehearsal.world import open_world
from tests.support.worlds import backup_of, run_of
root = Path(sys.argv[1])
target = Database(dict(item.split("=", 1) for item in sys.argv[3:]))
journal = Journal(root / "killed.jsonl")
run = run_of(target, root, journal, server=sys.argv[2])
with open_world(run, backup_of(target, root), Sender(journal.emit, "rehearsal: restore")) as world:
    with world.maintained.connect() as connection:
        connection.execute("CREATE DATABASE left_behind")
    print("there", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a runbook's own directory with the environments of a test in it."""
    (tmp_path / "environments.toml").write_text('[test]\nembedded = true\ndbname = "test"\n')
    return tmp_path


@pytest.fixture
def named(in_memory: MakeDirectory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Run an empty server for rehearsals, which the variable leads to."""
    base = in_memory("named") / ".runbook" / "rehearsal"
    with temporary_cluster(base, tools.server_installation(), SETTINGS) as cluster:
        url = f"postgresql://{cluster.superuser}@/postgres?host={cluster.sockets}&port=5432"
        monkeypatch.setenv(VARIABLE, url)
        with cluster.database("postgres").connect() as connection:
            connection.execute("ALTER SYSTEM SET work_mem = '5MB'")  # its own configuration
        yield cluster


@pytest.fixture
def url(named: Cluster) -> Database:
    return named.database("postgres")


@pytest.fixture
def shop(target: Database) -> Database:
    with target.connect() as connection:
        connection.execute(SHOP)
    return target


def rehearsal_of(target: Database, root: Path, journal: Journal, sql: str) -> Rehearsal:
    migration = migration_of(Path(tempfile.mkdtemp(dir=root)), sql)
    run = run_of(target, root, journal, migration, server=VARIABLE)
    return rehearse(run, backup_of(target, root), journal.emit)


def refused(target: Database, root: Path, journal: Journal) -> str:
    """Return why the server is not rehearsed on, and see that nothing was done on it."""
    with pytest.raises(ConfigError) as caught:
        rehearsal_of(target, root, journal, "SELECT 1")
    assert list(journal.lines()) == []
    return caught.value.message


def test_a_rehearsal_leaves_a_marked_server_as_it_was(
    shop: Database, url: Database, root: Path, journal: Journal
) -> None:
    server.mark(root, VARIABLE)
    before = server.read_state(url)
    seen = rehearsal_of(shop, root, journal, ACTS)
    assert [item.cause for item in seen.findings if item.blocks] == []
    assert seen.same_contents
    assert server.read_state(url) == before
    assert rehearsal_of(shop, root, journal, ACTS).same_contents  # and nothing is in the way


def test_a_server_that_is_not_marked_is_refused(
    shop: Database, url: Database, root: Path, journal: Journal
) -> None:
    before = server.read_state(url)
    assert "is not marked" in refused(shop, root, journal)
    assert server.read_state(url) == before


def test_a_variable_that_is_not_set_is_refused(
    shop: Database, root: Path, journal: Journal
) -> None:
    assert f"{VARIABLE} is not set" in refused(shop, root, journal)


@pytest.mark.parametrize(
    ("made", "named_as"),
    [
        ("CREATE DATABASE somebodys", "the database somebodys"),
        ("CREATE ROLE somebody", "the role somebody"),
        ("ALTER ROLE ALL SET work_mem = '9MB'", "the setting work_mem"),
        ("SELECT pg_create_physical_replication_slot('theirs')", "the slot theirs"),
    ],
)
def test_what_holds_anything_is_not_marked_and_not_used(
    shop: Database,
    url: Database,
    root: Path,
    journal: Journal,
    made: str,
    named_as: str,
) -> None:
    server.mark(root, VARIABLE)
    with url.connect() as connection:
        connection.execute(made)
    before = server.read_state(url)
    assert named_as in refused(shop, root, journal)
    with pytest.raises(ConfigError, match=named_as):
        server.mark(root, VARIABLE)
    assert server.read_state(url) == before


def test_a_role_that_is_no_superuser_marks_nothing(
    url: Database, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with url.connect() as connection:
        connection.execute("CREATE ROLE plain LOGIN")
    host = url.parameters["host"]
    monkeypatch.setenv(VARIABLE, f"postgresql://plain@/postgres?host={host}&port=5432")
    with pytest.raises(ConfigError, match=r"plain .* is no superuser"):
        server.mark(root, VARIABLE)


def test_the_targets_own_server_is_refused_though_it_was_marked(
    url: Database, root: Path, journal: Journal
) -> None:
    server.mark(root, VARIABLE)
    url.create("shop")
    with url.on("shop").connect() as connection:
        connection.execute(SHOP)
    run = run_of(url.on("shop"), root, journal, server=VARIABLE)
    with pytest.raises(ConfigError, match=r"leads to the server of the environment \[test\]"):
        rehearse(run, back_up(url.on("shop"), root / "backups"), journal.emit)


def test_another_environments_server_is_refused(
    shop: Database,
    url: Database,
    root: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_PROD", os.environ[VARIABLE])
    with (root / "environments.toml").open("a") as file:
        file.write('[prod]\nurl_variable = "RUNBOOK_TEST_PROD"\ndbname = "postgres"\n')
    with pytest.raises(ConfigError, match=r"the environment \[prod\]"):
        server.mark(root, VARIABLE)
    (root / "environments.toml").write_text("")
    server.mark(root, VARIABLE)
    (root / "environments.toml").write_text(
        '[prod]\nurl_variable = "RUNBOOK_TEST_PROD"\ndbname = "postgres"\n'
    )
    before = server.read_state(url)
    assert "the environment [prod]" in refused(shop, root, journal)
    assert server.read_state(url) == before


def test_a_target_that_hides_its_locks_is_not_rehearsed_on_a_server_that_may_be_its_own(
    named: Cluster, shop: Database, root: Path, journal: Journal
) -> None:
    server.mark(root, VARIABLE)
    role = f"mover_{shop.dbname}"
    with shop.connect() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute("REVOKE SELECT ON pg_locks FROM PUBLIC")
        try:
            said = refused(shop.having(user=role), root, journal)
        finally:
            connection.execute(f"DROP ROLE {role}")
    assert said == f"The target does not show whether {VARIABLE} leads to its own server."


def test_an_environment_that_does_not_answer_is_told_of(
    shop: Database,
    named: Cluster,
    root: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.mark(root, VARIABLE)
    monkeypatch.setenv("RUNBOOK_TEST_PROD", f"postgresql://x@/y?host={named.directory}")
    with (root / "environments.toml").open("a") as file:
        file.write('[prod]\nurl_variable = "RUNBOOK_TEST_PROD"\ndbname = "y"\n')
    seen = rehearsal_of(shop, root, journal, "SELECT 1")
    assert any("[prod]" in item for item in seen.differs)


def test_a_superuser_with_the_name_of_a_targets_role_is_refused(
    shop: Database, root: Path, journal: Journal, named: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with named.database("postgres").connect() as connection:
        connection.execute("CREATE ROLE other SUPERUSER LOGIN")
    with named.database("postgres", "other").connect() as connection:
        connection.execute(f"ALTER ROLE {named.superuser} RENAME TO postgres")
    own = named.database("postgres", "postgres")
    with own.connect() as connection:
        connection.execute("DROP ROLE other")
    monkeypatch.setenv(VARIABLE, os.environ[VARIABLE].replace(named.superuser, "postgres"))
    server.mark(root, VARIABLE)
    before = server.read_state(own)
    assert "has a role postgres" in refused(shop, root, journal)
    assert server.read_state(own) == before


def test_two_rehearsals_do_not_use_one_server(
    shop: Database, url: Database, root: Path, journal: Journal
) -> None:
    server.mark(root, VARIABLE)
    with url.connect() as connection:
        connection.rows("SELECT pg_advisory_lock(72707370)")
        assert "Another rehearsal uses" in refused(shop, root, journal)


def killed(shop: Database, root: Path, *, with_watcher: bool) -> None:
    """Kill a process in the middle of its rehearsal."""
    words = [f"{name}={value}" for name, value in shop.parameters.items()]
    argv = [sys.executable, "-c", HOLD, str(root), VARIABLE, *words]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "there\n"
    if not with_watcher:
        for pid in started_with(f"rehearsal.server\0{root}"):
            os.kill(pid, signal.SIGKILL)
    holder.kill()
    holder.wait()


def test_what_a_killed_rehearsal_left_is_taken_away_by_its_watcher(
    shop: Database, url: Database, root: Path
) -> None:
    server.mark(root, VARIABLE)
    before = server.read_state(url)
    killed(shop, root, with_watcher=True)
    until = time.monotonic() + 60
    while server.read_state(url) != before and time.monotonic() < until:
        time.sleep(0.1)
    assert server.read_state(url) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to find the watcher")
def test_what_a_killed_rehearsal_left_is_taken_away_by_the_next(
    shop: Database, url: Database, root: Path, journal: Journal
) -> None:
    server.mark(root, VARIABLE)
    before = server.read_state(url)
    killed(shop, root, with_watcher=False)
    assert ("database", "left_behind") in server.read_state(url)
    assert rehearsal_of(shop, root, journal, "CREATE ROLE left_behind").same_contents
    assert server.read_state(url) == before


def test_the_command_marks_a_server_and_refuses_in_one_sentence(
    url: Database, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["mark-rehearsal-server", VARIABLE]) == 0
    assert "holds nothing but rehearsals" in capsys.readouterr().out
    url.create("somebodys")
    assert main(["mark-rehearsal-server", VARIABLE]) == 1
    said = capsys.readouterr().err
    assert "somebodys" in said
    assert "Traceback" not in said
