"""Clusters that are thrown away: nothing of them stays, however their process ends."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runbook_lib.errors import ToolError
from runbook_lib.postgres import tools
from runbook_lib.postgres.cluster import SUPERUSER, temporary_cluster
from tests.support.processes import started_with

HOLD = """
import sys, time
from pathlib import Path
from runbook_lib.postgres import cluster, tools
with cluster.temporary_cluster(Path(sys.argv[1]), tools.server_installation(), {}) as made:
    print(made.sockets, flush=True)
    time.sleep(600)
"""


def clusters(base: Path) -> list[Path]:
    return list(base.glob("cluster-*"))


def held(base: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a cluster; return it, and the directory of its socket."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(base)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def watchers_of(directory: Path) -> list[int]:
    return [*started_with(f"cluster\0{directory}\0")]


def test_a_cluster_is_private_and_gone_after_its_block(base: Path) -> None:
    with temporary_cluster(base, tools.server_installation(), {"work_mem": "7MB"}) as made:
        with made.database("postgres").connect() as connection:
            assert connection.value("SELECT current_user") == SUPERUSER
            assert connection.value("SHOW work_mem") == "7MB"
        paths = (made.directory, made.sockets, made.directory / "data")
        assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700}
        assert stat.S_IMODE((made.directory / "server.log").stat().st_mode) == 0o600
    assert not clusters(base)
    assert not made.sockets.exists()


def test_two_clusters_stand_side_by_side(base: Path) -> None:
    installation = tools.server_installation()
    with (
        temporary_cluster(base, installation, {}) as one,
        temporary_cluster(base, installation, {}) as two,
    ):
        with one.database("postgres").connect() as connection:
            connection.execute("CREATE DATABASE only_here")
        with two.database("postgres").connect() as connection:
            found = connection.value("SELECT count(*) FROM pg_database WHERE datname = 'only_here'")
        assert found == 0
    assert not clusters(base)


def test_what_a_killed_process_held_is_removed_by_the_watcher(base: Path) -> None:
    process, sockets = held(base)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 60
    while (clusters(base) or sockets.exists()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not clusters(base)
    assert not sockets.exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to find the watcher")
def test_what_a_killed_process_held_is_removed_at_the_next_start(
    base: Path,
) -> None:
    process, _ = held(base)
    (left,) = clusters(base)
    until = time.monotonic() + 10
    while not (watchers := watchers_of(left)) and time.monotonic() < until:
        time.sleep(0.02)
    for pid in watchers:
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    with temporary_cluster(base, tools.server_installation(), {}) as made:
        assert clusters(base) == [made.directory]


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(base: Path) -> None:
    with (
        pytest.raises(ToolError, match="no_such_setting"),
        temporary_cluster(base, tools.server_installation(), {"no_such_setting": "1"}),
    ):
        pass
    assert not clusters(base)
