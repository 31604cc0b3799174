"""List the rows that are in the way of a statement: duplicates, orphans, what breaks a condition.

What a statement asks of the rows is not read from its text. It is run once more on the emptied
table, where it succeeds, the server then says what it made, and all of that is taken back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.migrate.duplicates import (
    Violation,
    find_duplicates,
    literal,
    read_index,
    refuse_functions,
    unread,
)
from runbook_lib.parser.statement import Statement
from runbook_lib.parser.tree import definition, kinds, strings
from runbook_lib.postgres.connection import (
    SQL,
    Composable,
    Connection,
    Identifier,
    Literal,
    Row,
)
from runbook_lib.postgres.queries import load

_DEFINE = {"alter table", "create", "index"}
_ABOUT_VALUES = "22"  # the class of values that a type does not take
_TELLS_VALUES = 16  # the first major version that tells whether a type takes a value
_EMPTIED = "SAVEPOINT runbook_emptied"
_NO_TRIGGERS = """SELECT pg_catalog.set_config('session_replication_role', 'replica', true)
WHERE pg_catalog.current_setting('is_superuser') = 'on'"""  # of others, with a superuser's rights


def describe_violation(connection: Connection, statement: Statement, error: StatementError) -> str:
    """Say for which rows a statement that defines something failed, empty where that is not asked.

    The session is where it was before the statement, and so it is afterwards. What cannot be read,
    or not in the time that a statement has, is said.
    """
    if statement.kind not in _DEFINE or not statement.transactional:
        return ""
    try:
        with connection.transaction():
            found = _violation(connection, statement, error)
            return found.describe(connection) if found else ""
    except StatementError as refused:
        return unread(refused)


def _violation(
    connection: Connection, statement: Statement, error: StatementError
) -> Violation | None:
    state, named = error.sqlstate or "", error.named
    if state.startswith(_ABOUT_VALUES):
        return _not_taken(connection, statement)
    if not named.table:
        return None
    if state == SqlState.NOT_NULL_VIOLATION:
        row = _rule(connection, error)
        bad = SQL("{} IS NULL").format(Identifier(named.column))
        return _rows(row, [], bad)
    tables = [(named.schema, named.table), *_first_locked(connection, statement)]
    if state in {SqlState.UNIQUE_VIOLATION, SqlState.EXCLUSION_VIOLATION}:
        with _on_empty(connection, statement, tables):
            row = _rule(connection, error)
            index = read_index(connection, row["index"]) if row["index"] else None
        if index is None:
            return None
        return _pairs(row, index) if index["operators"] else find_duplicates(index)
    if state in {SqlState.CHECK_VIOLATION, SqlState.FOREIGN_KEY_VIOLATION}:
        with _on_empty(connection, statement, tables):
            row = _rule(connection, error)
        refuse_functions(row)
        if row["target"]:
            return _orphans(row)
        return _rows(row, row["columns"], SQL("NOT ({})").format(SQL(row["condition"])))
    return None


def _rule(connection: Connection, error: StatementError) -> Row:
    """Return what the catalog says of what is violated, and the primary key of the table."""
    named = error.named
    wanted = {"schema": named.schema, "table": named.table, "constraint": named.constraint}
    for row in connection.rows(load("violated_rule"), wanted):
        return row
    raise StatementError(f"{named.schema}.{named.table} is no table.", sqlstate=None)


@contextmanager
def _on_empty(
    connection: Connection, statement: Statement, tables: Sequence[tuple[str, str]]
) -> Iterator[None]:
    """Let the statement have been run on emptied tables for the block."""
    names = SQL(", ").join(Identifier(*name) for name in dict.fromkeys(tables))
    connection.execute(_EMPTIED)
    try:
        connection.rows(_NO_TRIGGERS)
        connection.execute(SQL("TRUNCATE {} CASCADE").format(names))
        connection.execute(statement.sql)
        yield
    finally:
        connection.execute(f"ROLLBACK TO {_EMPTIED}")


def _first_locked(connection: Connection, statement: Statement) -> list[tuple[str, str]]:
    """Return the table that the statement names first, where there is one of that name."""
    for lock in statement.locks[:1]:
        wanted = {"schema": lock.relation.schema, "table": lock.relation.name, "constraint": ""}
        if connection.rows(load("violated_rule"), wanted):
            return [(lock.relation.schema, lock.relation.name)]
    return []


def _pairs(row: Row, index: Row) -> Violation:
    """Find the pairs of rows that an exclusion constraint keeps apart."""
    names = [f"e{place}" for place in range(1, len(index["keys"]) + 1)]
    shown = row["row_key"] or []
    values = [
        SQL("{} AS {}").format(SQL(k), Identifier(n))
        for k, n in zip(index["keys"], names, strict=True)
    ]
    side = SQL("SELECT tableoid AS t, ctid AS c, {} FROM {} WHERE {}").format(
        SQL(", ").join([*values, *map(Identifier, shown)]),
        Identifier(index["schema"], index["table"]),
        SQL(index["condition"]),
    )
    meets = [
        SQL("a.{0} {1} b.{0}").format(Identifier(name), SQL(operator))
        for name, operator in zip(names, index["operators"], strict=True)
    ]
    columns = shown or names
    both = [SQL(f"{of}.{{}}").format(Identifier(x)) for of in ("a", "b") for x in columns]
    query = SQL(
        "SELECT {both} FROM ({side}) AS a JOIN ({side}) AS b ON (a.t, a.c) < (b.t, b.c) AND {meets}"
    ).format(both=SQL(", ").join(both), side=side, meets=SQL(" AND ").join(meets))
    told = ", ".join(shown or index["keys"])
    return Violation(
        query, len(both), "", _said(f"({told}) of both", "Pairs of rows"), unit="pairs"
    )


def _orphans(row: Row) -> Violation:
    """Find the rows that refer to one which is not there."""
    meets = [
        SQL("r.{} = t.{}").format(Identifier(there), Identifier(here))
        for there, here in zip(row["target_columns"], row["columns"], strict=True)
    ]
    known = [SQL("t.{} IS NOT NULL").format(Identifier(name)) for name in row["columns"]]
    bad = SQL("{known} AND NOT EXISTS (SELECT FROM {target} AS r WHERE {meets})").format(
        known=SQL(" AND ").join(known),
        target=Identifier(*row["target"]),
        meets=SQL(" AND ").join(meets),
    )
    own = [name for name in row["columns"] if name not in row["row_key"]]
    return _rows({**row, "row_key": [*row["row_key"], *own]}, [], bad)


def _rows(row: Row, columns: Sequence[str], bad: Composable) -> Violation:
    """Find rows by their primary key, by the columns it is about where there is none."""
    names = [*(row["row_key"] or columns)]
    query = SQL("SELECT {names} FROM {table} AS t WHERE {bad}").format(
        names=SQL(", ").join(map(Identifier, names)) if names else SQL("*"),
        table=Identifier(row["schema"], row["table"]),
        bad=bad,
    )
    order = ", ".join(f"k{place}" for place in range(1, len(row["row_key"]) + 1))
    return Violation(query, len(names), order, _said(f"({', '.join(names)})" if names else ""))


def _said(by: str, what: str = "Rows") -> str:
    return f"{what} in the way ({{total:,}}){', by ' + literal(by) if by else ''}"


def _not_taken(connection: Connection, statement: Statement) -> Violation | None:
    """Find the values that the new type of a column does not take, where the server can tell.

    That is from version 16 on, and where a value is read as it would be typed in: a text, or a
    whole number, by no other conversion than a plain cast.
    """
    (found,) = _first_locked(connection, statement) or [("", "")]
    changed = set(_plain_casts(statement))
    if not found[1] or not changed or connection.server_major < _TELLS_VALUES:
        return None
    wanted = {"schema": found[0], "table": found[1]}
    before = {row["name"]: row for row in connection.rows(load("typed_columns"), wanted)}
    with _on_empty(connection, statement, [found]):
        after = {row["name"]: row for row in connection.rows(load("typed_columns"), wanted)}
    asked = [x for x in before if x in changed and before[x]["typed"] and after[x]["built_in"]]
    if not asked:
        return None
    taken = SQL(
        "({name} IS NULL OR pg_catalog.pg_input_is_valid(pg_catalog.format('%s', {name}), {type}))"
    )
    held = [taken.format(name=Identifier(x), type=Literal(after[x]["type"])) for x in asked]
    named = {"schema": found[0], "table": found[1], "constraint": ""}
    (row,) = connection.rows(load("violated_rule"), named)
    return _rows(row, [], SQL("NOT ({})").format(SQL(" AND ").join(held)))


def _plain_casts(statement: Statement) -> Iterator[str]:
    """Yield the columns that ALTER TABLE gives another type, without a conversion of its own."""
    if statement.kind != "alter table":
        return
    for item in statement.node.cmds:
        cmd = item.alter_table_cmd
        if cmd.subtype == kinds.AT_AlterColumnType:
            using = definition(cmd).column_def.raw_default
            plain = strings(using.type_cast.arg.column_ref.fields) if using.ByteSize() else []
            if not using.ByteSize() or plain == [cmd.name]:
                yield cmd.name
