"""Keep one embedded PostgreSQL server under ``<root>/.runbook/postgres``.

::

    data/          the cluster; made beside it as data.new-*, then renamed
    server.log     what the server says
    users.lock     held shared by every process that uses the server
    start.lock     held while the server is started or stopped
    server.lock    held by the server's own processes; exact where a pid file lies about a zombie,
                   a reused process id or an orphaned backend
    watcher.lock   held by the watcher, which waits for users.lock to be free and stops the server

All are flock(2) locks: they end with their process, however it ends. A forked child shares its
parent's hold on users.lock, so that the server stays while either lives.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from runbook_lib.errors import ConfigError, RunbookError, ToolError
from runbook_lib.postgres import accounts, cluster, process, tools
from runbook_lib.postgres.cluster import SOCKET, clean_environment, is_held, lock, try_lock
from runbook_lib.postgres.process import Account

GRACE_VARIABLE = "RUNBOOK_SANDBOX_GRACE"
SETTINGS = {  # sane for a demo; fsync stays on, a killed server must find its commits again
    "cluster_name": "runbook",
    # Its log lies among the project's files: statements and details of rows stay out of it.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "max_connections": "60",
    "max_wal_size": "1GB",
    "shared_buffers": "128MB",
}

_PATIENCE = 120.0  # seconds before a start or stop of somebody else's counts as hung
_LOG_LIMIT = 10_000_000  # bytes


def stays_free(held: int, grace: float) -> bool:
    """Hold a lock exclusively once it was free for `grace` seconds; False when it was not."""
    deadline = time.monotonic() + grace
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        fcntl.flock(held, fcntl.LOCK_UN)
        time.sleep(min(0.2, left))


class Sandbox:
    """Use the server of one root directory; it starts with its first user, stops after its last."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.base = self.root / ".runbook" / "postgres"
        self.data = self.base / "data"
        self.log = self.base / "server.log"
        self._users: int | None = None

    def use(self) -> Self:
        """Hold the server until `release` or the end of the process, and see that it runs.

        Raises ToolError when it does not start, with the end of its log.
        """
        grace = _grace()
        try:
            self.base.mkdir(parents=True, exist_ok=True)
            if self._users is None:
                self._users = lock(self.base / "users.lock", fcntl.LOCK_SH, _PATIENCE)
            if not self._answers():
                with self._starting():
                    if not self._answers() and not self._settle():
                        self._start()
            self._ensure_watcher(grace)
        except PermissionError as error:
            self.release()
            raise ToolError(
                "The embedded server's directory belongs to another account.",
                path=self.base,
                remedy="Run as that account, or remove the directory.",
            ) from error
        except BaseException:
            self.release()
            raise
        return self

    def release(self) -> None:
        """Give the server up; the watcher stops it when nobody else holds it."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def __enter__(self) -> Self:
        return self.use()

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def socket_dir(self) -> Path:
        """Return the directory of the server's socket; it is the same after a restart.

        Raises ToolError when no server runs.
        """
        if (found := self._published()) is None:
            raise ToolError("The embedded server does not run.", path=self.base)
        return found

    def conninfo(self, dbname: str = "postgres") -> dict[str, str]:
        """Return the connection parameters of one database, in libpq's words."""
        host = str(self.socket_dir)
        return {"host": host, "port": "5432", "user": "postgres", "dbname": dbname}

    def stop(self) -> bool:
        """Stop the server now, whoever uses it, and return whether there was one to stop."""
        if not self.base.is_dir():
            return False
        with self._starting():
            if not self._alive() and not self._answers():
                return False
            self._halt()
            return True

    # --- what the server is doing -----------------------------------------------------------

    def _pid_file(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "postmaster.pid").read_text().splitlines()
        return []

    def _published(self) -> Path | None:
        # The server says where it listens: TMPDIR may differ between the processes that use it.
        lines = self._pid_file()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else None

    def _answers(self) -> bool:
        socket_dir = self._published()
        if socket_dir is None or not (socket_dir / SOCKET).exists():
            return False
        program = self._installation().bindir / "pg_isready"
        argv = tools.ready_argv(program, socket_dir)
        return process.run(argv, env=clean_environment(), check=False, timeout=30).returncode == 0

    def _alive(self) -> bool:
        return is_held(self.base / "server.lock")

    def _deaf(self) -> bool:
        """Tell whether a running server lost its socket, as to a cleaner of /tmp."""
        lines = self._pid_file()
        ready = len(lines) > 7 and lines[7].strip() == "ready"
        return ready and not (Path(lines[4]) / SOCKET).exists()

    def _settle(self) -> bool:
        """Wait until a server that does not answer does (True) or is gone (False)."""
        deadline = time.monotonic() + _PATIENCE
        while self._alive():
            if self._answers():
                return True
            if self._deaf():
                self._halt()
            if time.monotonic() > deadline:
                raise ToolError(
                    "Processes of the embedded server are there but do not answer.",
                    path=self.log,
                    remedy="End the postgres processes of this directory.",
                )
            time.sleep(0.05)
        return False

    # --- starting and stopping, under start.lock ---------------------------------------------

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        held = lock(self.base / "start.lock", fcntl.LOCK_EX, _PATIENCE)
        try:
            yield
        finally:
            os.close(held)

    def _installation(self) -> tools.Installation:
        version = self.data / "PG_VERSION"
        return tools.server_installation(int(version.read_text()) if version.exists() else None)

    def _start(self) -> None:
        bindir = self._installation().bindir
        account = accounts.choose(bindir, self.root, self.base, self.data)
        owner = accounts.owner(account)
        if not (self.data / "PG_VERSION").exists():
            self._initdb(bindir, account)
        accounts.give(self.data, owner)
        # server.lock is free, so whatever this file says is about a server that is gone.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._begin(bindir, account)
        if not self._answers():
            raise ToolError("The embedded server started and does not answer.", path=self.log)

    def _begin(self, bindir: Path, account: Account | None) -> None:
        sockets = cluster.make_socket_directory(self.data, accounts.owner(account))
        held = self.base / "server.lock"
        cluster.Start(bindir, self.data, sockets, self.log, held, account, SETTINGS).start()

    def _initdb(self, bindir: Path, account: Account | None) -> None:
        for leftover in self.base.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.base))
        os.chown(new, *accounts.owner(account))
        argv = tools.initdb_argv(bindir, new)
        process.run(argv, env=clean_environment(), timeout=_PATIENCE, as_account=account)
        try:
            new.rename(self.data)
        except OSError as error:
            raise ToolError(
                "The directory holds files, but no database cluster.",
                path=self.data,
                remedy="Move them away.",
            ) from error

    def _halt(self) -> None:
        bindir = self._installation().bindir
        info = self.data.stat()
        account = (
            accounts.unprivileged()
            if os.geteuid()
            else accounts.account_of(info.st_uid, info.st_gid)
        )
        socket_dir = self._published()
        argv = tools.stop_argv(bindir, self.data, "fast")
        process.run(argv, env=clean_environment(), timeout=_PATIENCE, as_account=account)
        deadline = time.monotonic() + _PATIENCE
        while self._alive() and time.monotonic() < deadline:  # the pid file goes a moment before
            time.sleep(0.005)
        if socket_dir is not None:
            with contextlib.suppress(OSError):
                socket_dir.rmdir()

    # --- the watcher -------------------------------------------------------------------------

    def _ensure_watcher(self, grace: float) -> None:
        held = try_lock(self.base / "watcher.lock", fcntl.LOCK_EX)
        if held is None:
            return
        # The watcher inherits the lock itself, so no moment exists in which two could start.
        words = [
            "-P",
            "-m",
            "runbook_lib.postgres.embedded",
            "watch",
            str(self.root),
            str(held),
            str(grace),
        ]
        path = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        env = {"PYTHONPATH": os.pathsep.join(filter(None, path))}
        try:
            process.spawn([sys.executable, *words], env=env, pass_fds=(held,))
        finally:
            os.close(held)

    def watch(self, held: int, grace: float) -> None:
        """Wait until nobody used the server for `grace` seconds, and stop it.

        `held` is the descriptor of watcher.lock.
        """
        path = self.base / "users.lock"
        users = os.open(path, os.O_RDWR)
        while True:
            fcntl.flock(users, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
            if stays_free(users, grace):
                break
        if path.exists() and path.stat().st_ino == os.fstat(users).st_ino:
            self.stop()
        # In this order: whoever gets users.lock next must find that there is no watcher.
        os.close(held)
        os.close(users)


def stop(root: Path) -> bool:
    """Stop the server of `root` now and return whether there was one to stop."""
    return Sandbox(root).stop()


def _grace() -> float:
    text = os.environ.get(GRACE_VARIABLE, "5")
    try:
        return float(text)
    except ValueError:
        message = f"{GRACE_VARIABLE} is {text!r}, not a number of seconds."
        raise ConfigError(message, remedy="Set it to a number such as 5, or unset it.") from None


def main() -> int:
    """Run ``python -m runbook_lib.postgres.embedded stop <root>``."""
    parser = argparse.ArgumentParser(prog="python -m runbook_lib.postgres.embedded")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("stop", help="stop the embedded server")
    command.add_argument("root", type=Path, nargs="?", default=Path())
    command = commands.add_parser("watch")  # started by `use`, not by people
    command.add_argument("root", type=Path)
    command.add_argument("held", type=int)
    command.add_argument("grace", type=float)
    given = parser.parse_args()
    try:
        if given.command == "watch":
            Sandbox(given.root).watch(given.held, given.grace)
        else:
            print("stopped" if stop(given.root) else "not running")
    except RunbookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
