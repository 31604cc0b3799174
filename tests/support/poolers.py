"""Start a real PgBouncer before a test's server; tests are skipped where it is not installed."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook_lib.postgres.connection import Database

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/sbin")
needs_pgbouncer = pytest.mark.skipif(not PGBOUNCER, reason="needs PgBouncer (package pgbouncer)")
_SETTINGS = """[databases]
* = host={host} port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
query_wait_timeout = 20
ignore_startup_parameters = extra_float_digits
{more}
"""


@contextmanager
def pooled(
    database: Database, directory: Path, mode: str, *, size: int = 5, more: str = ""
) -> Iterator[Database]:
    """Run PgBouncer before a database and yield the way through it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host = database.parameters["host"]
    ini = directory / f"pgbouncer-{port}.ini"
    ini.write_text(_SETTINGS.format(host=host, port=port, mode=mode, size=size, more=more))
    argv = [str(PGBOUNCER), "-q", str(ini)]
    owner = Path(host).stat().st_uid  # of the socket's directory: the server's account
    if os.geteuid() == 0 and owner == 0:  # in a namespace of its own, as the server is
        argv = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--", *argv]
    elif os.geteuid() == 0:
        for path in (directory, *directory.parents[:-2]):
            path.chmod(path.stat().st_mode | 0o055)
    process = subprocess.Popen(argv, user=owner or None, stderr=subprocess.DEVNULL)
    try:
        through = Database(
            {"host": "127.0.0.1", "port": str(port), "user": "postgres", "dbname": database.dbname}
        )
        _answers(through, process)
        yield through
    finally:
        process.terminate()
        process.wait(10)


def _answers(through: Database, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 10
    while True:
        assert process.poll() is None, "PgBouncer ended"
        with socket.socket() as probe:
            address = through.parameters["host"], int(through.parameters["port"])
            if probe.connect_ex(address) == 0:
                return
        assert time.monotonic() < until, "PgBouncer does not answer"
        time.sleep(0.02)
