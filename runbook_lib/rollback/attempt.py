"""Know each try of a way back: its intent before it, its failure after it, its end after a kill."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runbook_lib.errors import OutcomeUnknownError, RunbookError
from runbook_lib.evidence.journal import SENT, Event, Listener, to_all
from runbook_lib.evidence.run import ROLLBACK, Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection
from runbook_lib.rollback.diagnosis import diagnose_run
from runbook_lib.rollback.in_place import read_stage
from runbook_lib.rollback.restore import as_recorded, exists

REVERT, RESTORE, IN_PLACE, CARRY = "revert", "restore", "in place", "carry forward"
TAKE_BACK = "take back"  # one file, of which a part is in: the run goes on
_BESIDE = (CARRY, TAKE_BACK)  # after these the run is not rolled back
FAILURE = "90_rollback_failed"
"""The record of a way back that failed, or that a kill cut off."""
CARRIED = "90_carry"
"""The record of the rows that were carried."""
_STEP = "rollback: "
_INTENT, _ENDED, _FAILED = "way begun", "way ended", "way failed"


@contextmanager
def attempt(run: Run, way: str, follow: Listener, **intent: object) -> Iterator[Sender]:
    """Hold the block as one try of a way back, and yield what sends its statements.

    ``follow`` is told of each event besides the journal. What is intended is journalled before; a
    failure is recorded as a failed step is, with the number of statements that were sent. The block
    records its success itself, as its last act.
    """
    emit = to_all(run.journal.emit, follow)
    sender = Sender(emit, f"{_STEP}{way}")
    emit(Event(_INTENT, sender.step, {"way": way, **intent}))
    try:
        yield sender
    except OutcomeUnknownError as error:
        emit(Event("unknown", sender.step, {"error": error.message}))  # the next start asks
        error.remedy = "Open 90_rollback again: it asks the server how it ended."
        run.record(False, {"way": way, "error": str(error), "outcome": "unknown"}, FAILURE)
        raise
    except RunbookError as error:
        _fail(run, emit, str(error), error.sqlstate)
        raise
    emit(Event(_ENDED, sender.step, {"way": way}))


def settle(run: Run, connection: Connection) -> None:
    """Record how a try ended whose process was killed, as the server tells it.

    One that still holds the runner's lock is left alone: its process, or its backend, is at work.
    """
    lines = _last_try(run)
    if not lines or ledger.at_work(connection):
        return
    way, step = lines[0]["way"], lines[0]["step"]
    done = _done(run, connection, lines)
    if done is None:
        error = f"The {way} was cut off, and the target is not what it was before the run."
        _fail(run, run.journal.emit, error)
        return
    settled = {"settled": "by the next start"}
    if way == CARRY and not run.directory.read(CARRIED):
        run.directory.write(CARRIED, {"kept_as": lines[0]["kept_as"], **settled})
    elif way not in _BESIDE and not run.passed("rollback"):
        found = {"way": way, **done, **settled}
        run.record(True, {"rollback": found}, ROLLBACK.notebook)
    run.journal.emit(Event(_ENDED, step, {"way": way, **settled}))


def _fail(run: Run, emit: Listener, error: str, sqlstate: str | None = None) -> None:
    """Record that the last try failed, and how many of its statements came to their end."""
    lines = _last_try(run)
    failed = {"way": lines[0]["way"], "error": error, "sqlstate": sqlstate}
    sent = sum(line["event"] == SENT for line in lines)
    emit(Event(_FAILED, lines[0]["step"], failed))
    run.record(False, {**failed, "sent": sent}, FAILURE)


def _last_try(run: Run) -> list[dict[str, Any]]:
    """Return the journal's lines of a way back that was begun and has no end; none else."""
    lines = run.journal.since(_INTENT)
    mine = [line for line in lines if line.get("step") == lines[0]["step"]]
    return [] if any(line["event"] in {_ENDED, _FAILED} for line in mine) else mine


def _done(
    run: Run, connection: Connection, lines: list[dict[str, Any]]
) -> Mapping[str, Any] | None:
    """Return what is recorded of a try that the server says was carried out, None for others."""
    way = lines[0]["way"]
    if way == RESTORE:
        began = next((line for line in lines if line["event"] == "began"), None)
        # The name stands for the old database as soon as the swap is committed.
        if began and exists(connection, began["kept_as"]):
            return {"dbname": run.target.dbname, "kept_as": began["kept_as"]}
        return None
    if way == TAKE_BACK:
        left = ledger.read(connection, lines[0]["file"])
        return None if any(row.failed for row in left) else {}
    if way == REVERT:
        seen = diagnose_run(run, connection)
        return {"migrations": lines[0]["migrations"]} if seen is None or seen.nothing else None
    if way == IN_PLACE:
        backup, send = run.backup(), Sender(run.journal.emit, f"settle: {way}").change
        if backup is None or read_stage(connection) is not None:
            return None
        return None if as_recorded(connection, backup, send) else {}
    # Carried rows are compared by a further try alone.
    return {} if way == CARRY and any(x["event"] == "committed" for x in lines) else None
