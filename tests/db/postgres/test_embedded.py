"""The embedded server, with real processes that are really killed."""

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_lib.errors import ConfigError, ToolError
from runbook_lib.postgres import cluster, embedded, process
from runbook_lib.postgres.embedded import Sandbox
from tests.support.servers import psql

pytestmark = pytest.mark.account
REPO = Path(__file__).resolve().parents[3]
AS_ROOT = os.geteuid() == 0

# A user in a process of its own: says where the server is, then holds it until stdin ends.
USER = """
import sys
from pathlib import Path
from runbook_lib.postgres.embedded import Sandbox
held = Sandbox(Path(sys.argv[1])).use()
print(held.socket_dir, flush=True)
sys.stdin.read()
"""


def environment(grace: float = 0.1) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "RUNBOOK_SANDBOX_GRACE": str(grace)}


def start_user(root: Path, grace: float = 0.1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(root)],
        env=environment(grace),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def said(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def end(user: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(user.pid, signal.SIGKILL)
    user.communicate()


def eventually(condition: Callable[[], bool], seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def postmaster(box: Sandbox) -> int:
    return int((box.data / "postmaster.pid").read_text().split()[0])


def stopped(box: Sandbox) -> bool:
    return not box._alive()  # not by its process id: a zombie keeps that until it is reaped


def watched(base: Path) -> bool:
    held = cluster.try_lock(base / "watcher.lock", fcntl.LOCK_EX)
    if held is not None:
        os.close(held)
    return held is None


def clear(box: Sandbox) -> None:
    box.stop()
    assert eventually(lambda: not watched(box.base))


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_SANDBOX_GRACE", "0.1")


@contextlib.contextmanager
def made_root() -> Iterator[Path]:
    """Make a root with a space in it that every account can reach; remove it with its server."""
    path = Path(tempfile.mkdtemp(prefix="runbook test "))
    path.chmod(0o755)
    yield path
    if (path / ".runbook").exists():
        clear(Sandbox(path))
    shutil.rmtree(path)


@pytest.fixture
def root() -> Iterator[Path]:
    with made_root() as path:
        yield path


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Make one cluster for the tests that are not about making it, to save their time."""
    with made_root() as path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RUNBOOK_SANDBOX_GRACE", "0.1")
            box = Sandbox(path).use()
            psql(box.conninfo(), "ALTER SYSTEM SET fsync = off")  # processes die here, not machines
            box.stop()
            box.release()
        yield path


@pytest.fixture
def box(home: Path) -> Iterator[Sandbox]:
    """Yield a sandbox whose cluster is made and whose server and watcher do not run."""
    clear(Sandbox(home))
    box = Sandbox(home)
    yield box
    box.release()
    clear(box)


def test_a_cold_start_makes_a_cluster_and_answers(root: Path) -> None:
    with Sandbox(root) as box:
        assert psql(box.conninfo(), "SELECT 1") == "1"
        assert psql(box.conninfo(), "SHOW listen_addresses") == ""
        assert psql(box.conninfo(), "SHOW fsync") == "on"
        assert psql(box.conninfo(), "SHOW max_connections") == "60"
        assert psql(box.conninfo(), "SHOW server_encoding") == "UTF8"
        mode = box.socket_dir.stat().st_mode
        assert stat.S_IMODE(mode) == 0o700
        assert len(os.fsencode(box.socket_dir / ".s.PGSQL.5432")) <= 103


def test_a_warm_start_joins_the_running_server(box: Sandbox) -> None:
    first = postmaster(box.use())
    with Sandbox(box.root) as second:
        assert postmaster(second) == first
        assert second.conninfo("x") == {**box.conninfo(), "dbname": "x"}


def test_a_restart_keeps_the_data_and_the_address(box: Sandbox) -> None:
    box.use()
    address = box.conninfo()
    psql(address, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert box.stop()
    box.use()
    assert box.conninfo() == address
    assert psql(address, "SELECT answer FROM kept") == "42"


def test_variables_of_the_caller_do_not_reach_the_server(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for name, value in {"PGPORT": "1", "PGSERVICE": "none", "PGDATESTYLE": "none"}.items():
            patch.setenv(name, value)
        patch.setenv("LC_ALL", "xx_XX.UTF-8")
        box.use()
    assert psql(box.conninfo(), "SHOW port") == "5432"


def test_four_processes_start_one_server(root: Path) -> None:
    users = [start_user(root) for _ in range(4)]
    try:
        addresses = {said(user) for user in users}
        assert len(addresses) == 1
        assert addresses != {""}
        started = Sandbox(root).log.read_text().count("starting PostgreSQL")
        assert started == 1
    finally:
        for user in users:
            end(user)


def test_two_processes_use_it_and_the_first_to_leave_does_not_stop_it(box: Sandbox) -> None:
    one, two = start_user(box.root, 0.1), start_user(box.root, 0.1)
    try:
        assert said(one) == said(two)
        end(one)
        time.sleep(0.6)
        assert not stopped(box)
    finally:
        end(one)
        end(two)
    assert eventually(lambda: stopped(box))


def test_the_server_stops_after_its_owner_was_killed_with_its_group(box: Sandbox) -> None:
    user = start_user(box.root, 0.5)
    address = Path(said(user))
    killed = time.monotonic()
    end(user)
    assert eventually(lambda: stopped(box))
    assert time.monotonic() - killed > 0.45
    assert eventually(lambda: not address.exists())
    assert "received fast shutdown request" in box.log.read_text()
    assert eventually(lambda: not watched(box.base))


def test_a_user_within_the_grace_keeps_the_server(box: Sandbox) -> None:
    user = start_user(box.root, 0.5)
    said(user)
    pid = postmaster(box)
    end(user)
    time.sleep(0.2)
    box.use()
    time.sleep(0.6)
    assert postmaster(box) == pid
    assert psql(box.conninfo(), "SELECT 1") == "1"


def test_a_user_who_comes_while_the_server_stops_gets_a_new_one(box: Sandbox) -> None:
    for delay in (0.10, 0.12, 0.15):  # around the 0.1 s that the watcher was told
        box.use()
        box.release()
        time.sleep(delay)
        assert psql(box.use().conninfo(), "SELECT 1") == "1"
        time.sleep(0.3)  # a watcher that was about to end has ended
        assert watched(box.base)


def test_a_forked_child_keeps_the_server(box: Sandbox) -> None:
    code = USER.replace(
        "sys.stdin.read()", "import os, time\nif os.fork() == 0: time.sleep(0.9)\nos._exit(0)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(box.root)],
        env=environment(0.1),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    time.sleep(0.5)
    assert not stopped(box)
    assert eventually(lambda: stopped(box))


def test_a_killed_server_is_started_again_with_its_commits(box: Sandbox) -> None:
    box.use()
    psql(box.conninfo(), "CREATE TABLE committed AS SELECT 42 AS answer")
    socket = box.socket_dir / ".s.PGSQL.5432"
    os.kill(postmaster(box), signal.SIGKILL)
    assert socket.exists()  # stale, as is postmaster.pid
    assert psql(box.use().conninfo(), "SELECT answer FROM committed") == "42"
    assert "database system was not properly shut down" in box.log.read_text()


def of_the_servers_account(box: Sandbox, *argv: str) -> subprocess.Popen[bytes]:
    """Start a process that PostgreSQL could take for its own: it skips those of others."""
    return subprocess.Popen(argv, user=box.data.stat().st_uid if AS_ROOT else None)


def test_files_of_a_dead_server_that_name_a_living_process_are_no_obstacle(box: Sandbox) -> None:
    """What a container finds after a restart: the process id belongs to somebody else by now."""
    box.use()
    pid_file, socket_dir = box.data / "postmaster.pid", box.socket_dir
    lines = pid_file.read_text().splitlines()
    box.stop()
    other = of_the_servers_account(box, "sleep", "60")
    try:
        pid_file.write_text("\n".join([str(other.pid), *lines[1:], ""]))
        socket_dir.mkdir(mode=0o700)
        (socket_dir / ".s.PGSQL.5432").touch()
        (socket_dir / ".s.PGSQL.5432.lock").write_text(pid_file.read_text())
        assert psql(box.use().conninfo(), "SELECT 1") == "1"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_zombie_postmaster_does_not_count_as_running(box: Sandbox) -> None:
    box.use()
    pid_file = box.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    box.stop()
    zombie = of_the_servers_account(box, "true")  # ended, and not reaped until the end of this test
    pid_file.write_text("\n".join([str(zombie.pid), *lines[1:], ""]))
    assert psql(box.use().conninfo(), "SELECT 1") == "1"
    zombie.wait()


def test_a_socket_directory_that_a_cleaner_removed_comes_back(box: Sandbox) -> None:
    address = box.use().conninfo()
    shutil.rmtree(box.socket_dir)
    assert box.use().conninfo() == address
    assert psql(address, "SELECT 1") == "1"


def test_a_link_in_place_of_the_socket_directory_is_not_followed(box: Sandbox) -> None:
    path = cluster.make_socket_directory(box.root, (os.geteuid(), os.getegid()))
    path.rmdir()
    target = box.root / "target"
    target.mkdir(mode=0o755)
    path.symlink_to(target)
    try:
        with pytest.raises(ToolError, match="belongs to another account"):
            cluster.make_socket_directory(box.root, (os.geteuid(), os.getegid()))
        assert stat.S_IMODE(target.stat().st_mode) == 0o755
    finally:
        path.unlink()
        target.rmdir()


@pytest.mark.skipif(not AS_ROOT, reason="needs root: only root can give a directory away")
def test_a_socket_directory_of_somebody_else_is_refused(box: Sandbox) -> None:
    path = cluster.make_socket_directory(box.root, (0, 0))
    os.chown(path, 54321, 54321)
    try:
        with pytest.raises(ToolError, match="belongs to another account"):
            cluster.make_socket_directory(box.root, (0, 0))
    finally:
        path.rmdir()


def test_a_long_temporary_directory_is_not_used_for_the_socket(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = box.root / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert psql(box.use().conninfo(), "SELECT 1") == "1"
    assert box.socket_dir.parent == Path("/tmp")


def test_an_initdb_killed_half_way_is_done_again(root: Path) -> None:
    box = Sandbox(root)
    user = start_user(root)
    assert eventually(lambda: any(box.base.glob("data.new-*/global")))
    end(user)
    assert not box.data.exists()
    with box:
        assert psql(box.conninfo(), "SELECT 1") == "1"
        assert not list(box.base.glob("data.new-*"))


def test_a_directory_with_other_files_is_left_alone(root: Path) -> None:
    box = Sandbox(root)
    box.data.mkdir(parents=True)
    (box.data / "thesis.txt").write_text("mine")
    with pytest.raises(ToolError, match="Move them away"):
        box.use()
    assert (box.data / "thesis.txt").read_text() == "mine"


def test_a_server_that_does_not_start_says_why(box: Sandbox) -> None:
    broken = box.data / "postgresql.auto.conf"
    text = broken.read_text()
    broken.write_text("no_such_setting = 1\n")
    try:
        with pytest.raises(ToolError, match="no_such_setting") as caught:
            box.use()
    finally:
        broken.write_text(text)
    assert caught.value.path == str(box.log)


def test_a_cluster_of_another_version_is_named(box: Sandbox) -> None:
    version = box.data / "PG_VERSION"
    text = version.read_text()
    version.write_text("9\n")
    try:
        with pytest.raises(ToolError, match="A PostgreSQL 9 server"):
            box.use()
    finally:
        version.write_text(text)


def test_a_killed_watcher_is_started_again_by_the_next_user(box: Sandbox) -> None:
    box.use()
    watcher = process._spawned[-1]
    watcher.kill()
    watcher.wait()
    assert not watched(box.base)
    with Sandbox(box.root):
        assert watched(box.base)
    box.release()
    assert eventually(lambda: stopped(box))


def test_the_stop_command_says_what_it_did(box: Sandbox) -> None:
    def stop() -> str:
        argv = [sys.executable, "-m", "runbook_lib.postgres.embedded", "stop", str(box.root)]
        return process.run(argv, env=environment()).stdout

    box.use()
    assert stop() == "stopped\n"
    assert eventually(lambda: stopped(box))
    assert stop() == "not running\n"
    empty = box.root / "empty"
    empty.mkdir()
    assert not embedded.stop(empty)
    assert not list(empty.iterdir())


def test_a_watcher_of_a_removed_directory_leaves_the_new_server_alone(root: Path) -> None:
    box = Sandbox(root)
    user = start_user(root, 0.1)
    address = Path(said(user))
    old = postmaster(box)
    time.sleep(0.5)  # the watcher is waiting by now; too early would only prove less
    box.base.rename(root / "removed")
    try:
        box.use()
        assert box.socket_dir != address
        end(user)
        time.sleep(0.6)
        assert not stopped(box)
        assert psql(box.conninfo(), "SELECT 1") == "1"
    finally:
        box.release()
        end(user)
        os.kill(old, signal.SIGINT)
        assert eventually(lambda: not (address / ".s.PGSQL.5432").exists())
        address.rmdir()


def test_a_start_that_hangs_is_named(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PATIENCE", 0.1)
    with box._starting(), pytest.raises(ToolError, match=r"held by another process for 0\.1 s"):
        box.use()


def test_a_grace_that_is_no_number_is_refused(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_SANDBOX_GRACE", "5s")
    with pytest.raises(ConfigError, match="'5s'"):
        box.use()


def test_no_lock_reaches_the_server_but_its_own(box: Sandbox) -> None:
    box.use()
    links = Path(f"/proc/{postmaster(box)}/fd")
    if not links.is_dir():
        pytest.skip("no /proc on this system to read a process's files from")
    held = {path.readlink().name for path in links.iterdir()}
    assert {name for name in held if name.endswith(".lock")} == {"server.lock"}


def test_two_threads_use_it(box: Sandbox) -> None:
    answers: list[str] = []

    def use() -> None:
        with Sandbox(box.root) as own:
            answers.append(psql(own.conninfo(), "SELECT 1"))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["1", "1"]


@pytest.mark.skipif(not AS_ROOT, reason="needs root: an account is switched only by root")
def test_root_runs_it_as_another_account_where_that_can_reach(root: Path) -> None:
    with Sandbox(root) as box:
        assert box.data.stat().st_uid != 0
        assert psql(box.conninfo(), "SELECT 1") == "1"


@pytest.mark.skipif(not AS_ROOT, reason="needs root: others cannot start as root")
def test_root_runs_it_in_a_namespace_below_a_closed_directory(root: Path) -> None:
    closed = root / "closed"
    closed.mkdir(mode=0o700)
    with Sandbox(closed) as box:
        assert box.data.stat().st_uid == 0
        assert psql(box.conninfo(), "SELECT 1") == "1"
        assert box.stop()
    embedded.stop(closed)


@pytest.mark.skipif(not AS_ROOT, reason="needs root: only root can turn into somebody else")
@pytest.mark.parametrize("uid", [65534, 54321], ids=["nobody", "an account without a name"])
def test_an_ordinary_user_runs_it(root: Path, uid: int) -> None:
    os.chown(root, uid, uid)
    account = process.Account(uid, uid)
    env = {**environment(), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(root)}
    env["PYTHONPATH"] += os.pathsep + sysconfig.get_path("purelib")
    import_it = [
        "-c",
        "import importlib.util as u, sys, runbook_lib.postgres.embedded; "
        "import runbook_lib.postgres.tools as s; "
        "sys.exit(not (sys.version_info >= (3, 11) and u.find_spec(s.WHEEL)))",
    ]
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(ToolError):
            process.run([python, *import_it], env=env, as_account=account)
            break
    else:
        pytest.skip(f"no Python that uid {uid} can run has the package and the wheel")
    code = USER.replace("sys.stdin.read()", "print(held.stop())")
    done = process.run([python, "-c", code, root], env=env, as_account=account, timeout=60)
    assert done.stdout.endswith("\nTrue\n")
    assert (root / ".runbook/postgres/data").stat().st_uid == uid


@pytest.mark.skipif(not AS_ROOT, reason="needs root: only root can turn into somebody else")
def test_a_directory_of_another_account_is_named(box: Sandbox) -> None:
    box.use()
    box.release()
    box.base.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(ToolError, match="belongs to another account"):
            box.use()
    finally:
        os.seteuid(0)
        box.base.chmod(0o755)


def test_the_fixture_gives_an_empty_database(database: dict[str, str], server: Sandbox) -> None:
    assert psql(database, "SELECT count(*) FROM pg_stat_user_tables") == "0"
    assert database["host"] == str(server.socket_dir)
