"""Write what takes created objects back: one drop for each, dependents first, never CASCADE."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from runbook_lib.parser.identifiers import NOUNS, ORDER, WHOLE, last, owner, parts, split

_OF_A_RELATION = ("trigger", "policy", "rule", "constraint", "index", "column")


@dataclass(frozen=True)
class Undo:
    """Hold a statement that takes one thing back; ``key`` is that thing's in a snapshot.

    ``apart`` drops an index concurrently, in no transaction; ``table`` is the index's.
    """

    key: str
    sql: str
    apart: str = ""
    table: str = ""


def drops(made: Set[str], objects: Mapping[str, str]) -> tuple[Undo, ...]:
    """Return what drops the objects with these keys of a snapshot's ``objects``.

    What goes with its table, view, domain or constraint has no drop of its own.
    """
    whole = {name for key in made for kind, name in [split(key)] if kind in WHOLE}
    found = []
    for key in sorted(made):
        kind, name = split(key)
        foreign = kind == "constraint" and objects[key].startswith("FOREIGN KEY")
        goes_along = kind in _OF_A_RELATION and owner(name) in whole
        if (goes_along and not foreign) or (kind == "index" and f"constraint {name}" in made):
            continue
        place = ORDER.index("foreign key" if foreign else kind)
        found.append((place, _drop(key, kind, name, part_of(name, objects))))
    return tuple(drop for _, drop in sorted(found, key=lambda item: item[0]))


def part_of(name: str, objects: Mapping[str, str]) -> str:
    """Return the kind of what a column or constraint belongs to: a table, a domain or a type."""
    return next((of for of in ("domain", "type") if f"{of} {owner(name)}" in objects), "table")


def _drop(key: str, kind: str, name: str, of: str) -> Undo:
    """Return the drop of one object; ``of`` is what a column or constraint belongs to."""
    if kind in {"column", "constraint"}:
        part = "ATTRIBUTE" if of == "type" else kind.upper()
        sql = f"ALTER {of.upper()} {owner(name)} DROP {part} IF EXISTS {last(name)}"
    elif kind == "index":
        schema = parts(name)[0]
        sql = f"DROP INDEX IF EXISTS {schema}.{last(name)}"
        apart = f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{last(name)}"
        return Undo(key, sql, apart, owner(name))
    elif kind in {"trigger", "policy", "rule"}:
        sql = f"DROP {kind.upper()} IF EXISTS {last(name)} ON {owner(name)}"
    else:
        sql = f"DROP {NOUNS[kind]} IF EXISTS {name}"
    return Undo(key, sql)


def tables(made: Set[str]) -> tuple[str, ...]:
    """Return the created tables and partitions, quoted: what holds rows of its own."""
    return tuple(name for key in sorted(made) for kind, name in [split(key)] if kind == "table")


def columns(made: Set[str], objects: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return table and name of the columns created on tables that are older, quoted."""
    whole = {name for key in made for kind, name in [split(key)] if kind in WHOLE}
    whole |= {
        name
        for key in objects
        for kind, name in [split(key)]
        if kind in {"type", "view", "materialized view"}
    }
    return tuple(
        (owner(name), last(name))
        for key in sorted(made)
        for kind, name in [split(key)]
        if kind == "column" and owner(name) not in whole
    )
