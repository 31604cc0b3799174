"""The parse trees of libpg_query: the only module that imports postgast.

Its messages are protobuf's: ``kinds`` holds their classes and the constants of the grammar.
"""

from typing import Any

import postgast
from postgast import PgQueryError, deparse, parse, parse_plpgsql, scan, walk

__all__ = [
    "Node",
    "PgQueryError",
    "deparse",
    "kinds",
    "of",
    "only",
    "parse",
    "parse_plpgsql",
    "scan",
    "tag_of",
    "token_name",
    "walk",
]

Node = Any  # protobuf messages of libpg_query carry no useful static types
kinds: Any = postgast.pg_query_pb2


def token_name(token: Node) -> str:
    """Return the scanner's name of a token."""
    return str(kinds.Token.Name(token.token))


def tag_of(stmt: Node) -> str:
    """Return what kind of statement a tree is, for example ``create_stmt``; empty for none."""
    return stmt.WhichOneof("node") or ""


def only(sql: str) -> Node:
    """Return the tree of the one statement in the SQL; raises PgQueryError."""
    return parse(sql).stmts[0].stmt


def of(stmt: Node) -> Node:
    """Return a tree of its own with a copy of the statement, which may be changed."""
    made = kinds.ParseResult()
    made.stmts.add().stmt.CopyFrom(stmt)
    return made
