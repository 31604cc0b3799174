"""The argv of every program to the letter, and the runner."""

import ast
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import ConfigError, ToolError
from runbook_lib.postgres import process
from runbook_lib.postgres.process import (
    NAMESPACE,
    Account,
    Completed,
    Environment,
    Runner,
    StrPath,
    _spawned,
    run,
    spawn,
)
from runbook_lib.postgres.tools import (
    dump_argv,
    globals_argv,
    initdb_argv,
    list_argv,
    ready_argv,
    restore_argv,
    schema_argv,
    server_argv,
    stop_argv,
)

pytestmark = pytest.mark.account
BIN = Path("/opt/pg/bin")
PACKAGE = Path(process.__file__).parents[1]


# --- argv ---------------------------------------------------------------------------------------


def test_initdb_argv() -> None:
    argv = initdb_argv(BIN, Path("/a b/data"))
    locale = (
        ["--locale=C", "--lc-ctype=UTF-8"] if sys.platform == "darwin" else ["--locale=C.UTF-8"]
    )
    assert argv == [
        "/opt/pg/bin/initdb",
        "--pgdata=/a b/data",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        *locale,
        "--no-sync",
    ]


def test_server_argv_says_where_the_server_listens() -> None:
    assert server_argv(BIN, Path("/a b/data"), Path("/t x"), {"fsync": "on"}) == [
        *("/opt/pg/bin/postgres", "-D", "/a b/data"),
        *("-c", "listen_addresses=", "-c", "port=5432"),
        *("-c", 'unix_socket_directories="/t x"', "-c", "fsync=on"),
    ]


def test_stop_argv() -> None:
    argv = stop_argv(BIN, Path("/d"), "fast")
    assert argv == ["/opt/pg/bin/pg_ctl", "stop", "--pgdata=/d", "--wait", "--mode=fast"]


def test_ready_argv() -> None:
    assert ready_argv(BIN / "pg_isready", Path("/s")) == [
        "/opt/pg/bin/pg_isready",
        "--quiet",
        "--host=/s",
        "--port=5432",
        "--username=postgres",
        "--timeout=5",
    ]


@pytest.mark.parametrize(
    ("options", "middle", "extra"),
    [
        ({"form": "custom", "compress": "9"}, ["--format=custom", "--compress=9"], []),
        (
            {"form": "custom", "compress": "lz4", "jobs": 1, "snapshot": "0003-1B-1"},
            ["--format=custom", "--compress=lz4"],
            ["--snapshot=0003-1B-1"],
        ),
        (
            {"form": "directory", "compress": "zstd:1", "jobs": 4},
            ["--format=directory", "--compress=zstd:1", "--jobs=4"],
            [],
        ),
    ],
)
def test_dump_argv(options: dict[str, Any], middle: list[str], extra: list[str]) -> None:
    conninfo = "host=/s dbname=shop"
    assert dump_argv(BIN / "pg_dump", conninfo, Path("/b/x"), **options) == [
        "/opt/pg/bin/pg_dump",
        *middle,
        "--no-password",
        "--file=/b/x",
        *extra,
        "--dbname=host=/s dbname=shop",
    ]


def test_globals_argv_leaves_passwords_out() -> None:
    argv = globals_argv(BIN / "pg_dumpall", "host=/s dbname=shop", "shop", Path("/b/g.sql"))
    assert argv == [
        "/opt/pg/bin/pg_dumpall",
        "--globals-only",
        "--no-role-passwords",
        "--no-password",
        "--file=/b/g.sql",
        "--database=shop",
        "--dbname=host=/s dbname=shop",
    ]


@pytest.mark.parametrize(("jobs", "extra"), [(None, []), (4, ["--jobs=4"])])
def test_restore_argv_never_cleans(jobs: int | None, extra: list[str]) -> None:
    assert restore_argv(BIN / "pg_restore", "scratch", Path("/b/x.dump"), jobs) == [
        "/opt/pg/bin/pg_restore",
        "--exit-on-error",
        "--no-password",
        *extra,
        "--dbname=scratch",
        "/b/x.dump",
    ]


def test_list_argv() -> None:
    argv = list_argv(BIN / "pg_restore", Path("/b/x"))
    assert argv == ["/opt/pg/bin/pg_restore", "--list", "/b/x"]


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=db password=s3cret",
        "host=db PASSWORD = 's3cret'",
        "host=db sslpassword=s3cret",
        "postgresql://u:s3cret@db/shop",
        "postgresql://u@db/shop?password=s3cret",
    ],
)
@pytest.mark.parametrize(
    "build",
    [
        lambda c: dump_argv(BIN / "pg_dump", c, Path("/x"), form="custom", compress="9"),
        lambda c: globals_argv(BIN / "pg_dumpall", c, "shop", Path("/x")),
        lambda c: schema_argv(BIN / "pg_dump", c, "ledger"),
        lambda c: restore_argv(BIN / "pg_restore", c, Path("/x")),
    ],
    ids=["dump", "globals", "restore", "replace"],
)
def test_a_password_does_not_become_an_argument(
    build: Callable[[str], list[str]], conninfo: str
) -> None:
    with pytest.raises(ConfigError, match="PGPASSWORD") as caught:
        build(conninfo)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "conninfo",
    [
        "shop",
        "postgresql://u@db:5432/shop",
        "host=db passfile=/p",
        "postgresql://u@[::1]:5432/shop",
    ],
)
def test_a_connection_without_a_password_does(conninfo: str) -> None:
    assert f"--dbname={conninfo}" in restore_argv(BIN / "pg_restore", conninfo, Path("/x"))


# --- running ------------------------------------------------------------------------------------


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_run_returns_what_the_program_said() -> None:
    done = run(
        python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert done.argv[0] == sys.executable
    assert 0 < done.seconds < 30


def test_a_failure_names_program_status_and_its_last_words() -> None:
    code = "import sys; sys.exit('\\n'.join(f'line {i}' for i in range(9)))"
    with pytest.raises(ToolError) as caught:
        run(python(code))
    name = Path(sys.executable).name
    assert str(caught.value) == (
        f"{name} ended with exit status 1: line 4; line 5; line 6; line 7; line 8"
    )


def test_a_killed_program_is_named_with_its_signal() -> None:
    with pytest.raises(ToolError, match="was ended by SIGKILL: it said nothing"):
        run(python("import os; os.kill(os.getpid(), 9)"))


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolError, match="/nowhere/pg_dump could not be started: No such file"):
        run(["/nowhere/pg_dump"])


def test_env_is_merged_over_the_callers_and_none_removes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CALLER_A", "CALLER_B", "CALLER_C"):
        monkeypatch.setenv(name, "caller")
    code = "import os; print({k: v for k, v in sorted(os.environ.items()) if 'CALLER_' in k})"
    done = run(python(code), env={"CALLER_B": "given", "CALLER_C": None})
    assert done.stdout.strip() == "{'CALLER_A': 'caller', 'CALLER_B': 'given'}"


def test_a_password_that_the_program_repeats_is_masked() -> None:
    code = "import os, sys; sys.exit('wrong password ' + os.environ['PGPASSWORD'])"
    with pytest.raises(ToolError, match=r"wrong password \*\*\*$") as caught:
        run(python(code), env={"PGPASSWORD": "s3cret"})
    assert "s3cret" not in repr(caught.value)


def test_words_reach_the_program_as_they_are_without_a_shell() -> None:
    words = ["$HOME", "a b", "; exit 9", "*"]
    done = run([*python("import sys; print(sys.argv[1:])"), *words])
    assert done.stdout.strip() == repr(words)


def test_a_program_that_takes_too_long_is_asked_to_end() -> None:
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit()); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"did not finish within 0\.5 s"):
        run(python(code), timeout=0.5)
    assert time.monotonic() - started < 5


def test_a_program_is_watched_and_nothing_it_says_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOOK", 0.05)
    looks = list[float]()
    code = "import time; print('first', flush=True); time.sleep(0.5); print('last')"
    done = run(python(code), watch=lambda: looks.append(time.monotonic()))
    assert done.stdout == "first\nlast\n"
    assert len(looks) >= 3


def test_a_watched_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ToolError, match=r"did not finish within 1\.2 s"):
        run(python("import time; time.sleep(60)"), timeout=1.2, watch=lambda: None)


def test_what_the_watch_raises_ends_the_program(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def watch() -> None:
        if mark.exists() and mark.read_text():
            raise ToolError("Enough was seen.")

    with pytest.raises(ToolError, match="Enough"):
        run(python(code), watch=watch)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_an_interrupt_ends_the_program(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def interrupt() -> None:
        while not mark.exists() or not mark.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(python(code))
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_bytes_that_are_no_utf8_do_not_stop_it() -> None:
    code = "import sys; sys.stdout.buffer.write(b'caf\\xe9')"
    assert run(python(code)).stdout == "caf\ufffd"


def test_spawn_detaches(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        "import os, sys; text = f'{os.getsid(0) == os.getpid()} {os.getcwd()}'; "
        f"open({str(mark)!r}, 'w').write(text); print('not seen')"
    )
    spawn(python(code))
    deadline = time.monotonic() + 10
    while (not mark.exists() or not mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert mark.read_text() == "True /"


def test_spawn_reaps_what_it_spawned_before() -> None:
    first = spawn(["true"])
    _spawned[-1].wait()
    spawn(["true"])
    assert first not in {process.pid for process in _spawned}
    _spawned[-1].wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root can turn into somebody else")
def test_run_as_another_account() -> None:
    done = run(["id", "-u"], as_account=Account(65534, 65534))
    assert done.stdout == "65534\n"
    before = os.getgroups()
    os.setgroups([4242])
    try:
        assert run(["id", "-G"], as_account=Account(65534, 65534)).stdout == "65534\n"
    finally:
        os.setgroups(before)


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are Linux's")
def test_run_in_a_namespace() -> None:
    assert run(["id", "-u"], as_account=NAMESPACE).stdout == "65534\n"


def test_a_fake_runner_fits_the_protocol() -> None:
    """The habit the other tests follow: a fake that fails on an argv it does not expect."""

    def fake(
        argv: Sequence[StrPath],
        *,
        env: Environment | None = None,
        check: bool = True,
        timeout: float | None = None,
        as_account: Account | None = None,
        cwd: Path | None = None,
        watch: Callable[[], object] | None = None,
        reads: str | None = None,
    ) -> Completed:
        assert argv == list_argv(BIN / "pg_restore", Path("/x"))
        return Completed((), 0, "; Archive", "", 0.0)

    runners: list[Runner] = [fake, run]
    assert runners[0](list_argv(BIN / "pg_restore", Path("/x"))).stdout == "; Archive"
    with pytest.raises(AssertionError):
        runners[0](["rm"])


def test_only_shell_starts_processes() -> None:
    guilty = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {"subprocess", "pty", "multiprocessing"} & set(names) and path.name != "process.py":
                guilty.append(path.name)
            if isinstance(node, ast.Attribute) and node.attr in {"system", "popen", "posix_spawn"}:
                guilty.append(path.name)
    assert guilty == []
