"""Take one file back of which a part is in; the run stays open, and applies it anew."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from runbook_lib.errors import GateError
from runbook_lib.evidence import touched
from runbook_lib.evidence.halves import Half
from runbook_lib.evidence.journal import TOOK
from runbook_lib.evidence.run import Run
from runbook_lib.parser.identifiers import unquoted
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import Connection
from runbook_lib.rollback import inverse
from runbook_lib.rollback.attempt import TAKE_BACK
from runbook_lib.rollback.choice import Option
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose

_CALLS = ("call", "do")
_ROLL_BACK = "Roll the whole run back: 90_rollback.ipynb."


def read_half(run: Run, connection: Connection, step: str) -> tuple[Diagnosis, Option]:
    """Return what this run left of one file, and what taking that back would lose and leave.

    What the file did to rows of tables that it did not make stays: a revert has no old values.
    Raises GateError where no part of it is in, or where nothing was kept of right before it.
    """
    own = run.journal.own_rows()
    found = (row for row in ledger.read(connection, step) if row.failed and row.id in own)
    row = next(found, None)
    if row is None:
        message = f"No part of {step or 'a file'} is in by this run: nothing was taken back."
        raise GateError(message, remedy="Open the run that began it.")
    kept = [item for item in touched.stretches(run) if item.first == step]
    if not kept:
        message = f"{step} was applied together with files before it, in one go."
        raise GateError(message, remedy=_ROLL_BACK)
    now = snapshot.take_snapshot(connection, settings=True)
    marks = touched.marks_of(kept, now)
    seen = replace(diagnose(connection, kept[0].before.revealed(now), marks, ()), halves=(step,))
    lines = own[row.id]
    refused = _unknown(Half.of(lines), row.applied_steps)
    if not seen.revertible:
        refused = f"no statement takes back {', '.join(seen.stuck[:3])}"
    stays = _taken(lines, row.applied_steps, seen)
    return seen, Option(TAKE_BACK, refused, "", seen.data, stays)


def _unknown(half: Half, committed: int) -> str:
    """Name what may have done to rows what nobody counted, empty where nothing may."""
    alone = (
        item
        for part in half.parts[: committed + 1]
        if not part.in_block
        for item in part.statements
    )
    calls = [x for x in alone if x.fingerprint in half.alone and x.label.startswith(_CALLS)]
    return f"what '{calls[0].label}' did to rows is not known" if calls else ""


def _taken(lines: Iterable[Mapping[str, Any]], committed: int, seen: Diagnosis) -> dict[str, int]:
    """Return by table how many rows the file inserted, deleted and changed, but in its own."""
    last: dict[tuple[int, str], int] = {}
    for line in lines:
        for item in line["rows"] if line["event"] == TOOK else ():
            rows = item["inserted"] + item["deleted"] + item["updated"]
            last[item["transaction"], item["table"]] = rows
    own = {".".join(unquoted(table)) for table in inverse.tables(seen.made)}
    found: dict[str, int] = {}
    for (transaction, table), rows in last.items():
        if transaction <= committed and table not in own:
            found[table] = found.get(table, 0) + rows
    return found
