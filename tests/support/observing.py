"""Run one statement in the open transaction, and see what it locks, rewrites and scans."""

from runbook_lib.parser.statement import LockMode, Statement
from runbook_lib.postgres.connection import Connection

TABLES = """
SELECT c.oid::int AS oid, n.nspname || '.' || c.relname AS name,
       pg_relation_filenode(c.oid) AS file, pg_stat_get_xact_numscans(c.oid) AS scans
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'other') AND c.relkind IN ('r', 'p', 'm', 'v')
"""
_HELD = """
SELECT relation::int AS oid, mode FROM pg_locks
WHERE locktype = 'relation' AND pid = pg_backend_pid()
"""
_ORDER = [mode.value for mode in LockMode]
STRONG = set(_ORDER[3:])  # the weaker ones stop nobody but DDL
_QUERIES = {"create_table_as_stmt", "select_stmt", "refresh_mat_view_stmt"}  # the planner decides
Seen = set[tuple[str, str]]


def observed(connection: Connection, statement: Statement) -> Seen:
    """Run a statement and return its locks, rewrites and scans of the tables that were there."""
    before = {row["oid"]: row for row in connection.rows(TABLES)}
    connection.execute(statement.sql)
    after = {row["oid"]: row for row in connection.rows(TABLES)}
    strongest: dict[str, str] = {}
    for row in connection.rows(_HELD):
        if row["oid"] in before:
            table = before[row["oid"]]["name"]
            strongest[table] = max(row["mode"], strongest.get(table, ""), key=_rank)
    planned = statement.tag in _QUERIES
    seen = {item for item in strongest.items() if item[1] in STRONG}
    for oid, row in after.items():
        if oid in before and row["file"] != before[oid]["file"]:
            seen.add((before[oid]["name"], "rewrite"))
        elif oid in before and row["scans"] > before[oid]["scans"] and not planned:
            seen.add((before[oid]["name"], "scan"))
    return seen


def _rank(mode: str) -> int:
    return _ORDER.index(mode) if mode else -1
