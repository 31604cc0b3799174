"""Count before each COMMIT which rows of older tables its transaction deletes and changes.

The server counts them while it works (pg_stat_xact_user_tables), whatever statement, trigger,
function or cascade does it. TRUNCATE, a rewrite and DROP are seen by the file of the rows, which is
another then, by the columns, or by the table that is gone.
"""

from collections.abc import Callable, Mapping, Sequence

from runbook_lib.evidence.records import Taken
from runbook_lib.postgres.connection import Connection, Row
from runbook_lib.postgres.queries import load

LARGE_OBJECTS = "large objects"
_METADATA = "SELECT 'pg_catalog.pg_largeobject_metadata'::pg_catalog.regclass::oid::bigint"


class RowCounter:
    """Count what transactions do to tables, and ``tell`` it before each COMMIT.

    ``tables`` are those that were there before the release, by oid: the names that they had, of
    partitions that of the whole.
    """

    def __init__(
        self, tables: Mapping[int, str], tell: Callable[[Sequence[Taken]], object]
    ) -> None:
        self._tables = tables
        self._tell = tell
        self._shapes: dict[int, str | None] = {}

    def begin(self, runner: Connection, step: str, number: int) -> None:
        """Take note of what is there before a transaction of a step."""
        self._shapes = {row["oid"]: row["shape"] for row in self._rows(runner)}

    def committing(self, connection: Connection, step: str, number: int) -> None:
        """Count in the transaction that is about to end; what was deferred has been done."""
        found = dict[str, Taken]()
        for row in self._rows(connection):
            renewed = row["shape"] != self._shapes.get(row["oid"])
            if row["deleted"] or row["updated"] or renewed:
                name = self._tables[row["oid"]]
                more = Taken(step, number, name, row["deleted"], row["updated"], renewed)
                found[name] = found[name].plus(more) if name in found else more
        self._tell(list(found.values()))

    def _rows(self, connection: Connection) -> list[Row]:
        return connection.rows(load("transaction_counts"), {"tables": list(self._tables)})


def large_objects(connection: Connection) -> dict[int, str]:
    """Return the catalog of large objects, whose rows go with them, as a table to be counted."""
    return {connection.value(_METADATA): LARGE_OBJECTS}
