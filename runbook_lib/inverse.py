"""Write what takes created objects back: one drop for each, dependents first, never CASCADE."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')  # of a name as format's %I writes it
_TABLES = ("table", "partitioned table", "foreign table")
_WHOLE = {*_TABLES, "view", "materialized view", "domain", "type"}
_OF_A_RELATION = ("trigger", "policy", "rule", "constraint", "index", "column")
# Keys of foreign tables come first: two tables may refer to each other.
_ORDER = (
    *(
        "event trigger",
        "publication",
        "trigger",
        "policy",
        "rule",
        "foreign key",
        "materialized view",
        "view",
        "constraint",
    ),
    *("index", "statistics", "column", *_TABLES, "function", "sequence"),
    *("operator class", "operator family", "operator", "cast", "domain", "enum", "range", "type"),
    *("text search configuration", "text search dictionary", "conversion", "collation"),
    *("server", "foreign-data wrapper", "extension", "schema"),
)
_PLAIN = {  # kinds that are dropped by their name alone
    **{kind: kind.upper() for kind in _ORDER},
    **{"partitioned table": "TABLE", "function": "ROUTINE"},
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    **dict.fromkeys(("enum", "range"), "TYPE"),
}


@dataclass(frozen=True)
class Drop:
    """Hold the statement that drops one object; ``key`` is the object's in a snapshot.

    ``apart`` drops an index concurrently, in no transaction; ``table`` is the index's.
    """

    key: str
    sql: str
    apart: str = ""
    table: str = ""


def drops(made: Set[str], objects: Mapping[str, str]) -> tuple[Drop, ...]:
    """Return what drops the objects with these keys of a snapshot's ``objects``.

    What goes with its table, view, domain or constraint has no drop of its own.
    """
    whole = {name for key in made for kind, name in [_split(key)] if kind in _WHOLE}
    found = []
    for key in sorted(made):
        kind, name = _split(key)
        foreign = kind == "constraint" and objects[key].startswith("FOREIGN KEY")
        goes_along = kind in _OF_A_RELATION and _table(name) in whole
        if (goes_along and not foreign) or (kind == "index" and f"constraint {name}" in made):
            continue
        place = _ORDER.index("foreign key" if foreign else kind)
        of = next((of for of in ("domain", "type") if f"{of} {_table(name)}" in objects), "table")
        found.append((place, _drop(key, kind, name, of)))
    return tuple(drop for _, drop in sorted(found, key=lambda item: item[0]))


def _drop(key: str, kind: str, name: str, of: str) -> Drop:
    """Return the drop of one object; ``of`` is what a column or constraint belongs to."""
    if kind in {"column", "constraint"}:
        part = "ATTRIBUTE" if of == "type" else kind.upper()
        sql = f"ALTER {of.upper()} {_table(name)} DROP {part} IF EXISTS {_last(name)}"
    elif kind == "index":
        schema = _parts(name)[0]
        sql = f"DROP INDEX IF EXISTS {schema}.{_last(name)}"
        apart = f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{_last(name)}"
        return Drop(key, sql, apart, _table(name))
    elif kind in {"trigger", "policy", "rule"}:
        sql = f"DROP {kind.upper()} IF EXISTS {_last(name)} ON {_table(name)}"
    else:
        sql = f"DROP {_PLAIN[kind]} IF EXISTS {name}"
    return Drop(key, sql)


def tables(made: Set[str]) -> tuple[str, ...]:
    """Return the created tables and partitions, quoted: what holds rows of its own."""
    return tuple(name for key in sorted(made) for kind, name in [_split(key)] if kind == "table")


def columns(made: Set[str], objects: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return table and name of the columns created on tables that are older, quoted."""
    whole = {name for key in made for kind, name in [_split(key)] if kind in _WHOLE}
    whole |= {name for key in objects for kind, name in [_split(key)] if kind == "type"}
    return tuple(
        (_table(name), _last(name))
        for key in sorted(made)
        for kind, name in [_split(key)]
        if kind == "column" and _table(name) not in whole
    )


def by_kind(keys: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the objects with these keys, by kind."""
    found: dict[str, list[str]] = {}
    for key in sorted(keys):
        kind, name = _split(key)
        found.setdefault(kind, []).append(name)
    return found


def _split(key: str) -> tuple[str, str]:
    """Return kind and qualified name of a key."""
    kind = next(kind for kind in _KINDS if key.startswith(f"{kind} "))
    return kind, key[len(kind) + 1 :]


_KINDS = sorted(_PLAIN, key=len, reverse=True)  # "partitioned table" before "table"


def _parts(name: str) -> list[str]:
    return _PART.findall(name)


def _table(name: str) -> str:
    return ".".join(_parts(name)[:2])


def _last(name: str) -> str:
    return _parts(name)[2] if len(_parts(name)) > 2 else _parts(name)[-1]
