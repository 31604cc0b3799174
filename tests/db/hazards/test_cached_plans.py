"""Where a session's prepared statement fails after a change of a column's type, it is said."""

from pathlib import Path

import pytest

from runbook_lib.checks.review import RULES
from runbook_lib.errors import SqlState, StatementError
from runbook_lib.hazards.rules import find_hazards
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection, Database
from tests.support.releases import migration_of

SETUP = """
CREATE DOMAIN short AS varchar(20);
CREATE TABLE t (id int, name varchar(20), at timestamp, price numeric(8, 2), tag short);
INSERT INTO t SELECT n, 'x', now(), n, 'y' FROM generate_series(1, 5) n;
"""
TYPES = [
    ("name", "varchar(40)"),
    ("name", "text"),
    ("name", "varchar"),
    ("name", 'varchar(20) COLLATE "C"'),
    ("name", "varchar(20)"),
    ("name", "character varying(20)"),
    ("name", "short"),
    ("id", "bigint"),
    ("id", "integer"),
    ("id", "int4"),
    ("at", "timestamptz"),
    ("at", "timestamp"),
    ("at", "timestamp(3)"),
    ("price", "numeric(8, 2)"),
    ("price", "numeric(10, 2)"),
    ("price", "decimal"),
    ("tag", "short"),
    ("tag", "varchar(20)"),
]


@pytest.mark.parametrize(("column", "kind"), TYPES)
def test_a_prepared_statement_fails_exactly_where_it_is_said(
    column: str, kind: str, target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SETUP)
    sql = f"ALTER TABLE t ALTER COLUMN {column} TYPE {kind}"
    facts = catalog.read_facts(connection, 17)
    found = {x.rule for x in find_hazards([migration_of(tmp_path, sql)], facts, (), RULES)}
    with target.connect() as application:
        application.execute(f"PREPARE asked AS SELECT {column} FROM t; EXECUTE asked")
        connection.execute(sql)
        fails = _state(application) == SqlState.FEATURE_NOT_SUPPORTED
    assert ("cached-plan-breaks" in found) == fails


def _state(application: Connection) -> str | None:
    try:
        application.execute("EXECUTE asked")
    except StatementError as error:
        return error.sqlstate
    return None
