"""Start notebook kernels quickly: fork them from a process that has the imports already.

A kernel that starts from nothing spends a second and more on importing; over a release of fifteen
notebooks that is most of the time. The fork server is a child of the kernel that runs the release,
talks to it over a socket pair, and ends with it, its kernels too, however it ends. Forking is for
Linux, where the libraries survive it; elsewhere papermill starts its kernels as it always does.
"""

import asyncio
import gc
import itertools
import json
import math
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from runbook_lib.errors import RunbookError
from runbook_lib.postgres import process
from runbook_lib.release.reader import read_checks, read_release

_MESSAGE_BYTES = 1 << 20


class _ForkServer:
    """Ask the fork server of this process for kernels; it is started with the first."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        descriptor = theirs.fileno()
        argv = [sys.executable, "-P", "-m", "runbook_lib.notebook.kernels", str(descriptor)]
        process.spawn(argv, pass_fds=(descriptor,))
        theirs.close()
        self._socket = ours

    def read(self, release: Path) -> None:
        """Let the server read a release, which its kernels then need not."""
        self._socket.sendall(json.dumps({"release": str(release)}).encode() + b"\n")

    def fork(self, connection_file: str, env: dict[str, str], cwd: str) -> int:
        """Return the process id of a new kernel."""
        request = {"connection_file": connection_file, "env": env, "cwd": cwd}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._socket.recv(_MESSAGE_BYTES)
        if not answer:
            message = "the fork server ended"
            raise OSError(message)
        return int(answer)


_server: _ForkServer | None = None
_numbers = itertools.count(1)


def _fork_server() -> _ForkServer:
    global _server  # noqa: PLW0603  one per process, as long as the process lives
    if _server is None:
        _server = _ForkServer()
    return _server


class _Forked:
    """Stand for a kernel's process, which is the fork server's child and not ours."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self) -> int:
        return 0  # jupyter_client calls it once poll says that the process is gone

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _ForkProvisioner(LocalProvisioner):
    """Launch a kernel by asking the fork server instead of starting a program."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Launch the kernel; ``cmd`` holds the connection file behind ``-f``."""
        connection_file = cmd[cmd.index("-f") + 1]
        env = kwargs.get("env") or dict(os.environ)
        cwd = str(kwargs.get("cwd") or os.getcwd())  # noqa: PTH109
        self.pid = self.pgid = _fork_server().fork(connection_file, env, cwd)
        self.process = _Forked(self.pid)  # type: ignore[assignment]
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel, and look for its end at once: jupyter_client looks once in 0.1 s."""
        await super().kill(restart=restart)
        for _ in range(20):
            if await self.poll() is not None:
                return
            await asyncio.sleep(0.005)


@cache
def _sockets() -> TemporaryDirectory[str]:
    """Return the directory of this process's kernels, of mode 0700 and gone with the process.

    Its path is short: that of a socket has a hundred characters at most.
    """
    return TemporaryDirectory(prefix="runbook-kernels-", dir="/tmp")


class _Client(AsyncKernelClient):
    """Talk to a forked kernel, and know without waiting when all that it said was heard."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers, ``timeout`` s at most; raises RuntimeError otherwise.

        jupyter_client's own waits until nothing was said for 0.2 s. "idle" is the last that a
        kernel says of a request (Messaging in Jupyter, Kernel status).
        """
        bound = time.monotonic() + (timeout or math.inf)
        while time.monotonic() < bound:
            with suppress(Empty):
                asked = self.kernel_info()
                await self.get_shell_msg(timeout=1)
                await self._until_idle(asked)
                return
            if not await self.is_alive():
                break
        message = f"The kernel did not answer within {timeout} s, or it died."
        raise RuntimeError(message)

    async def _until_idle(self, asked: str) -> None:
        """Hear what is said of a request; raises Empty where we were not yet listening."""
        idle = {"execution_state": "idle"}
        while True:
            said = await self.get_iopub_msg(timeout=0.2)
            if said["parent_header"].get("msg_id") == asked and said["content"] == idle:
                return


class SocketKernelManager(AsyncKernelManager):
    """Talk to a kernel through sockets of files: anybody here could read a TCP port's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.transport = "ipc"
        self.ip = f"{_sockets().name}/{next(_numbers)}"


class ForkKernelManager(SocketKernelManager):
    """Manage a kernel that is forked; the rest is jupyter_client's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_class = f"{__name__}.{_Client.__name__}"

    async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:
        if self.provisioner is None:
            provisioner: KernelProvisionerBase = _ForkProvisioner(
                kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self
            )
            self.provisioner = provisioner
        return await super()._async_pre_start_kernel(**kw)

    pre_start_kernel = _async_pre_start_kernel  # type: ignore[assignment]


def prepare(release: Path) -> None:
    """Start the fork server, where forking works: it imports and reads while this process plans.

    The kernels that are forked from it know the release's files as they are now; one that was
    edited since is read anew.
    """
    if sys.platform == "linux":
        _fork_server().read(release)


def manager_options() -> dict[str, str]:
    """Return what papermill needs to be told to start kernels the quick way, where it works."""
    if sys.platform != "linux":
        return {}
    manager = f"{__name__}.{ForkKernelManager.__name__}"
    # What a kernel held is on the server or on disk by then: it need not say good-bye for 0.4 s.
    return {"kernel_manager_class": manager, "shutdown_kernel": "immediate"}


def _serve(descriptor: int) -> None:
    """Fork a kernel for each request until the other side is gone."""
    # ipykernel reads this when it is imported: a kernel ends when this process does.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # as a kernel says it to its debugger
    _preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps ended children itself
    requests = socket.socket(fileno=descriptor)
    with requests, requests.makefile() as lines:
        for line in lines:
            request = json.loads(line)
            if "release" in request:
                _read(Path(request["release"]))
                continue
            pid = os.fork()
            if pid == 0:
                requests.close()
                _become_kernel(request, str(os.getppid()))
            requests.sendall(str(pid).encode())


def _preload() -> None:
    """Import what kernels and notebooks import, and do what is slow for the first time alone.

    ipykernel imports its debugger when a kernel starts, though nobody is there to debug: 0.15 s.
    """
    import ipykernel.debugger  # noqa: PLC0415
    import ipykernel.kernelapp  # noqa: F401, PLC0415
    import matplotlib_inline.backend_inline  # noqa: F401, PLC0415

    import runbook_lib  # noqa: PLC0415
    from runbook_lib.config.environments import Environment  # noqa: PLC0415
    from runbook_lib.config.setting import adapter  # noqa: PLC0415
    from runbook_lib.evidence.schemas import RECORDS  # noqa: PLC0415
    from runbook_lib.notebook.show import Table  # noqa: PLC0415
    from runbook_lib.postgres.tools import installations  # noqa: PLC0415

    for name in runbook_lib.__all__:
        getattr(runbook_lib, name)
    for kind in (Environment, *RECORDS.values()):
        adapter(kind)
    Table("", [{"status": ""}])._repr_html_()  # pandas loads what it needs
    with suppress(RunbookError):
        installations()  # each is asked for its version


def _read(release: Path) -> None:
    from runbook_lib.checks.prechecks import QUERIES  # noqa: PLC0415  loaded in this process

    # What is wrong with it each kernel finds by itself, and says.
    with suppress(RunbookError):
        read_release(release)
        read_checks(QUERIES)
    gc.freeze()  # a collection in a kernel would copy every page it looks at


def _become_kernel(request: dict[str, Any], parent: str) -> None:
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415

    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(request["env"], JPY_PARENT_PID=parent)
        os.chdir(request["cwd"])
        IPKernelApp.launch_instance(argv=["-f", request["connection_file"]])
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
