"""What only follows from an earlier failure is marked, and nothing else is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runbook_lib.evidence.records import Outcome, StatementRun
from runbook_lib.parser.parse import read_statements
from runbook_lib.rehearsal.failures import Failure, Unreadable, follow


def failure(sql: str, line: int, sqlstate: str, error: str) -> Failure:
    (statement,), _ = read_statements(sql, "a.sql")
    now = datetime.now(UTC)
    run = StatementRun("a", "a.sql", line, sql, Outcome.FAILED, 0.0, now)
    failed = replace(run, number=line, sqlstate=sqlstate, error=error)
    return Failure(failed, statement)


@pytest.mark.parametrize(
    ("first", "second", "sqlstate", "error"),
    [
        ("CREATE TABLE t ()", "DROP TABLE t", "42P01", 'Relation "t" does not exist.'),
        ("CREATE TABLE s.t ()", "DROP TABLE s.t", "42P01", 'Relation "s.t" does not exist.'),
        ("ALTER TABLE t ADD c int", "SELECT c FROM t", "42703", 'Column "c" does not exist.'),
        ("CREATE TYPE e AS ENUM ()", "CREATE TABLE u (x e)", "42704", 'Type "e" does not exist.'),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT f()",
            "42883",
            "Function f() does not exist.",
        ),
        ("DROP TABLE t", "CREATE TABLE t ()", "42P07", 'Relation "t" already exists.'),
        ("CREATE SCHEMA s", "CREATE TABLE s.t ()", "3F000", 'Schema "s" does not exist.'),
    ],
)
def test_a_failure_that_needs_what_an_earlier_one_did_not_do_names_it(
    first: str, second: str, sqlstate: str, error: str
) -> None:
    cause, follows = follow(
        [failure(first, 3, "42601", "no"), failure(second, 9, sqlstate, error)], [], ["a"]
    )
    assert (cause.follows, follows.follows) == ("", "a.sql:3")
    assert "a.sql:3" in follows.remedy


def test_an_unrelated_failure_follows_from_nothing() -> None:
    found = follow(
        [
            failure("CREATE TABLE t ()", 1, "42501", "no"),
            failure("SELECT 1 FROM u", 2, "42P01", 'Relation "u" does not exist.'),
            failure("ALTER TABLE t ADD UNIQUE (id)", 3, "23505", 'Key "t" is duplicated.'),
        ],
        [],
        ["a"],
    )
    assert [item.follows for item in found] == ["", "", ""]


def test_a_column_is_no_table_of_its_name() -> None:
    found = follow(
        [
            failure("CREATE TABLE b (a int REFERENCES c)", 1, "42P01", 'Relation "c" is not.'),
            failure("DROP TABLE a", 2, "42P01", 'Table "a" does not exist.'),
        ],
        [],
        ["a"],
    )
    assert [item.follows for item in found] == ["", ""]


def test_what_a_block_would_have_made_is_traced_to_it() -> None:
    block = "DO $$ BEGIN CREATE TABLE t (id int); END $$"
    found = follow(
        [
            failure(block, 1, "P0001", "No rows."),
            failure("SELECT FROM t", 2, "42P01", 'Relation "t" does not exist.'),
        ],
        [],
        ["a"],
    )
    assert [item.follows for item in found] == ["", "a.sql:1"]


def test_a_statement_that_is_taken_apart_fails_once() -> None:
    key = "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES b (c)"
    found = follow(
        [
            failure(key, 1, "42830", 'No unique constraint of "b".'),
            failure(key, 1, "42704", 'Constraint "k" does not exist.'),
        ],
        [],
        ["a"],
    )
    assert [item.sqlstate for item in found] == ["42830"]


def test_what_an_unreadable_statement_would_have_made_is_traced_to_it() -> None:
    broken = Unreadable("a", "a.sql:1", 'CREATE TABEL "orders" (id int)')
    named, other = follow(
        [
            failure("SELECT FROM orders", 2, "42P01", 'Relation "orders" does not exist.'),
            failure("SELECT FROM items", 3, "42P01", 'Relation "items" does not exist.'),
        ],
        [broken],
        ["a"],
    )
    assert (named.follows, other.follows) == ("a.sql:1", "")


def test_nothing_follows_from_what_comes_later() -> None:
    later = Unreadable("b", "b.sql:1", 'CREATE TABEL "orders" (id int)')
    failed = failure("SELECT FROM orders", 2, "42P01", 'Relation "orders" does not exist.')
    assert [item.follows for item in follow([failed], [later], ["a", "b"])] == [""]
