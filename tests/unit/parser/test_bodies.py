"""The SQL inside DO blocks, functions and procedures is read, with its lines."""

import pytest

from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import Statement
from runbook_lib.parser.transactions import calling, committing


def one(sql: str) -> Statement:
    (statement,), findings = read_statements(sql, "a.sql")
    assert findings == ()
    return statement


def inner(sql: str) -> list[tuple[int, str]]:
    return [(item.line, item.label) for item in one(sql).inner]


BLOCK = """DO $do$
DECLARE n int;
BEGIN
  IF n > 0 THEN
    DROP TABLE a;
  ELSE
    FOR n IN SELECT id FROM b LOOP
      BEGIN
        UPDATE c SET x = 1;
      EXCEPTION WHEN others THEN
        DELETE FROM d;
      END;
    END LOOP;
  END IF;
  COMMIT;
END
$do$"""


def test_a_block_is_read_through_its_branches_and_loops() -> None:
    assert inner("\n" + BLOCK) == [
        (6, "drop"),
        (8, "select"),
        (10, "update c"),
        (12, "delete d"),
        (16, "commit"),
    ]


def test_a_block_that_commits_cannot_be_in_a_transaction() -> None:
    assert not one(BLOCK).transactional
    assert one(BLOCK.replace("COMMIT;", "")).transactional


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n  DELETE FROM a;\nEND $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE 'plpgsql' AS\n$$\nBEGIN DELETE FROM a;\nEND $$",
        "CREATE PROCEDURE f() LANGUAGE sql AS $$\n\nDELETE FROM a;\n$$",
        "CREATE FUNCTION f() RETURNS void AS $$\n\n  DELETE FROM a\n$$ LANGUAGE sql",
    ],
)
def test_the_body_of_a_function_is_read(sql: str) -> None:
    assert inner(sql) == [(3, "delete a")]


def test_the_body_of_a_standard_function_is_read() -> None:
    sql = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM a; SELECT 1; END"
    assert [label for _, label in inner(sql)] == ["delete a", "select"]


@pytest.mark.parametrize(
    ("expression", "label"),
    [
        ("'DROP TABLE a'", "drop"),
        ("format('DROP TABLE %I', n)", "drop"),
        ("format('DELETE FROM %1$I WHERE a = %2$L', n, 1)", "delete placeholder"),
        ("'DROP TABLE ' || quote_ident(n)", "drop"),
        ("n", "dynamic SQL"),
        ("concat('DROP ', n)", "dynamic SQL"),
    ],
)
def test_dynamic_sql_is_read_as_far_as_it_is_known(expression: str, label: str) -> None:
    sql = f"DO $$ DECLARE n text; BEGIN\nEXECUTE {expression}; END $$"
    assert inner(sql) == [(2, label)]


def test_a_body_in_another_language_is_not_passed_over() -> None:
    assert inner("DO LANGUAGE plperl $$ print 1; $$") == [(1, "dynamic SQL")]


@pytest.mark.parametrize(
    ("sql", "called"),
    [
        ("SELECT f(1), s.g()", {"public.f", "s.g"}),
        ("CALL p()", {"public.p"}),
        ("UPDATE t SET a = f()", {"public.f"}),
        ("CREATE TABLE t (a int DEFAULT f())", set()),
    ],
)
def test_the_functions_that_run_with_a_statement_are_named(sql: str, called: set[str]) -> None:
    assert set(one(sql).calls) == called


# --- calls --------------------------------------------------------------------------------------

COMMITS = "CREATE PROCEDURE a() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$"
CALLS = "CREATE PROCEDURE s.b() LANGUAGE plpgsql AS $$ BEGIN CALL a(); END $$"
NEITHER = "CREATE PROCEDURE c() LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$"


@pytest.mark.parametrize(
    ("sql", "transactional"),
    [
        ("CALL a()", False),
        ("CALL s.b()", False),
        ("DO $$ BEGIN CALL b(); END $$", False),
        ("CALL c()", True),
        ("CALL unknown()", True),
        (CALLS, True),
        ("SELECT a()", True),
    ],
)
def test_a_call_of_what_commits_cannot_be_in_a_transaction(sql: str, transactional: bool) -> None:
    statements, _ = read_statements(";\n".join([CALLS, COMMITS, NEITHER, sql]), "x.sql")
    found = calling(statements, committing(statements))
    assert found[-1].transactional is transactional
    assert [item.transactional for item in found[:-1]] == [True] * 3
