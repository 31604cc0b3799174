"""Reach the server of an environment, and make the embedded ones what they start as."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from runbook_lib.config.environments import FILE, Environment, coordinates
from runbook_lib.errors import ConfigError, ReleaseError, StatementError, ToolError
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres.catalog import relations
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.password import PasswordCommand
from runbook_lib.postgres.pooler import refuse_pooling
from runbook_lib.redaction import keep_secret
from runbook_lib.release.model import Migration, Release

TODAY = "production today"


def reach(environment: Environment, root: Path, release: Release) -> Database:
    """Return the environment's database; raises ConfigError where nothing names one.

    An embedded database is created when it is not there, and filled when it starts as today's
    production. From here on its password is hidden in everything that is written.
    """
    if environment.embedded:
        return _embedded(environment, root, release)
    database = _named(environment, root)
    refuse_pooling(database)
    with database.connect() as connection:
        # Wherever libpq found it: URL, PGPASSWORD, service file or .pgpass.
        keep_secret(connection.password, "the password of the target")
    return database


def _named(environment: Environment, root: Path) -> Database:
    argv = environment.password_command
    command = PasswordCommand(argv, root, environment.name) if argv else None
    return replace(_where(environment), command=command)


def _where(environment: Environment) -> Database:
    kind, value = coordinates(environment)
    if kind == "url":
        _keep_url(value, environment.url_variable)
        found = Database.from_url(value, environment.url_variable)
        if environment.password_command and found.password:
            message = f"[{environment.name}] has a password_command, and its URL a password."
            remedy = f"Take the password out of {environment.url_variable}, or the command out."
            raise ConfigError(message, path=FILE, remedy=remedy)
        return found
    where = {"service": value} if kind == "service" else {}
    return Database({**where, "dbname": environment.dbname})


def locate(environment: Environment, root: Path) -> Database | None:
    """Return a database of an environment's server, None for an embedded one that does not run.

    Raises ConfigError where nothing names one.
    """
    if not environment.embedded:
        return _named(environment, root)
    with suppress(ToolError):
        return Database(Sandbox(root).conninfo())
    return None


def _keep_url(url: str, variable: str) -> None:
    """Hide a URL as a whole, and the password in it."""
    keep_secret(url, f"the URL in {variable}")
    keep_secret(Database.from_url(url, variable).password, f"the password in {variable}")


def embedded_server(root: Path) -> Database:
    """Return the embedded server's maintenance database, started when it does not run."""
    return Database(_sandbox(root).conninfo())


_used: dict[Path, Sandbox] = {}


def _sandbox(root: Path) -> Sandbox:
    """Hold the server for the life of this process: the kernel of a notebook is its user."""
    if root not in _used:
        _used[root] = Sandbox(root)
    return _used[root].use()


def _embedded(environment: Environment, root: Path, release: Release) -> Database:
    server = embedded_server(root)
    with server.runner_session() as connection:
        exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %(name)s)"
        there = connection.value(exists, {"name": environment.dbname})
    if not there:
        server.create(environment.dbname)
    database = server.on(environment.dbname)
    if environment.starts_as == TODAY:
        _make_today(database, environment, release)
    return database


def _make_today(database: Database, environment: Environment, release: Release) -> None:
    """Give an empty database today's tables, filled, without a ledger: all of it or nothing."""
    with database.connect() as connection:
        if relations(connection):
            return
        with connection.transaction():
            build_schema(connection, [release.migration(name) for name in release.production_today])
            if release.demo_files:
                statements = demo_statements(release.demo_files)
                fill_tables(connection, statements, environment.scale)
        connection.execute("ANALYZE")


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
    if table.qualified not in relations(connection):
        return False
    any_row = SQL("SELECT EXISTS (SELECT FROM {})").format(Identifier(table.schema, table.name))
    return bool(connection.value(any_row))


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
