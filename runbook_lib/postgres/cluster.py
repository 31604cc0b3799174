"""Make PostgreSQL clusters that are thrown away, and start and stop any of ours.

::

    template-17.10-postgres/  made by initdb, once for each version and account; copied
    cluster-XXXX/             one cluster: mode 0700, of the server's account
        owner.lock            held by the process that uses it
        server.lock           held by the server's own processes
        data/, server.log     the cluster
        sockets               where its socket lies
    claim.lock                held while a directory is claimed or swept away

All are flock(2) locks: they end with their process, however it ends. What is left of a process
that was killed goes at the next start, and at once by the watcher that each cluster has.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError, ToolError
from runbook_lib.postgres import accounts, process, tools
from runbook_lib.postgres.confinement import confine
from runbook_lib.postgres.process import Account

if TYPE_CHECKING:
    from runbook_lib.postgres.connection import Database

SOCKET = ".s.PGSQL.5432"
SUPERUSER = "runbook_rehearsal"
"""The bootstrap superuser of a cluster that is thrown away: no role of a target has this name."""

_SOCKETS = "sockets"
_SUN_PATH = 103  # bytes of a socket's path: 107 on Linux, 103 on macOS
_EVENT_TRIGGERS = 17  # the first major version in which they can be off
_IN_PLACE = 15  # the first major version whose tablespaces may lie in the data directory
_PATIENCE = 120.0  # seconds before a start or stop of somebody else's counts as hung
_QUICK = 2.0  # seconds in which a server ends that is told to; then its processes are killed
_POLL = 0.005  # seconds
_STATUS = 7  # the line of postmaster.pid, counted from 0, that tells whether it is ready
_SETTINGS = {  # what is on it is thrown away: nothing has to survive a power cut
    "fsync": "off",
    "autovacuum": "off",
    "cluster_name": "runbook rehearsal",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "shared_preload_libraries": "",  # nobody's background workers
    "restart_after_crash": "off",
}


# --- locks --------------------------------------------------------------------------------------


def try_lock(path: Path, kind: int) -> int | None:
    """Return a descriptor that holds the lock, or None where somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def lock(path: Path, kind: int, patience: float) -> int:
    """Return a descriptor that holds the lock; raises ToolError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (held := try_lock(path, kind)) is None:
        if time.monotonic() >= deadline:
            raise ToolError(
                f"The lock was held by another process for {patience:g} s.",
                path=path,
                remedy="Look for a start or stop that hangs.",
            )
        time.sleep(0.02)
    return held


def is_held(path: Path) -> bool:
    """Tell whether somebody holds a lock."""
    if not path.exists():
        return False
    if (probe := try_lock(path, fcntl.LOCK_EX)) is None:
        return True
    os.close(probe)
    return False


# --- starting -----------------------------------------------------------------------------------


def clean_environment() -> dict[str, str | None]:
    """Return an environment in which the caller's own PG* variables and locale do not count."""
    gone: dict[str, str | None] = {name: None for name in os.environ if name.startswith("PG")}
    return gone | {"LC_ALL": "C" if sys.platform == "darwin" else "C.UTF-8"}


def socket_directory(data: Path, owner: int) -> Path:
    """Return where a cluster's socket lies: a short path that is its own."""
    # The inode tells this cluster from a removed one whose server has not noticed yet.
    key = f"{data}\0{data.stat().st_ino}\0{owner}"
    name = f"runbook-{hashlib.sha256(os.fsencode(key)).hexdigest()[:12]}"
    path = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(path / SOCKET)) > _SUN_PATH or set(str(path)) & set(',"'):
        path = Path("/tmp", name)  # noqa: S108 - private by its mode
    return path


def make_socket_directory(data: Path, owner: tuple[int, int]) -> Path:
    """Make the short, private directory of the socket; trust authentication relies on it."""
    path = socket_directory(data, owner[0])
    accounts.make_private(path, owner)
    for stale in path.glob(f"{SOCKET}*"):
        stale.unlink()
    return path


@dataclass(frozen=True)
class Start:
    """Hold what a start of a server needs; ``prefix`` is put before the command, to confine it."""

    bindir: Path
    data: Path
    sockets: Path
    log: Path
    server_lock: Path
    account: Account | None
    settings: Mapping[str, str]
    prefix: Sequence[str] = ()

    def start(self) -> None:
        """Start the server, where the caller has seen that none runs, and wait until it is ready.

        Raises ToolError with the end of its log.
        """
        touch_private(self.log, accounts.owner(self.account))
        before = self.log.stat().st_size
        self._spawn()
        until = time.monotonic() + _PATIENCE
        while not self._ready():
            # It keeps the lock for as long as one of its processes lives.
            if not is_held(self.server_lock) or time.monotonic() > until:
                shutil.rmtree(self.sockets, ignore_errors=True)
                said = self.log.read_bytes()[before:].decode(errors="replace")
                message = f"The server did not start: {process.tail(said) or 'it logged nothing'}"
                raise ToolError(message, path=self.log)
            time.sleep(_POLL)

    def _spawn(self) -> None:
        argv = tools.server_argv(self.bindir, self.data, self.sockets, self.settings)
        held = lock(self.server_lock, fcntl.LOCK_EX, 0)
        said = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        try:
            process.spawn(
                [*self.prefix, *argv],
                env=clean_environment(),
                pass_fds=(held,),
                as_account=self.account,
                log=said,
            )
        finally:
            os.close(said)
            os.close(held)

    def _ready(self) -> bool:
        """Tell whether the server says so in its file, which holds a line for each thing told."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > _STATUS and lines[_STATUS].strip() == "ready"
        return False


def touch_private(path: Path, owner: tuple[int, int]) -> None:
    """See that a file is there that its owner alone may read."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.fchown(opened, *owner)
        os.fchmod(opened, 0o600)
    finally:
        os.close(opened)


# --- clusters that are thrown away --------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """Name a running cluster of our own: its directory, programs, sockets and account.

    ``reaches`` says what outside of its directory it could reach, empty for nothing.
    """

    directory: Path
    installation: tools.Installation
    sockets: Path
    account: Account | None
    reaches: str

    @property
    def major(self) -> int:
        """Return the major version of its PostgreSQL."""
        return self.installation.version[0]

    @property
    def superuser(self) -> str:
        """Return the role that makes everything; no role of a target has its name."""
        return SUPERUSER

    @property
    def password(self) -> str:
        """Return the empty password: its socket is private, and trusts."""
        return ""

    def database(self, dbname: str, user: str = "") -> "Database":
        """Return a database of it for one of its roles, its superuser where none is named."""
        from runbook_lib.postgres.connection import Database  # noqa: PLC0415  no watcher needs it

        host = {"host": str(self.sockets), "port": "5432"}
        own = {"user": user} if user else {"user": SUPERUSER, **without_event_triggers(self.major)}
        return Database({**host, **own, "dbname": dbname})

    def location(self, number: int) -> str:
        """Return where its tablespace of this number lies, empty for in the data directory."""
        if self.major >= _IN_PLACE:
            return ""
        path = self.directory / f"tablespace_{number}"
        accounts.make_private(path, accounts.owner(self.account))
        return str(path)

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Write settings into the server's file, which takes a list as it is written.

        A session has them when the file was read again; a value that is refused is passed over.
        """
        lines = [f"{name} = '{_escaped(value)}'\n" for name, value in settings.items()]
        with (self.directory / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(lines)


def without_event_triggers(major: int) -> dict[str, str]:
    """Return what keeps a session from running anybody's event trigger, one at login included.

    Older versions have none at login, and no setting for it.
    """
    return {"options": "-c event_triggers=off"} if major >= _EVENT_TRIGGERS else {}


@contextlib.contextmanager
def temporary_cluster(
    base: Path, installation: tools.Installation, settings: Mapping[str, str]
) -> Iterator[Cluster]:
    """Run a cluster below ``base`` for the block, and leave nothing of it on the disk.

    Raises ToolError where it does not start.
    """
    with claimed(base) as directory:
        yield _started(base, directory, installation, {**_SETTINGS, **settings})


@contextlib.contextmanager
def claimed(base: Path) -> Iterator[Path]:
    """Hold a directory below ``base`` for the block; nothing of it is left, however that ends."""
    base = _opened(base)
    sweep(base)
    directory, held = _claim(base)
    try:
        yield directory
    finally:
        try:
            remove(directory)
        finally:
            os.close(held)


def sweep(base: Path) -> None:
    """Remove the clusters whose process is gone."""
    with _claiming(base):
        for directory in base.glob("cluster-*"):
            if (held := try_lock(directory / "owner.lock", fcntl.LOCK_EX)) is not None:
                remove(directory)
                os.close(held)


def remove(directory: Path) -> None:
    """Stop the server of a directory, whatever it does, and remove the directory.

    Raises ToolError where processes of it do not end.
    """
    _end_server(directory)
    data = directory / "data"
    if data.exists():
        shutil.rmtree(_sockets_of(directory), ignore_errors=True)
    until = time.monotonic() + _PATIENCE
    while directory.exists() and time.monotonic() < until:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(_POLL)  # a program that outlived its caller, such as cp, may still make files
    if directory.exists():
        shutil.rmtree(directory)


def _end_server(directory: Path) -> None:
    """End the processes of a server, known by the lock that each was born with.

    What its files say of them may be written by what it ran, and counts from 1 in a namespace.
    """
    held, begin = directory / "server.lock", time.monotonic()
    while is_held(held):
        lasts = time.monotonic() - begin
        if lasts > _PATIENCE:
            message = "Processes of a rehearsal's server do not end."
            raise ToolError(message, path=directory, remedy="End them, and remove the directory.")
        for pid in process.holders(held):
            with contextlib.suppress(ProcessLookupError):
                # An immediate shutdown gives its memory back.
                os.kill(pid, signal.SIGQUIT if lasts < _QUICK else signal.SIGKILL)
        time.sleep(_POLL * 4)


def _sockets_of(directory: Path) -> Path:
    """Return where a cluster's socket lies: TMPDIR may be another one now.

    The server's account may write to its directory: no other name is believed.
    """
    data = directory / "data"
    here = socket_directory(data, data.stat().st_uid)
    with contextlib.suppress(OSError):
        told = (directory / _SOCKETS).readlink()
        return told if told.name == here.name else here
    return here


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")


def _opened(base: Path) -> Path:
    """Make the directory that holds them; a path without links is what mount(8) knows."""
    base.mkdir(parents=True, exist_ok=True)
    base.chmod(0o711)  # the server's account has to pass
    return base.resolve()


@contextlib.contextmanager
def _claiming(base: Path) -> Iterator[None]:
    held = lock(base / "claim.lock", fcntl.LOCK_EX, _PATIENCE)
    try:
        yield
    finally:
        os.close(held)


def _claim(base: Path) -> tuple[Path, int]:
    """Make a directory and hold it, so that nobody takes it for one that was left.

    Its watcher is there before it, and waits for the same claim: no kill falls between.
    """
    with _claiming(base):
        directory = base / f"cluster-{secrets.token_hex(4)}"
        spawn_watcher("runbook_lib.postgres.cluster", str(directory))
        directory.mkdir(mode=0o700)
        return directory, lock(directory / "owner.lock", fcntl.LOCK_EX, 0)


def _started(
    base: Path, directory: Path, installation: tools.Installation, settings: Mapping[str, str]
) -> Cluster:
    bindir, data = installation.bindir, directory / "data"
    account = accounts.choose(bindir, base.resolve().parents[1], base, data)
    owner = accounts.owner(account)
    os.chown(directory, *owner)
    template = _template(base, directory, installation, account)
    argv = ["cp", "-Rp", str(template), str(data)]
    process.run(argv, timeout=_PATIENCE, as_account=account)
    log, server = directory / "server.log", directory / "server.lock"
    (directory / _SOCKETS).symlink_to(socket_directory(data, owner[0]))
    sockets = make_socket_directory(data, owner)
    held = confine(bindir, account, directory, sockets)
    Start(bindir, data, sockets, log, server, account, settings, held.prefix).start()
    return Cluster(directory, installation, sockets, account, held.reaches)


def _template(
    base: Path, directory: Path, installation: tools.Installation, account: Account | None
) -> Path:
    """Return a cluster to copy, made by initdb where there is none yet."""
    uid, _ = accounts.owner(account)
    version = ".".join(map(str, installation.version))
    template = base / f"template-{version}-{uid}"
    if not (template / "PG_VERSION").exists():
        new = directory / "template"
        argv = tools.initdb_argv(installation.bindir, new, SUPERUSER)
        process.run(argv, env=clean_environment(), timeout=_PATIENCE, as_account=account)
        with _claiming(base):
            if not template.exists():
                new.rename(template)
    return template


def spawn_watcher(module: str, *words: str) -> None:
    """Start a module that waits for the end of this process, and cleans up after it."""
    path = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    env = {"PYTHONPATH": os.pathsep.join(filter(None, path))}
    process.spawn([sys.executable, "-P", "-m", module, *words], env=env)


def _remove_when_left(directory: Path) -> None:
    """Wait until the process that uses a cluster is gone, and remove what it left."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        with _claiming(directory.parent):
            opened = os.open(directory / "owner.lock", flags, 0o600)
    except FileNotFoundError:  # it is gone, or was never made
        return
    fcntl.flock(opened, fcntl.LOCK_EX)
    if directory.exists():
        remove(directory)
    os.close(opened)


def main() -> int:
    """Watch one cluster: ``python -m runbook_lib.postgres.cluster DIRECTORY``, not for people."""
    parser = argparse.ArgumentParser(prog="python -m runbook_lib.postgres.cluster")
    parser.add_argument("directory", type=Path)
    try:
        _remove_when_left(parser.parse_args().directory)
    except RunbookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
