"""Roll a release back in a process that a test may kill, hold or cut off at any statement.

Faults are injected from here alone: the process's own connections, and the runner of pg_restore,
strike right before or after what the fault names.
"""

import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from runbook_lib.config.policies import Policy
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import process
from runbook_lib.postgres.connection import Connection, Database, Query, text_of
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.release.model import Migration
from runbook_lib.rollback.carry_forward import carry
from runbook_lib.rollback.diagnosis import diagnose
from runbook_lib.rollback.in_place import restore_in_place
from runbook_lib.rollback.restore import Restorer
from runbook_lib.rollback.revert import revert

T = TypeVar("T")
REVERT, RESTORE, IN_PLACE = "revert", "restore", "in place"  # the ways back
CARRY = "carry"  # the rows of the database that a restore kept
HELD, GO = "held", "go"  # files in the directory of the orders
COMMIT, PG_RESTORE, HALF = "COMMIT", "pg_restore", "half of pg_restore"
_PATIENCE = 60.0  # seconds that a held process waits for its test


@dataclass(frozen=True)
class Strike:
    """Name what happens when: ``at`` is how a statement begins, COMMIT, PG_RESTORE or HALF.

    The process kills itself, or with ``hold`` waits until the test lets it go.
    """

    at: str
    after: bool = False
    hold: bool = False


@dataclass(frozen=True)
class Undo:
    """Hold what the process is told: passed as a file."""

    directory: Path
    database: dict[str, str]
    policy: Policy
    before: Snapshot
    marks: frozenset[str]
    applied: tuple[Migration, ...]
    accepted: dict[str, int]
    backup: Backup
    major: int
    way: str = REVERT
    strike: Strike | None = None
    kept: str = ""
    struck: list[str] = field(default_factory=list)

    def meet(self, what: str, after: bool, pid: int) -> None:
        """Strike if this is the moment; once."""
        strike = self.strike
        if strike is None or self.struck or strike.after != after:
            return
        if not what.startswith(strike.at):
            return
        self.struck.append(what)
        if not strike.hold:
            os.kill(os.getpid(), signal.SIGKILL)
        self.directory.joinpath(f"{HELD}.new").write_text(str(pid))
        self.directory.joinpath(f"{HELD}.new").replace(self.directory / HELD)
        until = time.monotonic() + _PATIENCE
        while not (self.directory / GO).exists():
            if time.monotonic() > until:
                raise TimeoutError("The test never let the process go on.")
            time.sleep(0.01)


def _listen(undo: Undo) -> None:
    """Make the connections of this process strike."""
    execute, transaction = Connection.execute, Connection.transaction

    def faulty_execute(self: Connection, sql: Query, parameters: Any = None) -> int:
        undo.meet(text_of(sql), False, self.pid)
        done = execute(self, sql, parameters)
        undo.meet(text_of(sql), True, self.pid)
        return done

    @contextmanager
    def faulty_transaction(self: Connection) -> Iterator[None]:
        wrote, outermost = False, not self.in_transaction()
        with transaction(self):
            yield
            # Snapshots are read in transactions of their own, which write nothing.
            wrote = outermost and self.value("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            if wrote:
                undo.meet(COMMIT, False, self.pid)
        if wrote:
            undo.meet(COMMIT, True, self.pid)

    Connection.execute = faulty_execute  # type: ignore[method-assign]
    Connection.transaction = faulty_transaction  # type: ignore[method-assign]


def _runner(undo: Undo) -> Callable[..., Any]:
    """Return what runs pg_restore; in two halves where the strike is between them."""

    def run(argv: list[str], **more: Any) -> Any:
        if undo.strike and undo.strike.at == HALF:
            process.run([*argv[:1], "--section=pre-data", *argv[1:]], **more)
            undo.meet(HALF, False, 0)
            argv = [*argv[:1], "--section=data", "--section=post-data", *argv[1:]]
        done = process.run(argv, **more)
        undo.meet(PG_RESTORE, True, 0)
        return done

    return run


def undo_release(undo: Undo) -> list[str]:
    """Go back as the runbook does; return the drops, or the name under which the old is kept."""
    database, policy = Database(undo.database), undo.policy
    sender = Sender(Journal(undo.directory / "rollback.jsonl").emit, undo.way)
    if undo.way == CARRY:
        return [item.table for item in carry(database, undo.kept, undo.backup, sender)]
    restorer = Restorer(database, undo.major, undo.backup, policy, sender, _runner(undo))
    if undo.way == RESTORE:
        return [restorer.beside().kept_as]
    if undo.way == IN_PLACE:
        restore_in_place(restorer, undo.before, undo.accepted)
        return []
    with database.connect() as connection:
        seen = diagnose(connection, undo.before, undo.marks, undo.applied)
    return [item.sql for item in revert(database, policy, seen, seen.data, sender)]


def main(told: str) -> int:
    """Carry out what a file says; the last line of the output is JSON."""
    undo: Undo = pickle.loads(Path(told).read_bytes())
    _listen(undo)
    try:
        done = undo_release(undo)
    except RunbookError as error:
        print(json.dumps({"error": type(error).__name__, "said": str(error), "done": []}))
        return 1
    print(json.dumps({"error": "", "said": "", "done": done}))
    return 0
