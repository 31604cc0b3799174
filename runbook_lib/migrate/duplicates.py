"""List the keys that more than one row has, in the words of all that is in a statement's way."""

from dataclasses import dataclass

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.postgres.connection import (
    SQL,
    Composed,
    Connection,
    Identifier,
    Literal,
    Row,
    text_of,
)
from runbook_lib.postgres.queries import load

_SHOWN = 20
_WIDTH = 60  # characters of a value
_VALUE = SQL(
    "CASE WHEN {value} IS NULL THEN 'NULL'"
    " ELSE pg_catalog.left(pg_catalog.format('%s', {value}), {width}) END"
)


@dataclass(frozen=True)
class Violation:
    """Hold the query for what is in the way, and how to say it.

    Of what it finds, ``columns`` are shown; behind them it ``counts`` rows, or not. ``order`` is
    how a person wants to see it.
    """

    query: Composed
    columns: int
    order: str
    said: str
    each: str = "({key})"
    unit: str = "rows"
    counts: bool = False

    def read(self, connection: Connection) -> list[Row]:
        """Return the first of what it finds, each with the number of all."""
        names = [f"k{place}" for place in range(1, self.columns + 1)]
        width = Literal(_WIDTH)
        shown = [_VALUE.format(value=Identifier(name), width=width) for name in names]
        columns = [*names, "counted"] if self.counts else names
        named = SQL("({})").format(SQL(", ").join(map(Identifier, columns)))
        read = SQL(
            "SELECT pg_catalog.concat_ws(', ', {shown}) AS key, {rows} AS rows,"
            " pg_catalog.count(*) OVER () AS found FROM ({query}) AS found{named}"
            " {order} LIMIT {most}"
        )
        return connection.rows(
            read.format(
                shown=SQL(", ").join(shown) if shown else Literal(""),
                rows=Identifier("counted") if self.counts else Literal(1),
                query=self.query,
                named=named if columns else SQL(""),
                order=SQL(f"ORDER BY {self.order}" if self.order else ""),
                most=Literal(_SHOWN),
            )
        )

    def describe(self, connection: Connection) -> str:
        """Say what is in the way, empty where nothing is."""
        found = self.read(connection)
        if not found:
            return ""
        total = found[0]["found"]
        parts = [self.each.format(**row) for row in found if row["key"]]
        if total > len(parts):
            more = f"and {total - len(parts):,} more {self.unit}: " if parts else ""
            parts.append(f"{more}{text_of(self.query)}")
        return f"{self.said.format(total=total)}: {'; '.join(parts)}."


def describe_duplicates(connection: Connection, index_oid: int) -> str:
    """Return the keys that more than one row has, the most frequent first.

    ``index_oid`` is the index that a concurrent build left behind invalid: what it compares is read
    from the catalog.
    """
    try:
        said = find_duplicates(read_index(connection, index_oid)).describe(connection)
    except StatementError as refused:
        return unread(refused)
    return said or "There are no duplicates any more."


def unread(refused: StatementError) -> str:
    """Say why the rows were not read."""
    return f"Which rows are in the way could not be read: {refused.message}"


def read_index(connection: Connection, oid: int) -> Row:
    """Return what an index compares, as the catalog says."""
    (row,) = connection.rows(load("index_keys"), {"oid": oid})
    refuse_functions(row)
    return row


def refuse_functions(rule: Row) -> None:
    """Keep functions of the database from being called as a superuser; raises StatementError."""
    if rule["calls"]:
        message = "It calls functions of the database, which no superuser may run."
        raise StatementError(message, sqlstate=SqlState.INSUFFICIENT_PRIVILEGE)


def find_duplicates(index: Row) -> Violation:
    """Find the keys that more than one row has: both halves as the server wrote them."""
    keys = [SQL(key) for key in index["keys"]]
    wanted = [] if index["nulls_equal"] else [SQL("({}) IS NOT NULL").format(key) for key in keys]
    if index["condition"] != "true" or not wanted:
        wanted.append(SQL("({})").format(SQL(index["condition"])))
    query = SQL(
        "SELECT {keys}, count(*) FROM {table} WHERE {wanted} GROUP BY {keys} HAVING count(*) > 1"
    ).format(
        keys=SQL(", ").join(keys),
        table=Identifier(index["schema"], index["table"]),
        wanted=SQL(" AND ").join(wanted),
    )
    order = ", ".join(["counted DESC", *(f"k{place}" for place in range(1, len(keys) + 1))])
    said = f"Duplicates of ({literal(', '.join(index['keys']))})"
    return Violation(query, len(keys), order, said, "({key}) in {rows} rows", "keys", True)


def literal(text: str) -> str:
    """Return a text that str.format() leaves as it is."""
    return text.replace("{", "{{").replace("}", "}}")
