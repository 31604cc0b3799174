"""A superuser of a rehearsal's server reaches nothing outside; on another server the same does."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.postgres import tools
from runbook_lib.postgres.cluster import temporary_cluster
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.memory import MakeDirectory

DBLINK = "CREATE EXTENSION dblink"
NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "true"]


def confining() -> bool:
    """Tell whether this machine lets an account make namespaces."""
    unshare = shutil.which("unshare") if sys.platform == "linux" else None
    return unshare is not None and subprocess.run(NAMESPACES, check=False).returncode == 0


confined = pytest.mark.skipif(not confining(), reason="nobody may make namespaces here")


@dataclass(frozen=True)
class Outside:
    """What lies outside of a server: a directory that all may write to, and two listeners."""

    directory: Path
    network: socket.socket
    local: socket.socket

    @property
    def acts(self) -> dict[str, str]:
        """Return what a superuser may do with each, by name."""
        host, port = self.network.getsockname()
        dblink = "SELECT dblink_connect('host={} port={} dbname=x connect_timeout=2')"
        return {
            "writes": f"COPY (SELECT 1) TO '{self.directory}/written'",
            "reads": f"SELECT pg_read_file('{self.directory}/secret')",
            "runs": f"COPY (SELECT 1) TO PROGRAM 'touch {self.directory}/ran'",
            "network": dblink.format(host, port),
            "socket": dblink.format(self.directory, port),
        }

    def reached(self) -> set[str]:
        """Return which of the acts can be seen from here."""
        files = {"writes": "written", "runs": "ran"}
        found = {act for act, name in files.items() if (self.directory / name).exists()}
        listeners = {"network": self.network, "socket": self.local}
        return found | {act for act, listener in listeners.items() if heard(listener)}


def heard(listener: socket.socket) -> bool:
    """Tell whether somebody connected."""
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def outside(in_memory: MakeDirectory) -> Iterator[Outside]:
    directory = in_memory("outside")
    directory.chmod(0o777)
    (directory / "secret").write_text("everybody may read it\n")
    with socket.socket() as network, socket.socket(socket.AF_UNIX) as local:
        network.bind(("127.0.0.1", 0))
        path = directory / f".s.PGSQL.{network.getsockname()[1]}"
        local.bind(str(path))
        path.chmod(0o777)
        network.listen()
        local.listen()
        yield Outside(directory, network, local)


def done(connection: Connection, outside: Outside) -> set[str]:
    """Try all acts as a superuser; return those that the server took for done."""
    connection.execute(DBLINK)
    taken = set()
    for act, sql in outside.acts.items():
        # A listener here never answers; what else is done ends by itself, late on a busy machine.
        connection.execute(f"SET statement_timeout = '{'1s' if 'dblink' in sql else '60s'}'")
        with suppress(StatementError):
            connection.execute(sql)
            taken.add(act)
    return taken


@confined
def test_nothing_outside_is_reached_or_seems_to_be(base: Path, outside: Outside) -> None:
    with temporary_cluster(base, tools.server_installation(), {}) as made:
        assert made.reaches == ""
        with made.database("postgres").connect() as connection:
            assert done(connection, outside) == set()
    assert outside.reached() == set()


@confined
def test_it_sees_no_process_but_its_own(base: Path) -> None:
    with temporary_cluster(base, tools.server_installation(), {}) as made:
        assert made.reaches == ""
        with made.database("postgres").connect() as connection:
            processes = "SELECT name FROM pg_ls_dir('/proc') AS name WHERE name ~ '^[0-9]+$'"
            seen = {int(row["name"]) for row in connection.rows(processes)}
            assert connection.pid in seen or not seen
            titles = "SELECT pg_read_binary_file(format('/proc/%s/cmdline', {})) LIKE '%postgres%'"
            assert all(connection.value(titles.format(pid)) for pid in seen)


def test_the_same_reaches_all_of_it_from_a_server_that_nothing_confines(
    server: Sandbox, outside: Outside
) -> None:
    maintenance = Database(server.conninfo())
    maintenance.create("reaching")
    try:
        with maintenance.on("reaching").connect() as connection:
            assert done(connection, outside) == {"writes", "reads", "runs"}
        assert outside.reached() == set(outside.acts) - {"reads"}
    finally:
        maintenance.drop("reaching")
