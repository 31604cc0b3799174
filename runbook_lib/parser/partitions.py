"""Write the statements that build an index on a partitioned table without stopping its writes."""

import hashlib
from dataclasses import replace

import postgast

from runbook_lib.parser.statement import DbObject, Lock, LockMode, Statement

_LONGEST_NAME = 63  # bytes: NAMEDATALEN - 1
_DIGEST = 8


def on_only(statement: Statement, schema: str, table: str, index: str) -> Statement:
    """Return the build on a partitioned table alone, which has no rows of its own.

    The index stays invalid until an index of every partition is attached (PostgreSQL manual,
    5.12.2.2).
    """
    return _on(statement, schema, table, index, only=True)


def on_partition(statement: Statement, schema: str, table: str, index: str) -> Statement:
    """Return the concurrent build on one partition."""
    return _on(statement, schema, table, index, only=False)


def _on(statement: Statement, schema: str, table: str, index: str, *, only: bool) -> Statement:
    tree = postgast.parse(statement.sql)
    node = tree.stmts[0].stmt.index_stmt
    node.relation.schemaname, node.relation.relname = schema, table
    node.relation.inh, node.concurrent, node.idxname = not only, not only, index
    node.if_not_exists = False
    relation = DbObject("relation", schema, table)
    mode = LockMode.SHARE if only else LockMode.SHARE_UPDATE_EXCLUSIVE
    how = "" if only else " concurrently"
    return replace(
        statement,
        sql=postgast.deparse(tree),
        label=f"create index{how} {index} on {table}",
        creates=(DbObject("index", schema, index, table),),
        locks=(Lock(relation, mode),),
        scans=() if only else (relation,),
        transactional=only,
    )


def may_exist(statement: Statement) -> bool:
    """Tell whether the build says IF NOT EXISTS."""
    return bool(postgast.parse(statement.sql).stmts[0].stmt.index_stmt.if_not_exists)


def index_name(partition: str, index: str) -> str:
    """Return the name of a partition's index: both names, cut with a digest where too long."""
    name = f"{partition}_{index}"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    kept = name.encode()[: _LONGEST_NAME - _DIGEST - 1].decode(errors="ignore")
    return f"{kept}_{digest}"
