"""Reach the database that an environment names, starting and preparing an embedded one."""

import os
from pathlib import Path

from runbook_lib.config import coordinates
from runbook_lib.errors import ConfigError
from runbook_lib.evidence.directory import keep_secret
from runbook_lib.parser.statement import Release
from runbook_lib.policy import Environment
from runbook_lib.postgres.build import build_schema, demo_statements, fill_tables
from runbook_lib.postgres.catalog import relations
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox

TODAY = "production today"


def reach(environment: Environment, root: Path, release: Release) -> Database:
    """Return the environment's database; raises ConfigError where nothing names one.

    An embedded database is created when it is not there, and filled when it starts as today's
    production. From here on its password is hidden in everything that is written.
    """
    if environment.embedded:
        return _embedded(environment, root, release)
    kind, value = coordinates(environment)
    if kind == "url":
        database = Database.from_url(value, environment.url_variable)
        keep_secret(value)
    elif kind == "service":
        database = Database({"service": value, "dbname": environment.dbname})
    else:
        database = Database({"dbname": environment.dbname})
    with database.connect() as connection:
        # Wherever libpq found it: URL, PGPASSWORD, service file or .pgpass.
        keep_secret(connection.password)
    return database


def embedded_server(root: Path) -> Database:
    """Return the embedded server's maintenance database, started when it does not run."""
    return Database(_sandbox(root).conninfo())


def rehearsal_server(environment: Environment, root: Path, major: int) -> Database:
    """Return the server to rehearse on: the one the environment names, else the embedded one.

    Raises ConfigError where the target's server is newer than the embedded one, which then cannot
    hold its backup, and no other is named.
    """
    variable = environment.rehearsal_url_variable
    url = os.environ.get(variable, "") if variable else ""
    if url:
        keep_secret(url)
        return Database.from_url(url, variable)
    # A server of its own: roles and settings of the rehearsed files do not reach the targets'.
    server = embedded_server(root / ".runbook" / "rehearsal")
    with server.connect() as connection:
        own = int(connection.value("SHOW server_version_num")) // 10000
        # What is on it is thrown away: nothing has to survive a power cut.
        for setting in ("fsync", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.rows("SELECT pg_reload_conf()")
    if own < major:
        message = f"The embedded PostgreSQL {own} cannot rehearse for a PostgreSQL {major}."
        remedy = f"Name a server for it: rehearsal_url_variable in [{environment.name}]."
        raise ConfigError(message, path="environments.toml", remedy=remedy)
    return server


_used: dict[Path, Sandbox] = {}


def _sandbox(root: Path) -> Sandbox:
    """Hold the server for the life of this process: the kernel of a notebook is its user."""
    if root not in _used:
        _used[root] = Sandbox(root)
    return _used[root].use()


def _embedded(environment: Environment, root: Path, release: Release) -> Database:
    server = embedded_server(root)
    if environment.starts_as not in {"", TODAY}:
        message = f"[{environment.name}] starts_as = '{environment.starts_as}' is unknown."
        raise ConfigError(message, path="environments.toml", remedy=f"Write '{TODAY}' or nothing.")
    with server.connect() as connection:
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
