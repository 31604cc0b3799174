"""Name where a migration stands, whatever was killed: from the ledger, the catalog, the journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.evidence.directory import Journal
from runbook_lib.evidence.records import Outcome
from runbook_lib.parser.statement import Migration, Step
from runbook_lib.parser.transactions import units
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load


@dataclass(frozen=True)
class Position:
    """Hold where a file stands: ``committed`` of its ``transactions``, as the ledger counts them.

    ``line`` is that of the statement that was under way when the last try ended, 0 where none was.
    ``invalid`` are indexes that a build left behind, ``building`` those that the server still
    builds, each with the pid.
    """

    step: str
    applied: bool
    committed: int
    transactions: int
    line: int
    invalid: tuple[str, ...]
    building: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        if self.applied:
            return f"{self.step} is applied"
        if self.committed:
            said = f"{self.committed} of {self.transactions} transactions of {self.step} are in"
        else:
            said = f"nothing of {self.step} is in"
        if self.line:
            said += f"; it was stopped at line {self.line}"
        said += "".join(f"; pid {pid} still builds {name}" for name, pid in self.building)
        if self.invalid:
            said += f"; invalid and to be rebuilt: {', '.join(self.invalid)}"
        return said


def read_position(
    connection: Connection, step: Step, migration: Migration, journal: Journal
) -> Position:
    """Return where a file of the plan stands on the server."""
    rows = ledger.read(connection)
    begun = next((row for row in rows if row.name == step.name and row.failed), None)
    made = [item for item in migration.creates if item.kind == "index"]
    wanted = {"names": [f"{item.schema}.{item.name}" for item in made]}
    unfinished = connection.rows(load("indexes_unfinished"), wanted)
    return Position(
        step=step.name,
        applied=step.name in ledger.applied(rows),
        committed=begun.applied_steps if begun else 0,
        transactions=len(units(migration.statements, step.split)),
        line=_under_way(line for line in journal.lines() if line.get("step") == step.name),
        invalid=tuple(row["name"] for row in unfinished if row["builder"] is None),
        building=tuple((row["name"], row["builder"]) for row in unfinished if row["builder"]),
    )


def _under_way(lines: Iterable[Mapping[str, Any]]) -> int:
    """Return the line of the last statement that was sent and has no end in the journal."""
    under_way: dict[int, int] = {}
    for line in lines:
        if line["event"] in {"began", "retried"}:
            under_way = {}
        elif line["event"] == "started":
            under_way[line["number"]] = int(line["line"])
        elif line["event"] == "ended" and line["outcome"] != Outcome.UNKNOWN:
            under_way.pop(line["number"], None)
    return min(under_way.values(), default=0)
