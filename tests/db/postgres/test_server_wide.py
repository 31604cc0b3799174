"""What belongs to the whole server is known before and after, with the statement between them."""

from collections.abc import Iterator

import pytest

from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.server_wide import ServerState, read_server
from tests.support.memory import MakeDirectory
from tests.support.servers import hurry

SETUP = (
    "CREATE ROLE app LOGIN CONNECTION LIMIT 9",
    "CREATE ROLE crew",
    "CREATE ROLE gone",
    "ALTER ROLE app SET work_mem = '5MB'",
    "ALTER SYSTEM SET log_min_duration_statement = '1s'",
    "CREATE DATABASE neighbour OWNER crew",
)
CHANGES = {
    'CREATE ROLE "Odd One"': ('role "Odd One" was made', 'DROP ROLE "Odd One"'),
    "DROP ROLE gone": ("role gone is gone", "CREATE ROLE gone NOSUPERUSER INHERIT"),
    "ALTER ROLE app NOLOGIN": ("role app was", "ALTER ROLE app NOSUPERUSER INHERIT NOCREATEROLE"),
    "GRANT crew TO app": ("membership of app in crew was made", "REVOKE crew FROM app"),
    "ALTER ROLE app SET work_mem = '6MB'": (
        "setting work_mem of ROLE app was 5MB",
        "ALTER ROLE app SET work_mem = '5MB'",
    ),
    "ALTER ROLE app RESET ALL": (
        "setting work_mem of ROLE app is gone",
        "ALTER ROLE app SET work_mem = '5MB'",
    ),
    "ALTER SYSTEM SET log_min_duration_statement = '7s'": (
        "configuration log_min_duration_statement was 1s",
        "ALTER SYSTEM SET log_min_duration_statement = '1s'",
    ),
    "ALTER SYSTEM SET work_mem = '77MB'": (
        "configuration work_mem was made",
        "ALTER SYSTEM RESET work_mem",
    ),
    "CREATE DATABASE side": ("database side was made", "DROP DATABASE side"),
    "DROP DATABASE neighbour": (
        "database neighbour is gone",
        "CREATE DATABASE neighbour OWNER crew",
    ),
    "ALTER DATABASE neighbour SET work_mem = '9MB'": (
        "setting work_mem of DATABASE neighbour was made",
        "ALTER DATABASE neighbour RESET work_mem",
    ),
}


@pytest.fixture(scope="module")
def own(in_memory: MakeDirectory) -> Iterator[Database]:
    """Run a server of this module's own, for what is changed belongs to the whole of it."""
    with Sandbox(in_memory("wide")) as sandbox:
        hurry(sandbox)
        yield Database(sandbox.conninfo())


@pytest.fixture
def superuser(own: Database) -> Iterator[Connection]:
    with own.connect() as connection:
        for statement in SETUP:
            connection.execute(statement)
        yield connection
        for name in ("side", "neighbour"):
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
        for name in ("app", "crew", "gone", '"Odd One"'):
            connection.execute(f"DROP ROLE IF EXISTS {name}")
        connection.execute("ALTER SYSTEM RESET ALL")


def seen(database: Database) -> ServerState:
    with database.runner_session() as connection:
        return read_server(connection)


@pytest.mark.parametrize("act", CHANGES)
def test_a_change_is_named_with_the_statement_that_takes_it_back(
    act: str, own: Database, superuser: Connection
) -> None:
    before = seen(own)
    superuser.execute(act)
    ((what, back),) = before.changes(seen(own))
    wanted = CHANGES[act]
    assert (what[: len(wanted[0])], back[: len(wanted[1])]) == wanted
    superuser.execute(back)
    assert not list(before.changes(seen(own)))


def test_a_setting_that_holds_a_secret_is_told_by_its_digest(
    own: Database, superuser: Connection
) -> None:
    superuser.execute("ALTER ROLE app SET shop.api_token = 'old-value'")
    before = seen(own)
    assert not list(before.changes(seen(own)))
    superuser.execute("ALTER ROLE app SET shop.api_token = 'new-value'")
    ((what, back),) = before.changes(seen(own))
    assert what.startswith("setting shop.api_token of ROLE app was a secret, SHA-256 ")
    assert back == """ALTER ROLE app SET "shop.api_token" = '***'"""
    assert "value" not in str(before)


def test_what_a_plain_role_may_not_see_is_said(own: Database, superuser: Connection) -> None:
    assert superuser.value("SELECT 1") == 1
    assert not seen(own).unseen
    plain = seen(Database({**own.parameters, "user": "app"}))
    assert "ALTER SYSTEM" in plain.unseen
    assert "role app" in plain.things


def test_what_was_hidden_before_was_not_made(own: Database, superuser: Connection) -> None:
    plain = Database({**own.parameters, "user": "app"})
    superuser.execute("ALTER SYSTEM SET work_mem = '5MB'")
    before, whole = seen(plain), seen(own)
    assert not list(before.changes(whole))
    assert not list(whole.changes(before))
