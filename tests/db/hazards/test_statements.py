"""What reading and the target's catalogs predict of a statement is what the server does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import Facts
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import LockMode, Statement
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection
from tests.support.majors import server_of

DATA = Path(__file__).parents[2] / "data" / "statements"
NEWEST = 17  # the major that every statement is written for
UNKNOWN = "; -- unknown: "
_TABLES = """
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
_STRONG = set(_ORDER[3:])  # the weaker ones stop nobody but DDL
_QUERIES = {"create_table_as_stmt", "select_stmt", "refresh_mat_view_stmt"}  # the planner decides
Seen = set[tuple[str, str]]


def statements() -> list[tuple[str, str]]:
    """Return each statement with the reason why it is not known what it does, mostly none."""
    lines = (DATA / "statements.sql").read_text().splitlines()
    split = (line.partition(UNKNOWN) for line in lines if line and not line.startswith("--"))
    return [(sql.rstrip(";"), reason) for sql, _, reason in split]


def observed(connection: Connection, statement: Statement) -> Seen:
    """Run a statement and return its locks, rewrites and scans of the tables that were there."""
    before = {row["oid"]: row for row in connection.rows(_TABLES)}
    connection.execute(statement.sql)
    after = {row["oid"]: row for row in connection.rows(_TABLES)}
    strongest: dict[str, str] = {}
    for row in connection.rows(_HELD):
        if row["oid"] in before:
            table = before[row["oid"]]["name"]
            strongest[table] = max(row["mode"], strongest.get(table, ""), key=_rank)
    planned = statement.tag in _QUERIES
    seen = {item for item in strongest.items() if item[1] in _STRONG}
    for oid, row in after.items():
        if oid in before and row["file"] != before[oid]["file"]:
            seen.add((before[oid]["name"], "rewrite"))
        elif oid in before and row["scans"] > before[oid]["scans"] and not planned:
            seen.add((before[oid]["name"], "scan"))
    return seen


def _rank(mode: str) -> int:
    return _ORDER.index(mode) if mode else -1


def predicted(statement: Statement, facts: Facts, there: set[str]) -> Seen:
    effects = predict(statement, facts)
    found = {(item.relation.qualified, item.mode.value) for item in effects.locks}
    found = {item for item in found if item[1] in _STRONG}
    found |= {(item.qualified, "rewrite") for item in effects.rewrites}
    found |= {(item.qualified, "scan") for item in effects.scans}
    return {item for item in found if item[0] in there}


@pytest.mark.slow
@pytest.mark.parametrize("major", [15, 17, 18])
def test_what_is_predicted_of_each_statement_is_what_the_server_does(
    major: int, tmp_path: Path
) -> None:
    with server_of(major, tmp_path) as database, database.connect() as connection:
        connection.execute((DATA / "setup.sql").read_text())
        wrong = list(differences(connection, catalog.read_facts(connection, major)))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(statements())}", *wrong])


def differences(connection: Connection, facts: Facts) -> Iterator[str]:
    """Yield where a server does something else than predicted; each is rolled back."""
    there = {row["name"] for row in connection.rows(_TABLES)}
    for sql, reason in statements():
        ((statement,), _) = read_statements(sql, "one.sql")
        connection.execute("BEGIN")
        try:
            done = observed(connection, statement)
        except StatementError as error:
            if error.sqlstate != SqlState.SYNTAX_ERROR or facts.server_major >= NEWEST:
                yield f"{sql}: {error}"
            continue
        finally:
            connection.execute("ROLLBACK")
        said = predicted(statement, facts, there)
        if (said == done) == bool(reason):
            yield f"{sql}: predicted alone {said - done}, done alone {done - said}"
