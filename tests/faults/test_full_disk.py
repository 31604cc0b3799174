"""A disk fills up, the server's or this machine's: what is in is named, and the run goes on."""

import functools
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runbook_lib import apply_step, check_target, review_release, take_backup
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.run import SCHEMA_BEFORE, SERVER_BEFORE
from runbook_lib.postgres import cluster
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.defects import project
from tests.support.faults.bench import Bench
from tests.support.faults.scenarios import APPLIED, NOTHING, Scenario, some
from tests.support.memory import MakeDirectory
from tests.support.releases import write_release
from tests.support.servers import hurry

# Of a namespace of the server's own: nothing to clean up, and nobody has to be root.
MOUNT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SMALL = 'mount -t tmpfs -o size=4m,mode=700 tmpfs "$0" && exec "$@"'
AGAIN = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
FILL = (
    "CREATE TABLE filler TABLESPACE small AS SELECT repeat('x', 900) FROM generate_series(1, 2500)"
)
BIG = "CREATE TABLE big TABLESPACE small AS SELECT repeat('y', 900) FROM generate_series(1, 2500)"

FULL = {
    "whole": (
        Scenario(f"ALTER TABLE orders ADD note text;\nINSERT INTO log VALUES ('one');\n{BIG};\n"),
        "3: Could not extend file",
        NOTHING,
    ),
    "parts": (
        Scenario(f"BEGIN;\nINSERT INTO log VALUES ('one');\nCOMMIT;\n{BIG};\nSELECT 1;\n"),
        "4: Could not extend file",
        some(1, 3),
    ),
    "build": (
        Scenario(
            "INSERT INTO orders SELECT i, 1, 1 FROM generate_series(1000, 120000) i;\n"
            "CREATE INDEX CONCURRENTLY big ON orders (id) TABLESPACE small;\nSELECT 1;\n"
        ),
        "2: Could not ",
        some(1, 3),
    ),
}


@pytest.fixture(scope="module")
def own_server(in_memory: MakeDirectory) -> Iterator[Sandbox]:
    """Run a server that has a disk of four megabytes."""
    home = in_memory("full")
    small = home / "small"
    small.mkdir(mode=0o777)
    small.chmod(0o777)
    tried = subprocess.run([*MOUNT, SMALL, small, "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("no disk can be mounted in a namespace here")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # not for the clusters of rehearsals
            prefix = [*MOUNT, SMALL, str(small), *AGAIN]
            patch.setattr(cluster, "Start", functools.partial(cluster.Start, prefix=prefix))
            sandbox = stack.enter_context(Sandbox(home))
        hurry(sandbox)
        with Database(sandbox.conninfo()).connect() as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{small}'")
        yield sandbox
        sandbox.stop()


@pytest.mark.parametrize(("scenario", "where", "says"), FULL.values(), ids=FULL.keys())
def test_a_disk_that_is_full_stops_a_run_where_it_says(
    scenario: Scenario, where: str, says: str, own_server: Sandbox, tmp_path: Path
) -> None:
    database = Database(own_server.conninfo(f"test_{uuid.uuid4().hex[:12]}"))
    database.create(database.dbname)
    bench = Bench(database, scenario, tmp_path)
    try:
        bench.execute(FILL)
        ended = bench.run()
        assert (ended.code, ended.error, ended.sqlstate) == (1, "StatementError", "53100")
        assert f"migration.sql:{where}" in ended.said
        assert "No space left on device" in ended.said
        assert str(bench.position()) == says
        bench.execute("DROP TABLE filler")
        again = bench.run()
        assert (again.code, again.said) == (0, "")
        assert str(bench.position()) == APPLIED
        assert bench.value("SELECT to_regclass('big') IS NOT NULL")
        assert bench.value("SELECT count(*) FROM log WHERE what = 'one'") == ("one" in scenario.sql)
    finally:
        bench.close()
        database.drop(database.dbname)


STEP = "40_migrate_01_0001_a"
RECORDS = {f"{SCHEMA_BEFORE}{STEP}": False, SERVER_BEFORE: False, "schema_stamps": True, STEP: True}


@pytest.mark.parametrize(("record", "applied"), RECORDS.items(), ids=RECORDS.keys())
@pytest.mark.one_of_each()
def test_a_record_for_which_there_is_no_room_stops_a_run_that_the_next_one_goes_on_with(
    record: str, applied: bool, database: dict[str, str], tmp_path: Path
) -> None:
    release = write_release(tmp_path / "release", {"0001_a": "CREATE TABLE a ()"})
    with project(tmp_path, database) as shop:
        review_release(shop.run(release, "prechecks"))
        check_target(shop.run(release, "prechecks"))
        take_backup(shop.run(release, "backup"))
        run = shop.run(release, "migrate")
        # What a record is written to before it gets its name.
        (run.directory.path / f".{record}.json.{os.getpid()}").symlink_to("/dev/full")
        with pytest.raises(EvidenceError, match="cannot be written: No space left on device"):
            apply_step(run)
        with Database(database).connect() as connection:
            assert connection.value("SELECT to_regclass('a') IS NOT NULL") is applied
        assert run.directory.read(record) is None or record == STEP
        apply_step(shop.run(release, "migrate"), "0001_a")
        assert shop.run(release, "verify").passed("migrate")
        with Database(database).connect() as connection:
            assert connection.value("SELECT count(*) FROM _prisma_migrations") == 1
