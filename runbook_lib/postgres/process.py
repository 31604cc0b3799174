"""Run other programs: the only module that starts a process.

An argv is built by a plain function and run by `run`; a test reads the first without a server and
replaces the second. Nothing passes through a shell. A secret travels in the environment, never in
an argv, and never comes back in an error.
"""

import contextlib
import math
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runbook_lib.errors import ConfigError, ToolError
from runbook_lib.redaction import keep_secret, redact

StrPath = str | os.PathLike[str]
Environment = Mapping[str, str | None]
"""Variables merged over the caller's own; None removes one."""

_TAIL_LINES = 5
_PATIENCE = 5.0  # seconds between asking a program to end and killing it
_LOOK = 1.0  # seconds between two calls of who watches a program
_SECRET_IN_ARGV = re.compile(r"\b(ssl)?password\s*=|://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Account:
    """Name who runs a program; in a namespace the ids are only what the program itself sees."""

    uid: int
    gid: int
    namespace: bool = False


NAMESPACE = Account(65534, 65534, namespace=True)


@dataclass(frozen=True, slots=True)
class Completed:
    """Hold what a program did; `seconds` is wall time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Runner(Protocol):
    """Describe `run`, so that a test can hand over a fake."""

    def __call__(
        self,
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
        """Run `argv` to its end."""
        ...


# --- running ------------------------------------------------------------------------------------


def run(
    argv: Sequence[StrPath],
    *,
    env: Environment | None = None,
    check: bool = True,
    timeout: float | None = None,
    as_account: Account | None = None,
    pass_fds: Sequence[int] = (),
    capture: bool = True,
    cwd: Path | None = None,
    watch: Callable[[], object] | None = None,
    reads: str | None = None,
) -> Completed:
    """Run a program to its end and return what it said; `timeout` is in seconds.

    `watch` is called about each second meanwhile; what it raises ends the program. It finds what it
    `reads` on its standard input. Without
    `capture` its output goes to /dev/null: needed where it leaves a server behind, which would
    keep a pipe open. Raises ToolError when it cannot be started, does not finish in time, or
    (with `check`) ends with another status than 0.
    """
    words = tuple(os.fspath(word) for word in argv)
    sink = subprocess.PIPE if capture else subprocess.DEVNULL
    switch = _switched(as_account)
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            _as_argv(words, as_account),
            env=_merged(env),
            stdin=subprocess.DEVNULL if reads is None else subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            encoding="utf-8",
            errors="replace",
            pass_fds=pass_fds,
            cwd="/" if switch else cwd,  # the caller's directory may be closed to the account
            **switch,
        )
    except OSError as error:
        message = f"{redact(words[0])} could not be started: {error.strerror}."
        raise ToolError(message) from error
    with process:
        try:
            out, err = _said(process, timeout, watch, reads)
        except subprocess.TimeoutExpired as error:
            _end(process)
            program = redact(Path(words[0]).name)
            ended = ToolError(f"{program} did not finish within {timeout:g} s and was ended.")
            said = b"".join(part for part in (error.stdout, error.stderr) if part)
            ended.output = redact(said.decode(errors="replace"))
            raise ended from error
        except BaseException:  # an interrupted kernel must not leave pg_dump running
            _end(process)
            raise
    seconds = time.monotonic() - started
    done = Completed(words, process.returncode, out or "", redact(err or ""), seconds)
    if check and done.returncode != 0:
        failed = ToolError(failure(done))
        failed.exit_code = done.returncode
        raise failed
    return done


_spawned: list[subprocess.Popen[bytes]] = []


def spawn(
    argv: Sequence[StrPath],
    *,
    env: Environment | None = None,
    pass_fds: Sequence[int] = (),
    as_account: Account | None = None,
    log: int | None = None,
) -> int:
    """Start a detached process in a session of its own and return its process id.

    What it says goes to the descriptor `log`, without one to /dev/null.
    """
    switch = _switched(as_account)
    said = subprocess.DEVNULL if log is None else log
    # Dropping the Popen object would warn and leave a zombie: keep it, and reap the ended ones.
    _spawned[:] = [process for process in _spawned if process.poll() is None]
    try:
        process = subprocess.Popen(
            _as_argv(tuple(os.fspath(word) for word in argv), as_account),
            env=_merged(env),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            **switch,
            cwd="/",  # a detached process must not keep the caller's directory busy
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        message = f"{redact(os.fspath(argv[0]))} could not be started: {error.strerror}."
        raise ToolError(message) from error
    _spawned.append(process)
    return process.pid


def tail(text: str, lines: int = _TAIL_LINES) -> str:
    """Return the last lines that say something, joined into one."""
    return "; ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def _as_argv(words: tuple[str, ...], account: Account | None) -> list[str]:
    if account is None or not account.namespace:
        return list(words)
    mapped = f"--map-user={account.uid}", f"--map-group={account.gid}"
    return ["unshare", "--user", *mapped, "--", *words]


def _switched(account: Account | None) -> dict[str, Any]:
    """Return what Popen needs to start a program as an account, nothing for the caller's own."""
    if account is None or account.namespace:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def holders(path: Path) -> frozenset[int]:
    """Return the process ids of those that have a file open, this process left out.

    Processes of other accounts can be seen by root alone.
    """
    import psutil  # noqa: PLC0415  most of what runs a program never asks

    found, real = set[int](), str(path.resolve())
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(file.path == real for file in each.open_files()):
                found.add(each.pid)
    return frozenset(found - {os.getpid()})


def _merged(env: Environment | None) -> dict[str, str]:
    for name, value in (env or {}).items():
        if value and "PASSWORD" in name.upper():
            keep_secret(value, f"the variable {name}")
    merged: dict[str, str | None] = {**os.environ, **(env or {})}
    return {name: value for name, value in merged.items() if value is not None}


def _said(
    process: subprocess.Popen[str],
    timeout: float | None,
    watch: Callable[[], object] | None,
    reads: str | None,
) -> tuple[str, str]:
    """Wait for the end of a program and return its output; nothing of it is lost between looks."""
    until = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        look = timeout if watch is None else min(_LOOK, max(until - time.monotonic(), 0))
        try:
            return process.communicate(reads, timeout=look)
        except subprocess.TimeoutExpired:
            if watch is None or time.monotonic() >= until:
                raise
            reads = None  # it is kept, and may not be given twice
            watch()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()  # pg_dump and psql cancel their statement on SIGTERM
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def failure(done: Completed) -> str:
    """Say how a program ended that did not end well, with the last lines of its errors."""
    program = redact(Path(done.argv[0]).name)
    if done.returncode < 0:
        ending = f"was ended by {signal.Signals(-done.returncode).name}"
    else:
        ending = f"ended with exit status {done.returncode}"
    return f"{program} {ending}: {tail(done.stderr) or 'it said nothing'}"


def without_password(dbname: str) -> str:
    """Return the connection string; raises ConfigError where it holds a password."""
    if _SECRET_IN_ARGV.search(dbname):
        raise ConfigError(
            "A connection string with a password must not become a program's argument, where every "
            "account of the machine can read it.",
            remedy="Pass the password as PGPASSWORD or in a password file.",
        )
    return dbname
