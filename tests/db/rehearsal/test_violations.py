"""The rows that a statement fails for are listed: the first, how many, and a query for the rest."""

import re
import tomllib
from pathlib import Path

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.evidence.sender import Sender
from runbook_lib.parser.parse import read_statements
from runbook_lib.postgres.connection import Connection
from runbook_lib.rehearsal.observe import Probe

CASES = tomllib.loads(
    (Path(__file__).parents[2] / "data" / "violations.toml").read_text(encoding="utf-8")
)

QUICK = {"unique", "exclusion", "foreign-key", "not-null"}


def explained(connection: Connection, sql: str) -> str:
    """Return what a rehearsal says of the rows for which a statement fails, which does fail."""
    probe, (statements, _) = Probe(), read_statements(sql, "001.sql")
    sender = Sender(lambda _: None, "test", probe, go_on=True)
    with connection.transaction():
        sender.begin(connection)
        sender.send_all(connection, statements)
    (why,) = probe.whys.values() or [""]
    return why


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name)
        for name in CASES
    ],
)
def test_the_rows_in_the_way_are_listed(name: str, connection: Connection) -> None:
    case = CASES[name]
    if connection.server_major < case.get("since", 0):
        pytest.skip("this server does not tell")
    connection.execute(case["setup"])
    before = connection.rows("SELECT * FROM t")
    assert explained(connection, case["sql"]) == case["says"]
    assert connection.rows("SELECT * FROM t") == before, "and nothing is changed by it"


@pytest.mark.slow
def test_the_query_for_the_rest_finds_all_of_them(connection: Connection) -> None:
    setup = "CREATE TABLE t (id int PRIMARY KEY, c text)"
    connection.execute(
        f"{setup}; INSERT INTO t SELECT n, 'u' || n % 200 FROM generate_series(1, 1000) n"
    )
    why = explained(connection, "CREATE UNIQUE INDEX i ON t (c)")
    found = re.search(r"and 180 more keys: (SELECT .+)\.$", why)
    assert found
    assert len(connection.rows(found[1])) == 200
    assert why.count(" in 5 rows") == 20


def test_nobodys_trigger_is_run_by_it(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (c int); INSERT INTO t VALUES (1), (1);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;"
        "CREATE TRIGGER g BEFORE TRUNCATE ON t EXECUTE FUNCTION f()"
    )
    why = explained(connection, "ALTER TABLE t ADD UNIQUE (c)")
    assert why == "Duplicates of (c): (1) in 2 rows."


@pytest.mark.slow
def test_a_statement_that_changes_rows_is_not_run_again(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (c int UNIQUE); INSERT INTO t VALUES (1)")
    assert explained(connection, "INSERT INTO t VALUES (1)") == ""


@pytest.mark.slow
def test_what_cannot_be_listed_says_why(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (c int); INSERT INTO t VALUES (1), (2)")
    why = explained(connection, "ALTER TABLE t ADD d int DEFAULT 5, ADD UNIQUE (d)")
    assert why.startswith("Which rows are in the way could not be read: Column ")


def test_a_superuser_runs_no_function_of_the_database(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (c int); INSERT INTO t VALUES (1);"
        "CREATE FUNCTION f(int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 > 1"
    )
    why = explained(connection, "ALTER TABLE t ADD CHECK (f(c))")
    assert "no superuser may run" in why


@pytest.mark.slow
def test_a_long_value_is_cut(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (c text); INSERT INTO t SELECT repeat('x', 900) FROM generate_series(1, 2)"
    )
    assert len(explained(connection, "ALTER TABLE t ADD UNIQUE (c)")) < 100


def test_the_server_names_what_an_error_is_about(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (c int CONSTRAINT positive CHECK (c > 0))")
    with pytest.raises(StatementError) as caught:
        connection.execute("INSERT INTO t VALUES (-1)")
    named = caught.value.named
    assert (named.schema, named.table, named.constraint) == ("public", "t", "positive")


@pytest.mark.slow
def test_what_is_no_table_is_said_to_be_none(connection: Connection) -> None:
    connection.execute("CREATE MATERIALIZED VIEW m AS SELECT 1 AS c FROM generate_series(1, 2)")
    why = explained(connection, "CREATE UNIQUE INDEX i ON m (c)")
    assert why == 'Which rows are in the way could not be read: "m" is not a table.'
