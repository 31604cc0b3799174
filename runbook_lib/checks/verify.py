"""Verify the target after the release: declared against found."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from types import MappingProxyType

from runbook_lib.evidence.records import Status
from runbook_lib.parser.statement import DbObject, ForeignKey, LockMode, Statement
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import (
    Connection,
    Database,
    Send,
    names,
)
from runbook_lib.postgres.queries import load
from runbook_lib.release.model import Release
from runbook_lib.release.plan import standing

Absent = Mapping[str, Collection[str]]
"""The names of what is not there, by what they are of."""


@dataclass(frozen=True)
class Comparison:
    """Hold one kind of object: what the release's SQL leaves there beside what was found."""

    kind: str
    declared: int
    found: int
    missing: tuple[str, ...]

    @property
    def status(self) -> Status:
        """Return pass where nothing is missing."""
        return Status.FAIL if self.missing else Status.PASS


def compare_objects(
    database: Database,
    connection: Connection,
    release: Release,
    absent: Absent = MappingProxyType({}),
) -> tuple[Comparison, ...]:
    """Compare what the migrations leave behind with what the server has.

    An index counts as found when it is valid and ready, a foreign key when it is validated. What
    was ``absent`` on the copy on which the plan was tried is not wanted on the target either.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for item in standing(release.migrations):
        wanted[item.kind].add(str(item))
    tables, columns, enums, foreign_keys = _inspect(database, connection)
    rows = connection.rows(load("indexes"), {"names": _qualified(release)})
    indexes = {str(DbObject("index", row["schema"], row["name"])) for row in rows if row["valid"]}
    keys = _foreign_keys(release, tables | columns, foreign_keys)
    compared = {
        "tables": (wanted["table"], tables),
        "columns": (wanted["column"], columns),
        "enums": (wanted["enum"], enums),
        "indexes, valid and ready": (wanted["index"], indexes),
        "foreign keys, validated": keys,
    }
    return tuple(_compare(kind, *both, absent.get(kind, ())) for kind, both in compared.items())


def find_absent(database: Database, connection: Connection, release: Release) -> Absent:
    """Return what reading takes to be there after the release, and a server does not have."""
    compared = compare_objects(database, connection, release)
    return {item.kind: item.missing for item in compared if item.missing}


def _compare(kind: str, wanted: Set[str], found: Set[str], absent: Collection[str]) -> Comparison:
    declared = {*wanted}.difference(absent)
    missing = tuple(sorted(declared - found))
    return Comparison(kind, len(declared), len(declared & found), missing)


def _qualified(release: Release) -> list[str]:
    objects = standing(release.migrations)
    return [item.qualified for item in objects if item.kind == "index"]


def _foreign_keys(
    release: Release, there: set[str], found: set[ForeignKey]
) -> tuple[set[str], set[str]]:
    """Return the foreign keys that are wanted and those found, as they are shown.

    One whose tables or columns are not there is not wanted: what is missing is named as such, and
    the rest the release dropped or renamed itself. Without columns its target is the primary key.
    """
    statements = list(release.statements)
    gone = {item.name for statement in statements for item in statement.removes} - there
    wanted = {
        key
        for statement in statements
        for key in statement.foreign_keys
        if {key.table, *(f"{key.table}.{column}" for column in key.columns)} <= there
        and key.target not in gone
    }
    implied = {str(key) for key in wanted if not key.target_columns}
    to_any = {str(replace(key, target_columns=())) for key in found}
    names_found = {str(key) for key in found}
    return {str(key) for key in wanted}, names_found | (implied & to_any)


def _inspect(
    database: Database, connection: Connection
) -> tuple[set[str], set[str], set[str], set[ForeignKey]]:
    """Return the names of tables, columns, enums and validated foreign keys, as they are shown."""
    unchecked = names(connection.rows(load("foreign_keys")), "name")
    tables, columns, enums, foreign_keys = set[str](), set[str](), set[str](), set[ForeignKey]()
    with database.inspector() as inspector:
        for schema in inspector.get_schema_names():
            if schema == "information_schema":
                continue
            for (_, table), found in inspector.get_multi_columns(schema=schema).items():
                tables.add(str(DbObject("table", schema, table)))
                columns.update(
                    str(DbObject("column", schema, item["name"], table)) for item in found
                )
            enums.update(
                str(DbObject("enum", schema, item["name"]))
                for item in inspector.get_enums(schema=schema)  # type: ignore[attr-defined]
            )
            for (_, table), keys in inspector.get_multi_foreign_keys(schema=schema).items():
                for key in keys:
                    if f"{schema}.{table}.{key['name']}" not in unchecked:
                        foreign_keys.add(
                            ForeignKey(
                                table=table,
                                columns=tuple(key["constrained_columns"]),
                                target=key["referred_table"],
                                target_columns=tuple(key["referred_columns"]),
                                line=0,
                            )
                        )
    return tables, columns, enums, foreign_keys


def analyze(connection: Connection, release: Release, send: Send) -> int:
    """Refresh the planner's statistics of the release's tables; return how many.

    A column whose type changes loses its own, and rows that come or change in bulk make them wrong.
    """
    made = {
        (item.schema, item.table or item.name)
        for item in standing(release.migrations)
        if item.kind in {"table", "index", "column"}
    }
    changed = {(table.schema, table.name) for table in _written(release.statements)}
    return catalog.analyze(connection, made | changed, send)


def _written(statements: Iterable[Statement]) -> Iterator[DbObject]:
    """Yield the tables that statements rewrite, or whose rows they write."""
    for item in statements:
        yield from item.rewrites
        yield from (x.relation for x in item.locks if x.mode is LockMode.ROW_EXCLUSIVE)
        if item.kind == "do":
            yield from _written(item.inner)
