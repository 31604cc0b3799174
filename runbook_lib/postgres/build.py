"""Build a schema from migration files with nothing else: no ledger, no bounds, no journal."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from runbook_lib.errors import ReleaseError, StatementError
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import Migration, Statement
from runbook_lib.postgres.catalog import relations
from runbook_lib.postgres.connection import Connection, quote


def build_schema(connection: Connection, migrations: Iterable[Migration]) -> None:
    """Execute the files one after the other; raises StatementError with file and line."""
    for migration in migrations:
        _execute(connection, migration.statements)


def demo_statements(files: Iterable[Path]) -> list[Statement]:
    """Read the files that fill tables with rows."""
    statements: list[Statement] = []
    for path in files:
        read, found = read_statements(path.read_text(encoding="utf-8"), f"demo/{path.name}")
        for item in found:
            raise ReleaseError(
                item.cause,
                path=item.path,
                line=item.line,
                sqlstate=item.sqlstate,
                remedy=item.remedy,
            )
        statements += read
    return statements


def has_rows(connection: Connection, files: Sequence[Path]) -> bool:
    """Tell whether the demo rows are there: they are one transaction, so any row of the first."""
    first = next(item for item in demo_statements(files[:1]) if item.kind == "insert")
    table = first.references[0].object
    if f"{table.schema}.{table.name}" not in relations(connection):
        return False
    qualified = f"{quote(table.schema)}.{quote(table.name)}"
    return bool(connection.value(f"SELECT EXISTS (SELECT FROM {qualified})"))  # noqa: S608


def fill_tables(connection: Connection, statements: Iterable[Statement], scale: float) -> None:
    """Execute demo rows in one transaction; the SQL reads ``runbook.scale``."""
    with connection.transaction():
        set_scale(connection, scale)
        _execute(connection, statements)


def set_scale(connection: Connection, scale: float) -> None:
    """Tell the demo rows, for this transaction, how many are wanted."""
    connection.rows("SELECT set_config('runbook.scale', %(scale)s, true)", {"scale": str(scale)})


def _execute(connection: Connection, statements: Iterable[Statement]) -> None:
    for statement in statements:
        try:
            connection.execute(statement.sql)
        except StatementError as error:
            raise error.at(statement.path, statement.line, statement.sql) from error.__cause__
