"""Make a database with everything in it that pg_dump writes, and read what changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib.postgres import process, tools
from runbook_lib.postgres.connection import Database
from tests.support.servers import psql, scratch_database

DATA = Path(__file__).resolve().parents[1] / "data" / "everything"
NAME = "everything"
ROLES = ("everything_owner", "everything_reader")
_SESSION = ("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config")


def read_statements() -> list[tuple[str, str]]:
    """Return the statements, each with why no snapshot tells of it, empty where one does."""
    lines = (DATA / "statements.sql").read_text(encoding="utf-8").splitlines()
    found = (line.partition(" -- ") for line in lines if not line.startswith("--"))
    return [(sql, why) for sql, _, why in found]


@contextmanager
def everything(maintenance: Database, *, many: bool = False) -> Iterator[Database]:
    """Hold the database for the block, with its roles; with ``many`` it is a large one.

    The server is the test's own: roles are everybody's.
    """
    for role in ROLES:
        psql(maintenance.parameters, f"CREATE ROLE {role}")
    with scratch_database(maintenance, NAME) as database:
        for file in ("database.sql", "many.sql")[: 1 + many]:
            psql(database.parameters, (DATA / file).read_text(encoding="utf-8"))
        yield database
    for role in ROLES:
        psql(maintenance.parameters, f"DROP OWNED BY {role}; DROP ROLE {role}")


@contextmanager
def copied(database: Database, name: str) -> Iterator[Database]:
    """Hold a copy for the block, quickly made; nobody may be connected to what is copied."""
    maintenance = database.maintenance()
    maintenance.drop(name)
    psql(maintenance.parameters, f"CREATE DATABASE {name} TEMPLATE {database.dbname}")
    try:
        yield database.on(name)
    finally:
        maintenance.drop(name)


def schema(database: Database) -> list[str]:
    """Return the lines of pg_dump that make the schema, and the database itself."""
    return _lines(database, "pg_dump", "-s", "-C", "-d", database.conninfo())


def roles(database: Database) -> list[str]:
    """Return the lines of pg_dumpall that make what is the whole server's."""
    return _lines(database, "pg_dumpall", "-g", "--no-role-passwords", "-d", database.conninfo())


def _lines(database: Database, program: str, *words: str) -> list[str]:
    with database.connect() as connection:
        major = connection.server_major
    argv = [str(tools.find_program(program, server_major=major)), *words]
    said = process.run(argv, env=database.tool_environment(), timeout=60).stdout.splitlines()
    return [line for line in said if line.strip() and not line.startswith(_SESSION)]
