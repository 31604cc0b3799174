"""What a role may not see is told apart from what fails, and a transaction goes on behind it."""

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.postgres.connection import Connection
from tests.support.prechecks import as_plain_role

CLOSED = "SELECT rolname FROM pg_catalog.pg_authid"
NOT_HERE = "DO $$ BEGIN RAISE 'not on this service' USING ERRCODE = '0A000'; END $$"


@pytest.mark.parametrize("sql", [CLOSED, NOT_HERE])
def test_what_may_not_be_seen_is_none_and_the_transaction_goes_on(
    sql: str, connection: Connection
) -> None:
    with as_plain_role(connection), connection.transaction():
        assert connection.value("SELECT 1") == 1
        assert connection.seen(sql) is None
        assert connection.value("SELECT 2") == 2


def test_what_may_be_seen_and_is_not_there_is_no_row(connection: Connection) -> None:
    assert connection.seen("SELECT 1 WHERE false") == []


def test_what_was_refused_once_is_not_asked_again_in_the_session(connection: Connection) -> None:
    with as_plain_role(connection):
        assert connection.seen(CLOSED) is None
    assert connection.seen(CLOSED) is None
    assert connection.rows(CLOSED)


def test_what_fails_otherwise_is_raised(connection: Connection) -> None:
    with pytest.raises(StatementError, match="Division by zero"):
        connection.seen("SELECT 1 / 0")
