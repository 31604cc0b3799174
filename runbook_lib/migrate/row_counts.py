"""Count before each COMMIT which rows of older tables its transaction deletes and changes.

The server counts them while it works (pg_stat_xact_user_tables), whatever statement, trigger,
function or cascade does it. TRUNCATE, a rewrite and DROP are seen by the file of the rows, which is
another then, by the columns, or by the table that is gone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from runbook_lib.errors import GateError
from runbook_lib.evidence.records import Loss, Taken
from runbook_lib.postgres.connection import SQL, Connection, Identifier, Row
from runbook_lib.postgres.queries import load
from runbook_lib.release.model import Acceptance

LARGE_OBJECTS = "large objects"
_TAKEN_AT_ONCE = 15  # the first that hands over its counts when it is asked to
_DELETES = ("deletes-rows", "drops-table", "deletes-large-objects")
_CHANGES = ("changes-rows", "loses-values")
_RENEWS = (*_DELETES, *_CHANGES, "drops-column")


class Older(NamedTuple):
    """Name a table as it was before the release, and the ``whole`` that it was a partition of."""

    name: str
    whole: str


def older_tables(connection: Connection) -> dict[int, Older]:
    """Return the tables that hold rows, by oid."""
    rows = connection.rows(load("older_names"))
    return {row["oid"]: Older(row["name"], row["whole"]) for row in rows}


class RowCounter:
    """Count what transactions do to tables, and ``tell`` it before each COMMIT.

    ``tables`` are those that were there before the release, by oid.
    """

    def __init__(
        self, tables: Mapping[int, Older], tell: Callable[[Sequence[Taken]], object]
    ) -> None:
        self._tables = tables
        self._tell = tell
        self._shapes: dict[int, str | None] = {}

    def begin(self, runner: Connection, connection: Connection, step: str, number: int) -> None:
        """Take note of what is there before a transaction of a step, which ``connection`` begins.

        What its last transaction did would be counted with this one until the server has taken it.
        """
        if connection.server_major >= _TAKEN_AT_ONCE:
            connection.rows("SELECT pg_catalog.pg_stat_force_next_flush()")
        self._shapes = {row["oid"]: row["shape"] for row in self._rows(runner)}

    def committing(self, connection: Connection, step: str, number: int) -> None:
        """Count in the transaction that is about to end; what was deferred has been done."""
        found = []
        for row in self._rows(connection):
            counts = row["inserted"], row["deleted"], row["updated"]
            renewed = row["shape"] != self._shapes.get(row["oid"])
            if any(counts) or renewed:
                found.append(Taken(step, number, *self._tables[row["oid"]], *counts, renewed))
        self._tell(found)

    def _rows(self, connection: Connection) -> list[Row]:
        return connection.rows(load("transaction_counts"), {"tables": list(self._tables)})


@dataclass(frozen=True)
class Rehearsed:
    """Hold what a rehearsal saw taken and lost, in the order it was, and what is accepted.

    ``rows`` are those that each table had in it before the release.
    """

    rows: Mapping[str, int]
    taken: Sequence[Taken]
    losses: Sequence[Loss]
    accepts: Sequence[Acceptance]

    def taken_in(self, now: Taken) -> Taken:
        """Return what the same transaction did to the same table, nothing where it did nothing."""
        for item in self.taken:
            if (item.step, item.transaction, item.table) == (now.step, now.transaction, now.table):
                return item
        return replace(now, inserted=0, deleted=0, updated=0, renewed=False)

    def of(self, whole: str, rules: Iterable[str]) -> list[Loss]:
        """Return what a table lost, by these rules."""
        return [item for item in self.losses if item.table == whole and item.rule in rules]

    def uncounted(self, whole: str) -> list[Loss]:
        """Return what a table lost without the server's counting rows that did it."""
        mine = [item for item in self.taken if item.whole == whole]
        counted = {
            "deletes-rows": sum(item.deleted for item in mine),
            "changes-rows": sum(item.updated for item in mine),
        }
        return [item for item in self.of(whole, _RENEWS) if counted.get(item.rule, 0) < item.count]

    def most(self, now: Taken, rules: Iterable[str], seen: int) -> int:
        """Return how many rows may be taken of a table: as many as were seen, or are accepted."""
        objects = {now.table, now.whole, *(item.object for item in self.of(now.whole, rules))}
        accepted = (
            item.at_most or 0
            for item in self.accepts
            if any(item.covers(rule, now.step, name) for rule in rules for name in objects)
        )
        return max(seen, *accepted, 0)

    def rows_before(self, now: Taken) -> int:
        """Return how many rows a table had in the rehearsal before a transaction."""
        rows = self.rows.get(now.table, 0)
        for item in self.taken:
            if (item.step, item.transaction) == (now.step, now.transaction):
                break
            rows += item.inserted - item.deleted if item.table == now.table else 0
        return rows


class HeldCounter(RowCounter):
    """Refuse a COMMIT that takes more than the rehearsal saw and than is accepted.

    Rows that are dropped, truncated or written anew leave no count: such tables are counted before
    the transaction, and their growth since the rehearsal is taken for lost with them.
    """

    def __init__(self, tables: Mapping[int, Older], rehearsed: Rehearsed) -> None:
        super().__init__(tables, self._hold)
        self._rehearsed = rehearsed

    def begin(self, runner: Connection, connection: Connection, step: str, number: int) -> None:
        """Count what the transaction is going to drop, empty or write anew; raises GateError."""
        super().begin(runner, connection, step, number)
        for item in self._rehearsed.taken:
            if (item.step, item.transaction) == (step, number) and item.renewed:
                self._hold_growth(runner, item)

    def _hold_growth(self, runner: Connection, item: Taken) -> None:
        lost = self._rehearsed.uncounted(item.whole)
        if not lost:
            return
        grown = max(self._count(runner, item.table) - self._rehearsed.rows_before(item), 0)
        for loss in lost:
            seen, now = loss.count, loss.count + grown
            if now > self._rehearsed.most(item, (loss.rule,), seen):
                raise _exceeded(item, f"would take {now:,} rows or values", loss.rule, seen, now)

    def _count(self, runner: Connection, table: str) -> int:
        oids = [oid for oid, older in self._tables.items() if older.name == table]
        parts = [
            SQL("(SELECT count(*) FROM ONLY {})").format(Identifier(row["schema"], row["name"]))
            for row in runner.rows(_NAMES, {"oids": oids})
        ]
        total: int = runner.value(SQL("SELECT {}").format(SQL(" + ").join([SQL("0"), *parts])))
        return total

    def _hold(self, found: Sequence[Taken]) -> None:
        for now in found:
            seen = self._rehearsed.taken_in(now)
            if now.renewed and not seen.renewed:
                message = f"{now.step} drops, empties or rewrites {now.table}, as never rehearsed."
                remedy = "Its transaction is rolled back. Rehearse it on a backup of today."
                raise GateError(message, remedy=remedy)
            self._hold_rows(now, "deletes", _DELETES, now.deleted, seen.deleted)
            self._hold_rows(now, "changes", _CHANGES, now.updated, seen.updated)

    def _hold_rows(
        self, now: Taken, what: str, rules: Sequence[str], count: int, seen: int
    ) -> None:
        """Hold a count against the rehearsal's, unless that proved that nothing is lost by it."""
        if seen and not self._rehearsed.of(now.whole, rules):
            return
        if count > self._rehearsed.most(now, rules, seen):
            raise _exceeded(now, f"{what} {count:,} rows", rules[0], seen, count)


_NAMES = """SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (%(oids)s::oid[])"""


def _exceeded(now: Taken, what: str, rule: str, seen: int, count: int) -> GateError:
    message = (
        f"{now.step} {what} of {now.table}; the rehearsal saw {seen:,}, and no more is accepted."
    )
    remedy = (
        f"Nothing of its transaction is kept. Look at the rows; then accept {rule} of {now.table}, "
        f"at_most = {count}, in acceptances.toml of the run, or rehearse again, and run again."
    )
    return GateError(message, remedy=remedy)
