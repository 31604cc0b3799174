"""What a restore beside needs is tried, and what its swap would leave is named."""

import pytest

from runbook_lib.checks.beside import check_swap, try_beside
from runbook_lib.evidence.records import Status
from runbook_lib.postgres.connection import Connection, Database

CRON = """CREATE SCHEMA cron; CREATE TABLE cron.job (jobid int, database text);
INSERT INTO cron.job VALUES (7, current_database()), (8, 'elsewhere')"""


def databases(connection: Connection) -> set[str]:
    """Return this test's databases: others make theirs on the same server."""
    mine = "SELECT datname FROM pg_database WHERE strpos(datname, current_database()) > 0"
    return {row["datname"] for row in connection.rows(mine)}


def test_a_database_is_created_beside_and_dropped_again(
    target: Database, connection: Connection
) -> None:
    sent: list[str] = []

    def send(session: Connection, sql: object, _: object = None) -> int:
        sent.append(str(sql))
        return session.execute(sql)  # type: ignore[arg-type]

    before = databases(connection)
    assert try_beside(target, send).status is Status.PASS
    assert len(sent) == 2
    assert databases(connection) == before


def test_what_a_look_left_that_was_killed_is_named_and_kept(
    target: Database, connection: Connection
) -> None:
    def killed(session: Connection, sql: object, _: object = None) -> int:
        if "DROP" in str(sql):
            raise KeyboardInterrupt
        return session.execute(sql)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        try_beside(target, killed)
    (left,) = (name for name in databases(connection) if name.startswith("runbook_tried_"))
    found = try_beside(target, Connection.execute)
    assert found.status is Status.WARN
    assert found.remedy.endswith(f'DROP DATABASE "{left}";')
    assert left in databases(connection)
    connection.execute(f"DROP DATABASE {left}")


def test_a_role_that_may_not_is_told_why(target: Database, connection: Connection) -> None:
    role = f"plain_{target.dbname}"
    connection.execute(f"CREATE ROLE {role} LOGIN")
    try:
        found = try_beside(target.having(user=role), Connection.execute)
    finally:
        connection.execute(f"DROP ROLE {role}")
    assert (found.status, "ermission denied" in found.observed) == (Status.WARN, True)


@pytest.mark.parametrize(
    ("setup", "named"),
    [
        ("SELECT 1", "nothing else names this database"),
        (CRON, "job 7 of pg_cron"),
        (
            "CREATE SUBSCRIPTION {0} CONNECTION 'dbname=none' PUBLICATION p"
            " WITH (connect = false, slot_name = NONE)",
            "subscription {0}",
        ),
    ],
    ids=["nothing", "pg_cron", "a subscription"],
)
def test_what_stays_with_the_old_database_is_named(
    target: Database, connection: Connection, setup: str, named: str
) -> None:
    connection.execute(setup.format(target.dbname))
    found = check_swap(connection)
    if "SUBSCRIPTION" in setup:
        connection.execute(f"DROP SUBSCRIPTION {target.dbname}")
    assert found.observed == named.format(target.dbname)
    assert (found.status is Status.PASS) == (setup == "SELECT 1")
