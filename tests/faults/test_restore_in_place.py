"""A restore in place that is cut off inside pg_restore loses nothing, and never has company."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.postgres.embedded import Sandbox
from tests.support.faults.bench import wait_for
from tests.support.faults.shop import ASIDE, NEW, OLD, Shop, stands
from tests.support.faults.undoer import IN_PLACE
from tests.support.servers import stop


@dataclass
class Gate:
    """Hold pg_restore where it asks for a table's rows: all is aside, nothing is dropped."""

    file: Path
    rows: bytes
    pipe: int = -1

    def reached(self) -> None:
        """Return when pg_restore stands there."""

        def opened() -> bool:
            with suppress(OSError):  # nobody reads from it yet
                self.pipe = os.open(self.file, os.O_WRONLY | os.O_NONBLOCK)
            return self.pipe >= 0

        wait_for(opened, "pg_restore asks for rows")

    def open(self) -> None:
        """Let it go on, and the next one pass."""
        with suppress(BrokenPipeError):  # pg_restore is gone
            os.write(self.pipe, self.rows)
        os.close(self.pipe)
        self.file.unlink()
        self.file.write_bytes(self.rows)


@pytest.fixture
def gate(shop: Shop) -> Gate:
    """Put a gate into the backup's archive."""
    file = next(iter(shop.undo.backup.archive.glob("[0-9]*.dat*")))
    made = Gate(file, file.read_bytes())
    file.unlink()
    os.mkfifo(file)
    return made


RESTORES = "application_name = 'migration runbook, pg_restore'"
HOLDS = "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND objid = 72707369)"


def sessions(shop: Shop, condition: str) -> list[int]:
    """Return the pids of the target's sessions that meet a condition."""
    with shop.database.maintenance().connect() as connection:
        sql = f"SELECT pid FROM pg_stat_activity a WHERE datname = %(name)s AND {condition}"
        return [row["pid"] for row in connection.rows(sql, {"name": shop.database.dbname})]


def terminate(shop: Shop, condition: str) -> None:
    (pid,) = sessions(shop, condition)
    with shop.database.maintenance().connect() as connection:
        assert connection.value(f"SELECT pg_terminate_backend({pid}, 10000)")


def test_a_pg_restore_that_outlived_its_runner_is_waited_for(shop: Shop, gate: Gate) -> None:
    process = shop.start(IN_PLACE)
    gate.reached()
    process.kill()
    process.communicate()
    (orphan,) = sessions(shop, RESTORES)
    error, said = shop.end(shop.start(IN_PLACE, locks={"runner_wait": 0.3}))
    assert error == "GateError"
    assert f"pid {orphan}, postgres, migration runbook, pg_restore" in said
    second = shop.start(IN_PLACE)
    wait_for(lambda: sessions(shop, HOLDS), "the second has the lock")
    assert sessions(shop, RESTORES) == [orphan]
    gate.open()
    assert shop.end(second) == ("", "")
    stands(shop, OLD)


def test_a_pg_restore_whose_session_is_ended_is_taken_back(shop: Shop, gate: Gate) -> None:
    process = shop.start(IN_PLACE)
    gate.reached()
    terminate(shop, RESTORES)
    gate.open()
    assert shop.end(process)[0] == "ToolError"
    stands(shop, NEW)
    shop.completes(IN_PLACE)


def test_a_runner_that_lost_its_lock_ends_its_pg_restore(shop: Shop, gate: Gate) -> None:
    process = shop.start(IN_PLACE)
    gate.reached()
    terminate(shop, HOLDS)
    assert shop.end(process)[0] == "TargetError"
    gate.open()
    stands(shop, ASIDE)
    shop.completes(IN_PLACE)


def test_a_server_that_dies_inside_pg_restore_keeps_what_is_aside(
    shop: Shop, gate: Gate, own_server: Sandbox
) -> None:
    process = shop.start(IN_PLACE)
    gate.reached()
    stop(own_server)
    own_server.use()
    gate.open()
    assert shop.end(process)[0] in {"TargetError", "ToolError"}  # whoever sees it first
    stands(shop, ASIDE)
    shop.completes(IN_PLACE)
