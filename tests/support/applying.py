"""Apply files in tests, and see what came of it."""

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.model import Migration

CONCURRENT = """CREATE TABLE t (c int);
INSERT INTO t VALUES (1), (1);
CREATE UNIQUE INDEX CONCURRENTLY i ON t (c);
INSERT INTO t VALUES (2);
"""


def failed(applier: Applier, migration: Migration) -> StatementError:
    with pytest.raises(StatementError) as caught:
        applier.migrate(migration)
    return caught.value


def valid(connection: Connection, name: str = "i") -> bool | None:
    states = connection.rows(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%(name)s)", {"name": name}
    )
    return bool(states[0]["indisvalid"]) if states else None


def values(connection: Connection, sql: str = "SELECT c FROM t ORDER BY c") -> list[object]:
    return [value for row in connection.rows(sql) for value in row.values()]
