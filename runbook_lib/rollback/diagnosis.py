"""Tell what a run left on the target, and what of it has a way back."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from runbook_lib.evidence import touched
from runbook_lib.evidence.run import SERVER_BEFORE, Run
from runbook_lib.evidence.schemas import read_record
from runbook_lib.parser.identifiers import split
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import SQL, Connection, Literal
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.server_wide import ServerState, read_server
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.release.model import Migration
from runbook_lib.rollback import inverse
from runbook_lib.rollback.inverse import Undo


@dataclass(frozen=True)
class Diagnosis:
    """Hold what a run left on the target, as keys of schema snapshots.

    ``marks`` are the addresses and settings that its steps touched. ``made`` was created by them
    and is there; ``changed`` was there before and is another now, or gone; ``stuck`` is the part of
    it that only a restore takes back; ``strangers`` came from somebody else. ``migrations`` are
    those the ledger calls applied; ``down`` are the release's own statements that take them back,
    which are sent first. ``undone`` is what a revert would send where there are none. ``data``
    counts, by name, the rows of created tables and the values of created columns. ``halves`` are
    files of which a part is in.
    """

    before: Snapshot
    now: Snapshot
    marks: Set[str]
    made: frozenset[str]
    changed: tuple[str, ...]
    stuck: tuple[str, ...]
    strangers: tuple[str, ...]
    migrations: tuple[str, ...]
    down: tuple[Statement, ...]
    undone: tuple[Undo, ...]
    data: Mapping[str, int]
    halves: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Tell whether the run left nothing behind."""
        return not (self.made or self.migrations or self.changed or self.undone or self.halves)

    @property
    def revertible(self) -> bool:
        """Tell whether all that was changed can be set back: else it needs a restore.

        What the release's own statements do shows when they are tried.
        """
        return not self.stuck or bool(self.down)


def diagnose(
    connection: Connection, before: Snapshot, marks: Set[str] | None, applied: Sequence[Migration]
) -> Diagnosis:
    """Compare the target with what it was; ``marks`` are what the run's steps touched.

    None stands for all that differs, where nobody else was there. ``applied`` are the run's
    migrations that the ledger calls applied, in order.
    """
    now = snapshot.take_snapshot(connection, settings=True)
    marks = snapshot.touched(before, now) if marks is None else marks
    seen = inverse.compare(before, now, marks)
    moved = inverse.moves(before, now, marks)
    # Under moved names nothing is as it was: what can be set back shows once they are back.
    undone = seen.ways_back()
    stuck = seen.stuck(undone)
    if moved:
        undone = (*moved, *inverse.drops(seen.made, now.objects))
        there = {key for address, key in before.addresses.items() if address in now.addresses}
        stuck = tuple(key for key in stuck if key not in there)
    stuck = (*stuck, *(item.key for item in undone if snapshot.hidden(item.sql)))
    undone = tuple(item for item in undone if not snapshot.hidden(item.sql))
    strangers = {item.key for item in snapshot.difference(before, now)}
    strangers -= {*seen.made, *seen.changed()}
    moved_here = {now.addresses.get(a) for a in before.addresses if a in marks}
    return Diagnosis(
        before=before,
        now=now,
        marks=marks,
        made=seen.made,
        changed=seen.changed(),
        stuck=stuck,
        strangers=tuple(sorted(key for key in strangers if key not in moved_here)),
        migrations=tuple(item.name for item in applied),
        down=tuple(statement for item in reversed(applied) for statement in item.down),
        undone=undone,
        data=count_data(connection, seen.made, now),
    )


def count_data(connection: Connection, made: Set[str], now: Snapshot) -> dict[str, int]:
    """Count the rows of created tables, and the values of created columns that somebody wrote.

    Those that a volatile default wrote, such as an identity, cannot be told apart and count, too.
    """
    found = dict[str, int]()
    elsewhere = {split(key)[1] for key in {*made, *now.objects} if key.startswith("foreign table ")}
    tables = [table for table in inverse.tables(made) if table not in elsewhere]
    if tables:
        count = SQL("(SELECT count(*) FROM {})")
        counts = SQL(", ").join(count.format(SQL(table)) for table in tables)
        found |= zip(tables, connection.value(SQL("SELECT ARRAY[{}]").format(counts)), strict=True)
    for table, column in inverse.columns(made, now.objects):
        if table in elsewhere:  # its rows are another server's
            continue
        wanted = {"table": table, "column": column}
        (known,) = connection.rows(load("column_default"), wanted)
        if not known["generated"]:
            # Partitions have columns of their own; a type prints its values in one way alone.
            count = SQL("SELECT count(*) FROM ONLY {} WHERE {}::text IS DISTINCT FROM {}::{}::text")
            missing, kind = Literal(known["missing"]), SQL(known["type"])
            written = count.format(SQL(table), SQL(column), missing, kind)
            found[f"{table}.{column}"] = connection.value(written)
    return {name: count for name, count in found.items() if count}


def diagnose_run(run: Run, connection: Connection) -> Diagnosis | None:
    """Compare the target with what it was before the first step; None before any step."""
    kept = touched.stretches(run)
    if not kept:
        return None
    rows = ledger.read(connection)
    mine, own = run.journal.begun() & ledger.applied(rows), run.journal.own_rows()
    now = snapshot.take_snapshot(connection, settings=True)
    seen = diagnose(
        connection,
        kept[0].before.revealed(now),
        touched.marks_of(kept, now),
        [run.release.migration(step.name) for step in run.plan.steps if step.name in mine],
    )
    return replace(seen, halves=tuple(row.name for row in rows if row.failed and row.id in own))


def left_on_server(run: Run, connection: Connection) -> tuple[tuple[str, str], ...]:
    """Return what belongs to the whole server and is another since the first step.

    Each with the statement that would set it back; no way back sends one.
    """
    before = read_record(run.directory, SERVER_BEFORE, ServerState)
    return tuple(before.changes(read_server(connection))) if before else ()
