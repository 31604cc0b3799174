"""Verify the target after the release: declared against found."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from runbook_lib.evidence.records import Status
from runbook_lib.parser.statement import DbObject, ForeignKey
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
    database: Database, connection: Connection, release: Release
) -> tuple[Comparison, ...]:
    """Compare what the migrations leave behind with what the server has.

    An index counts as found when it is valid and ready, a foreign key when it is validated.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for item in standing(release.migrations):
        wanted[item.kind].add(str(item))
    tables, columns, enums, foreign_keys = _inspect(database, connection)
    rows = connection.rows(load("indexes"), {"names": _qualified(release)})
    indexes = {str(DbObject("index", row["schema"], row["name"])) for row in rows if row["valid"]}
    return (
        _compare("tables", wanted["table"], tables),
        _compare("columns", wanted["column"], columns),
        _compare("enums", wanted["enum"], enums),
        _compare("indexes, valid and ready", wanted["index"], indexes),
        _compare(
            "foreign keys, validated", *_foreign_keys(release, tables | columns, foreign_keys)
        ),
    )


def _compare(kind: str, wanted: Iterable[str], found: set[str]) -> Comparison:
    declared = set(wanted)
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
    statements = [item for migration in release.migrations for item in migration.statements]
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
    """Refresh the planner's statistics of the release's tables; return how many."""
    touched = {
        (item.schema, item.table or item.name)
        for item in standing(release.migrations)
        if item.kind in {"table", "index", "column"}
    }
    return catalog.analyze(connection, touched, send)
