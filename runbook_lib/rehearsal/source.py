"""Read of a target's server what another one has to repeat to be like it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load

_PARAMETERS = 15  # the first major version that grants them
_AT_START = (
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "track_commit_timestamp",
    "wal_level",
)
Session = Mapping[str, tuple[str, str, str]]
"""The settings of a session by name: value, context and source, as pg_settings tells them."""


@dataclass(frozen=True)
class Source:
    """Hold what a target's server says of itself, for another one to be like it."""

    dbname: str
    role: str
    major: int
    options: str
    plain_options: str
    locale: str
    roles: Sequence[Mapping[str, Any]]
    members: Sequence[str]
    settings: Sequence[str]
    tablespaces: Sequence[Mapping[str, Any]]
    extensions: Sequence[Mapping[str, Any]]
    databases: Sequence[Mapping[str, Any]]
    session: Session
    at_start: Mapping[str, str]


def read_source(connection: Connection, session: Connection) -> Source:
    """Read a target as its migrating role sees it; ``session`` has the settings of a file's."""
    (who,) = connection.rows("SELECT current_database() AS dbname, session_user::text AS role")
    dbname = {"dbname": who["dbname"]}
    (plain,) = connection.rows(load("world_database"))
    major = int(connection.value("SHOW server_version_num")) // 10000
    own = connection.rows(load("database_settings"), dbname | {"into": who["dbname"]})
    return Source(
        dbname=who["dbname"],
        role=who["role"],
        major=major,
        options=connection.value(load("database_options"), dbname),
        plain_options=plain["options"],
        locale=plain["locale"],
        roles=connection.rows(load("world_roles")),
        members=_statements(connection, "world_members"),
        settings=[
            *_statements(connection, "world_role_settings"),
            *(row["statement"] for row in own),
            *(_statements(connection, "world_parameters") if major >= _PARAMETERS else ()),
        ],
        tablespaces=connection.rows(load("world_tablespaces")),
        extensions=connection.rows(load("world_extensions")),
        databases=connection.rows(load("world_databases")),
        session=read_session(session),
        at_start={name: connection.value(f"SHOW {name}") for name in _AT_START},
    )


def _statements(connection: Connection, query: str) -> list[str]:
    return [row["statement"] for row in connection.rows(load(query))]


def read_session(connection: Connection) -> Session:
    """Read the settings that a session has, those it may set and those it may not."""
    rows = connection.rows(load("world_session"))
    return {row["name"]: (row["setting"], row["context"], row["source"]) for row in rows}
