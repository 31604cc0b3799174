"""The parse trees of libpg_query: the only module that imports postgast.

Its messages are protobuf's: ``kinds`` holds their classes and the constants of the grammar.
"""

from typing import Any

import postgast
from postgast import PgQueryError, deparse, normalize, parse, parse_plpgsql, scan, walk

__all__ = [
    "Node",
    "PgQueryError",
    "definition",
    "deparse",
    "kinds",
    "normalize",
    "of",
    "only",
    "parse",
    "parse_plpgsql",
    "scan",
    "strings",
    "tag_of",
    "token_name",
    "type_name",
    "walk",
]

Node = Any  # protobuf messages of libpg_query carry no useful static types
kinds: Any = postgast.pg_query_pb2


def token_name(token: Node) -> str:
    """Return the scanner's name of a token; a character of which SQL makes no use has none."""
    known = kinds.Token.DESCRIPTOR.values_by_number.get(token.token)
    return known.name if known else f"ASCII_{token.token}"


def tag_of(stmt: Node) -> str:
    """Return what kind of statement a tree is, for example ``create_stmt``; empty for none."""
    return stmt.WhichOneof("node") or ""


def strings(items: Node) -> list[str]:
    """Return the parts of a name, or another list of strings."""
    return [item.string.sval for item in items]


def definition(cmd: Node) -> Node:
    """Return what a sub-command of ALTER TABLE brings: a column, a constraint, a type, ..."""
    return getattr(cmd, "def")


def type_name(column: Node) -> str:
    """Return the last part of the name of a column's type; empty where it has none."""
    return strings(column.type_name.names)[-1] if column.type_name.names else ""


def only(sql: str) -> Node:
    """Return the tree of the one statement in the SQL; raises PgQueryError."""
    return parse(sql).stmts[0].stmt


def of(stmt: Node) -> Node:
    """Return a tree of its own with a copy of the statement, which may be changed."""
    made = kinds.ParseResult()
    made.stmts.add().stmt.CopyFrom(stmt)
    return made
