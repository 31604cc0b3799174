"""Give tests a real server: `server` for the session, `database` (an empty one) for each test."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.postgres import accounts, process, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.memory import shared_directory


def pytest_report_header() -> str:
    try:
        found = tools.server_installation()
    except RunbookError as error:
        return f"PostgreSQL: {error}"
    return f"PostgreSQL: {found.version[0]}.{found.version[1]} ({found.source}, {found.bindir})"


def psql(conninfo: Mapping[str, str], sql: str) -> str:
    """Return what one statement prints; raises ToolError with the server's message."""
    env = {"PGHOST": conninfo["host"], "PGPORT": conninfo["port"], "PGUSER": conninfo["user"]}
    argv = [str(tools.find_program("psql")), "-XtAqw", "-v", "ON_ERROR_STOP=1"]
    argv += ["-d", conninfo["dbname"], "-c", sql]
    return process.run(argv, env=env, timeout=60).stdout.strip()


def stop(sandbox: Sandbox) -> None:
    """Stop the server as a power cut would."""
    info = sandbox.data.stat()
    root = os.geteuid() == 0
    account = accounts.account_of(info.st_uid, info.st_gid) if root else accounts.unprivileged()
    argv = tools.stop_argv(tools.server_installation().bindir, sandbox.data, "immediate")
    process.run(argv, as_account=account, timeout=60)


def hurry(sandbox: Sandbox) -> None:
    """Spare a server what only a power cut would ask for: no test pulls the plug of the machine."""
    with Database(sandbox.conninfo()).connect() as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.rows("SELECT pg_reload_conf()")


@contextmanager
def scratch_database(maintenance: Database, name: str) -> Iterator[Database]:
    """Hold an empty database for the block, and drop it afterwards."""
    maintenance.drop(name)
    maintenance.create(name)
    try:
        yield maintenance.on(name)
    finally:
        maintenance.drop(name)


@contextmanager
def database_on(server: Sandbox) -> Iterator[dict[str, str]]:
    """Hold an empty database with a name of its own; return its connection parameters."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    maintenance = Database(server.conninfo())
    maintenance.create(name)
    try:
        yield server.conninfo(name)
    finally:
        maintenance.drop(name)


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that all share: whatever rehearses below it copies one template."""
    return shared_directory(tmp_path_factory)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run one server for the session; the workers of pytest-xdist share it."""
    with Sandbox(shared_directory(tmp_path_factory)) as sandbox:
        hurry(sandbox)
        yield sandbox


@pytest.fixture
def database(server: Sandbox) -> Iterator[dict[str, str]]:
    """Create an empty database, yield its connection parameters, drop it."""
    with database_on(server) as made:
        yield made
