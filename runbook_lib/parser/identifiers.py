"""Read and quote names, and the keys of schema snapshots."""

import re
from collections.abc import Container, Iterable, Sequence
from functools import cache
from itertools import count

_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')
_NAME = re.compile(r'"(?:[^"]|"")*"|[^."(]+')
LONGEST = 63  # bytes of a name: NAMEDATALEN - 1
TABLES = ("table", "partitioned table", "foreign table")
RELATIONS = (*TABLES, "view", "materialized view")
OF_A_RELATION = ("trigger", "policy", "rule", "constraint", "index", "column")
WHOLE = {*RELATIONS, "domain", "type"}
# Kinds in the order in which they are dropped; keys of foreign tables come first: two tables may
# refer to each other.
ORDER = (
    *("event trigger", "publication", "trigger", "policy", "rule", "foreign key"),
    *("materialized view", "view", "constraint", "index", "statistics", "column", *TABLES),
    *("transform", "cast", "language", "function", "sequence"),
    *("operator class", "operator family", "operator", "domain", "enum", "range", "type"),
    *("text search configuration", "text search dictionary"),
    *("text search template", "text search parser", "access method", "conversion", "collation"),
    *("user mapping", "server", "foreign-data wrapper", "extension", "schema"),
)
NOUNS = {  # what a kind is called in a statement
    **{kind: kind.upper() for kind in ORDER},
    **{"partitioned table": "TABLE", "function": "ROUTINE"},
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    **dict.fromkeys(("enum", "range"), "TYPE"),
}
_KINDS = sorted(NOUNS, key=len, reverse=True)  # "partitioned table" before "table"


@cache
def split(key: str) -> tuple[str, str]:
    """Return kind and qualified name of a key."""
    kind = next(kind for kind in _KINDS if key.startswith(f"{kind} "))
    return kind, key[len(kind) + 1 :]


def parts(name: str) -> list[str]:
    """Return the parts of a qualified name without arguments."""
    return _PART.findall(name)


def plain(name: str) -> tuple[str, str]:
    """Return schema and name of a qualified name, as catalogs hold them."""
    schema, own = unquoted(name)[:2]
    return schema, own


def unquoted(name: str) -> list[str]:
    """Return the parts of a qualified name, as catalogs hold them."""
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts(name)]


def owner(name: str) -> str:
    """Return the table, view, domain or type that a column, constraint or trigger belongs to."""
    return ".".join(parts(name)[:2])


def last(name: str) -> str:
    """Return the last part of a name."""
    return parts(name)[2] if len(parts(name)) > 2 else parts(name)[-1]


def signature(name: str) -> tuple[str, str, str]:
    """Return schema, name and arguments of something in a schema; those of a table are empty."""
    schema = parts(name)[0]
    own = _NAME.findall(name)[1]
    return schema, own, name[len(schema) + len(own) + 1 :]


def by_kind(found: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the objects with these keys, by kind."""
    names: dict[str, list[str]] = {}
    for key in sorted(found):
        kind, name = split(key)
        names.setdefault(kind, []).append(name)
    return names


def quote(identifier: str) -> str:
    """Quote an identifier (PostgreSQL manual, 4.1.1)."""
    return '"' + identifier.replace('"', '""') + '"'


def dotted(parts: Iterable[str]) -> str:
    """Return a qualified name, each part quoted; an empty one is left out."""
    return ".".join(quote(part) for part in parts if part)


def generated_name(
    table: str, columns: Sequence[str], taken: Container[str], kind: str = "idx"
) -> str:
    """Return the name that the server gives an index or constraint which was given none.

    As makeObjectName and ChooseRelationName do (PostgreSQL, src/backend/commands/indexcmds.c): the
    longer of table and columns is cut, and a name that is taken gets a number.
    """
    for number in count():
        label = f"{kind}{number or ''}"
        first, second = table.encode(), "_".join(columns).encode()[:LONGEST]
        room = LONGEST - len(label) - 1 - bool(second)
        while len(first) + len(second) > room:
            if len(first) > len(second):
                first = first[:-1]
            else:
                second = second[:-1]
        cut = (part.decode(errors="ignore") for part in (first, second) if part)
        name = "_".join((*cut, label))
        if name not in taken:
            return name
    raise AssertionError("count() does not end")
