"""Read what a database is: its identity, its schema as a snapshot, its rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.config.environments import Environment
from runbook_lib.errors import TargetError
from runbook_lib.hazards.rules import Facts, TableFacts
from runbook_lib.hazards.structure import Child, Constraint, Domain, Index, Storage, Structure, Use
from runbook_lib.postgres.connection import SQL, Connection, Identifier, Send, names
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.snapshot import count_tables
from runbook_lib.release.plan import Target

_SMALL = 8 * 1024 * 1024  # bytes; counting is quick


@dataclass(frozen=True)
class IndexBuild:
    """Hold one index: how long its build took (seconds), its table's rows, its size in bytes."""

    schema: str
    name: str
    table: str
    method: str
    seconds: float | None
    rows: int
    size: int
    valid: bool


def identify(connection: Connection, environment: Environment) -> Target:
    """Ask the server who it is; refuse one that is not the environment's.

    ``system_identifier`` stays empty where the role may not read it. Raises TargetError.
    """
    (row,) = connection.rows(load("target"))
    may_identify = row.pop("may_identify")
    identifier = connection.value(load("system_identifier")) if may_identify else ""
    target = Target(
        environment=environment.name,
        system_identifier=identifier,
        embedded=environment.embedded,
        **row,
    )
    if target.dbname != environment.dbname:
        message = (
            f"The environment '{environment.name}' is the database '{environment.dbname}', "
            f"and the connection leads to '{target.dbname}'."
        )
        raise TargetError(message, remedy="Correct the URL or environments.toml.")
    pinned = environment.system_identifier
    if pinned and identifier != pinned:
        message = (
            f"The environment '{environment.name}' is pinned to the server {pinned}, and "
            f"{identifier or 'a server that hides its identifier'} answered."
        )
        raise TargetError(message, remedy="Correct the address or system_identifier.")
    return target


def refuse_closed(connection: Connection) -> None:
    """Raise TargetError where the role may not read a catalog that nothing works without."""
    closed = ", ".join(row["name"] for row in connection.rows(load("closed_catalogs")))
    if closed:
        message = f"The role that migrates may not read {closed}: schema and backup need it."
        remedy = f"GRANT SELECT ON {closed} TO it, in this database."
        raise TargetError(message, remedy=remedy)


def relations(connection: Connection) -> frozenset[str]:
    """Return the qualified names of all user relations."""
    return names(connection.rows(load("relations")), "name")


def words(connection: Connection) -> frozenset[str]:
    """Return the longer names of the schema and words of SQL, which have to stay readable."""
    return names(connection.rows(load("words")), "word")


def partitioned(connection: Connection) -> frozenset[str]:
    """Return the partitioned tables, as ``schema.name``."""
    return names(connection.rows(load("partitioned_tables")), "name")


def read_facts(connection: Connection, server_major: int) -> Facts:
    """Read what the hazard rules ask of the target.

    Rows are the planner's estimate; those of small tables, and of tables that were never analyzed,
    are counted.
    """
    found = connection.rows(load("facts_tables"))
    small = [row for row in found if row["rows"] < 0 or row["size"] < _SMALL]
    counted = count_tables(connection, [(row["schema"], row["name"]) for row in small])
    tables = {}
    for row in found:
        name = f"{row['schema']}.{row['name']}"
        indexes = tuple(tuple(index) for index in row["indexes"])
        rows = counted[name] if name in counted else int(row["rows"])
        not_null = frozenset(row["not_null"])
        kept = Storage(*(row[x] for x in ("parted", "unlogged", "tablespace", "method", "key")))
        tables[name] = TableFacts(rows, row["size"], row["columns"], indexes, not_null, kept)
    functions = {row["name"]: row["definition"] for row in connection.rows(load("facts_functions"))}
    return Facts(server_major, tables, functions, read_structure(connection))


def read_structure(connection: Connection) -> Structure:
    """Read how the target's tables, views, types and functions hang together."""

    def found(query: str) -> Iterator[dict[str, Any]]:
        for row in connection.rows(load(query)):
            yield {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in row.items()
            }

    indexes = (
        Index(**{**row, "computed": row["computed"] or ()}) for row in found("facts_indexes")
    )
    domains = {row.pop("name"): Domain(**row) for row in found("facts_domains")}
    return Structure(
        indexes={item.name: item for item in indexes},
        constraints=tuple(Constraint(**row) for row in found("facts_constraints")),
        children=tuple(Child(**row) for row in found("facts_inheritance")),
        uses=tuple(Use(**row) for row in found("facts_uses")),
        domains=domains,
        volatile=names(connection.rows(load("facts_volatile")), "name"),
        relabels=frozenset((row["source"], row["target"]) for row in found("facts_relabels")),
        publishes_all=bool(connection.value(load("facts_published"))),
        utc=connection.value("SELECT current_setting('TimeZone')") in {"UTC", "Etc/UTC", "GMT"},
    )


def analyze(connection: Connection, tables: Iterable[tuple[str, str]], send: Send) -> int:
    """Refresh the planner's statistics of tables without leaving the server; return of how many."""
    asked = list(tables)
    names = {"schemas": [schema for schema, _ in asked], "names": [name for _, name in asked]}
    found = connection.rows(load("analyzed"), names)
    for row in found:
        send(connection, SQL("ANALYZE {}").format(Identifier(row["schema"], row["name"])), None)
    return len(found)


def analyze_all(connection: Connection, send: Send) -> int:
    """Refresh the planner's statistics of a whole database, what other servers hold apart."""
    rows = connection.rows(load("with_statistics"))
    return analyze(connection, [(row["schema"], row["name"]) for row in rows], send)


def read_indexes(
    connection: Connection, wanted: Iterable[str], seconds: Mapping[str, float]
) -> tuple[IndexBuild, ...]:
    """Read the indexes ``schema.name`` back from the catalog, with their tables' rows."""
    found = connection.rows(load("indexes"), {"names": list(wanted)})
    rows = count_tables(connection, sorted({(row["schema"], row["table"]) for row in found}))
    return tuple(
        IndexBuild(
            schema=row["schema"],
            name=row["name"],
            table=row["table"],
            method=row["method"],
            seconds=seconds.get(f"{row['schema']}.{row['name']}"),
            rows=rows.get(f"{row['schema']}.{row['table']}", 0),
            size=row["size"],
            valid=row["valid"],
        )
        for row in found
    )
