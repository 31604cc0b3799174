"""SQL is split, located and classified by PostgreSQL's own parser."""

import pickle
import time
from dataclasses import replace

import postgast
import pytest

from runbook_lib.findings import Finding
from runbook_lib.parser import parse, tree
from runbook_lib.parser.parse import fingerprint, read_statements
from runbook_lib.parser.statement import DbObject, Statement

FILE = "0001_a/migration.sql"


def read(sql: str) -> tuple[Statement, ...]:
    statements, findings = read_statements(sql, FILE)
    assert findings == ()
    return statements


def one(sql: str) -> Statement:
    (statement,) = read(sql)
    return statement


def lines(sql: str) -> list[int]:
    return [statement.line for statement in read(sql)]


def refused(sql: str) -> Finding:
    """Return the only thing that cannot be read."""
    _, (finding,) = read_statements(sql, FILE)
    assert finding.blocks
    return finding


# --- splitting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", ["", " \n\t\n", "-- nothing\n/* at all */", ";;\n;"])
def test_a_file_without_statements_has_none(sql: str) -> None:
    assert read(sql) == ()


def test_the_last_semicolon_may_be_missing() -> None:
    found = read("SELECT 1;\nSELECT 2")
    assert [item.sql for item in found] == ["SELECT 1", "SELECT 2"]


def test_a_semicolon_inside_quotes_splits_nothing() -> None:
    sql = """CREATE TABLE "a;b" (c text DEFAULT ';'); SELECT E'\\';' AS "x;y";"""
    assert len(read(sql)) == 2


def test_a_semicolon_inside_a_dollar_quoted_body_splits_nothing() -> None:
    body = "BEGIN\n  PERFORM 1; /* ; */\n  RETURN;\nEND"
    sql = f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$ {body} $body$;\nSELECT 1;"
    function, after = read(sql)
    assert function.sql.endswith("$body$")
    assert after.line == 5


def test_comments_before_between_and_behind_statements_do_not_count() -> None:
    sql = "-- a; b\n/* c\n /* nested; */ */ SELECT 1; -- d;\n\n-- e\nSELECT /* ; */ 2; -- f"
    assert [item.line for item in read(sql)] == [3, 6]
    assert read(sql)[1].sql == "SELECT /* ; */ 2"


def test_windows_line_ends_do_not_shift_lines() -> None:
    assert lines("SELECT 1;\r\n\r\n-- c\r\nSELECT 2;\r\n") == [1, 4]


def test_text_of_several_bytes_does_not_shift_statements() -> None:
    first, second = read("SELECT 'ünï€😀'; -- ñ\nSELECT '日本';")
    assert (first.sql, second.sql, second.line) == ("SELECT 'ünï€😀'", "SELECT '日本'", 2)


# --- places -------------------------------------------------------------------------------------


def test_a_reference_has_the_line_it_is_written_on() -> None:
    (reference,) = one("\n\nINSERT INTO\n  orders\nVALUES (1)").references
    assert (reference.object, reference.line) == (DbObject("relation", "public", "orders"), 4)


def test_a_foreign_key_has_the_line_it_is_written_on() -> None:
    sql = (
        'CREATE TABLE a (\n  id int,\n  "bId" int REFERENCES "B" ("key"),\n'
        "  FOREIGN KEY (id) REFERENCES c\n)"
    )
    assert [(str(item), item.line) for item in one(sql).foreign_keys] == [
        ("a.bId -> B.key", 3),
        ("a.id -> c.id", 4),
    ]


def test_a_foreign_key_added_later_is_one_too() -> None:
    sql = "ALTER TABLE a\n ADD CONSTRAINT k FOREIGN KEY (x, y) REFERENCES b (v, w)"
    (key,) = one(sql).foreign_keys
    assert (str(key), key.line) == ("a.x,y -> b.v,w", 2)


# --- what a statement creates and removes -------------------------------------------------------


def test_a_table_is_created_with_its_columns() -> None:
    assert one('CREATE TABLE IF NOT EXISTS s."ConsentLog" (id int, "userId" text)').creates == (
        DbObject("table", "s", "ConsentLog"),
        DbObject("column", "s", "id", "ConsentLog"),
        DbObject("column", "s", "userId", "ConsentLog"),
    )


@pytest.mark.parametrize(
    ("sql", "created"),
    [
        ("CREATE TYPE \"Role\" AS ENUM ('A')", DbObject("enum", "public", "Role")),
        ("CREATE TYPE s.role AS ENUM ()", DbObject("enum", "s", "role")),
        ("CREATE DOMAIN d AS int", DbObject("type", "public", "d")),
        ("CREATE TYPE c AS (x int)", DbObject("type", "public", "c")),
        ("CREATE INDEX i ON s.t (c)", DbObject("index", "s", "i", "t")),
        ("CREATE VIEW v AS SELECT 1", DbObject("view", "public", "v")),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1", DbObject("view", "public", "m")),
        ("CREATE TABLE t AS SELECT 1", DbObject("table", "public", "t")),
        ("CREATE TEMP TABLE t AS SELECT 1", DbObject("table", "pg_temp", "t")),
        ("CREATE SEQUENCE q", DbObject("sequence", "public", "q")),
        ("CREATE SCHEMA s", DbObject("schema", "", "s")),
        ("CREATE EXTENSION citext", DbObject("extension", "", "citext")),
        ("ALTER TABLE t ADD COLUMN c int", DbObject("column", "public", "c", "t")),
        ("ALTER TABLE a RENAME TO b", DbObject("table", "public", "b")),
        ("ALTER TABLE t RENAME COLUMN a TO b", DbObject("column", "public", "b", "t")),
        ("ALTER TYPE a RENAME TO b", DbObject("enum", "public", "b")),
        ("ALTER INDEX a RENAME TO b", DbObject("index", "public", "b")),
        (
            "CREATE TRIGGER g BEFORE UPDATE ON t EXECUTE FUNCTION f()",
            DbObject("trigger", "public", "g", "t"),
        ),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
            DbObject("function", "public", "f"),
        ),
    ],
)
def test_what_is_created(sql: str, created: DbObject) -> None:
    assert one(sql).creates == (created,)


def test_an_index_without_a_name_is_not_guessed_at() -> None:
    statement = one("CREATE INDEX ON t (c)")
    assert statement.creates == ()
    assert statement.label == "create index (unnamed) on t"


@pytest.mark.parametrize(
    ("sql", "removed"),
    [
        ("DROP TABLE s.t", DbObject("table", "s", "t")),
        ("DROP INDEX i", DbObject("index", "public", "i")),
        ("DROP VIEW v", DbObject("view", "public", "v")),
        ("DROP MATERIALIZED VIEW m", DbObject("view", "public", "m")),
        ('DROP TYPE "Role"', DbObject("enum", "public", "Role")),
        ("ALTER TABLE t DROP COLUMN c", DbObject("column", "public", "c", "t")),
        ("ALTER TABLE a RENAME TO b", DbObject("table", "public", "a")),
        ("ALTER TABLE t RENAME COLUMN a TO b", DbObject("column", "public", "a", "t")),
        ("ALTER TYPE a RENAME TO b", DbObject("enum", "public", "a")),
    ],
)
def test_what_is_removed(sql: str, removed: DbObject) -> None:
    assert one(sql).removes == (removed,)


def test_a_drop_of_several_tables_removes_each() -> None:
    assert [item.name for item in one("DROP TABLE a, b, c").removes] == ["a", "b", "c"]


# --- what a statement needs ---------------------------------------------------------------------


def test_the_name_of_a_cte_is_no_reference() -> None:
    sql = "WITH recent AS (SELECT * FROM orders) SELECT * FROM recent"
    assert [item.object.name for item in one(sql).references] == ["orders"]


def test_a_table_that_refers_to_itself_needs_nothing() -> None:
    assert one("CREATE TABLE a (up text REFERENCES a)").foreign_keys
    assert not any(
        item.object.kind == "relation"
        for item in one("CREATE TABLE a (b text REFERENCES a)").references
    )


def test_alter_table_if_exists_needs_no_table() -> None:
    assert one("ALTER TABLE IF EXISTS a DROP COLUMN b").references == ()


def test_a_column_needs_its_type() -> None:
    (reference,) = one('CREATE TABLE a (role "UserRole")').references
    assert reference.object == DbObject("type", "public", "UserRole")


# --- transactions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON t (c)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX (CONCURRENTLY) TABLE t",
        "REINDEX DATABASE d",
        "REINDEX SCHEMA s",
        "VACUUM t",
        "CLUSTER",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CREATE DATABASE d",
        "DROP DATABASE d",
    ],
)
def test_what_cannot_be_in_a_transaction(sql: str) -> None:
    assert not one(sql).transactional


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON t (c)",
        "DROP INDEX i",
        "REINDEX INDEX i",
        "ANALYZE t",
        "CLUSTER t USING i",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TYPE e ADD VALUE 'x'",
    ],
)
def test_what_can_be_in_a_transaction(sql: str) -> None:
    assert one(sql).transactional


@pytest.mark.parametrize(
    ("sql", "control"),
    [
        ("BEGIN", "begin"),
        ("START TRANSACTION", "begin"),
        ("COMMIT", "commit"),
        ("END", "commit"),
        ("ROLLBACK", "rollback"),
        ("SAVEPOINT s", ""),
        ("SELECT 1", ""),
    ],
)
def test_what_opens_and_closes_a_transaction(sql: str, control: str) -> None:
    assert one(sql).control == control


def test_a_do_block_is_opaque() -> None:
    assert one("DO $$ BEGIN EXECUTE 'CREATE TABLE t ()'; END $$").opaque


# --- what is refused ----------------------------------------------------------------------------


def test_a_syntax_error_has_file_line_and_sqlstate() -> None:
    error = refused("SELECT 1;\n\nCREATE TABEL t (id int);")
    assert (error.place, error.sqlstate) == (f"{FILE}:3", "42601")
    assert 'syntax error at or near "tabel"' in error.cause.lower()


def test_the_line_of_an_error_is_right_behind_text_of_several_bytes() -> None:
    assert refused("SELECT '日本語 ünï€😀';\n-- ñ😀\nSELEC 1;").line == 3


def test_the_line_of_an_error_is_right_with_windows_line_ends() -> None:
    assert refused("SELECT 1;\r\n\r\nSELEC 1;\r\n").line == 3


@pytest.mark.parametrize("character", [*"{}`~^\x01\xa0\u2028"])
def test_no_character_keeps_the_other_statements_from_being_read(character: str) -> None:
    sql = f"CREATE TABLE a (id int);\nSELECT {character}x FRM y z;\nSELECT 1;"
    statements, (defect,) = read_statements(sql, "a.sql")
    assert (len(statements), defect.line, defect.sqlstate) == (2, 2, "42601")


def test_an_unterminated_string_is_a_syntax_error() -> None:
    error = refused("SELECT 1;\nSELECT 'abc;\n")
    assert (error.sqlstate, error.line) == ("42601", 2)


@pytest.mark.parametrize("command", ["\\i other.sql", "\\connect other", "\\set ON_ERROR_STOP on"])
def test_a_psql_meta_command_is_refused_with_its_line(command: str) -> None:
    error = refused(f"SELECT 1;\n{command}\nSELECT 2;")
    assert error.place == f"{FILE}:2"
    assert f"{command.split(maxsplit=1)[0]} is a psql meta-command" in error.cause


def test_a_meta_command_behind_a_statement_on_its_line_is_refused() -> None:
    error = refused("SELECT 1\n\\gexec\n")
    assert (error.line, "\\gexec is a psql meta-command" in error.cause) == (2, True)


def test_copy_from_stdin_with_rows_is_refused_with_its_line() -> None:
    error = refused("SELECT 1;\nCOPY t (a, b) FROM stdin;\n1\tx\n2\ty\n\\.\nSELECT 2;")
    assert error.place == f"{FILE}:2"
    assert "COPY FROM STDIN" in error.cause


def test_copy_from_stdin_over_two_lines_is_refused_with_its_first_line() -> None:
    assert refused("SELECT 1;\n\nCOPY t (a, b)\n  FROM stdin;\n1\tx\n\\.\n").line == 3


def test_copy_from_stdin_without_rows_is_refused_with_its_line() -> None:
    assert refused("SELECT 1;\nCOPY t FROM STDIN;").place == f"{FILE}:2"


def test_copy_from_a_file_of_the_server_is_sql() -> None:
    assert one("COPY t FROM '/data/t.csv'").kind == "copy"


def test_a_nul_byte_is_refused_with_its_line() -> None:
    error = refused("SELECT 1;\nSELECT '\0';")
    assert (error.place, "NUL byte" in error.cause) == (f"{FILE}:2", True)


# --- going on behind what cannot be read --------------------------------------------------------


def recovered(sql: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return line and kind of what was kept, and line and rule of what was not."""
    statements, findings = read_statements(sql, FILE)
    kept = [(item.line, item.kind) for item in statements]
    return kept, [(item.line, item.rule) for item in findings]


@pytest.mark.parametrize(
    ("sql", "kept", "found"),
    [
        (
            "SELECT 1;\nSELEC 2;\nCREATE TABLE a (b int;\nSELECT 3;\nALTER TABLE;\nSELECT 4",
            [(1, "select"), (4, "select"), (6, "select")],
            [(2, "syntax-error"), (3, "syntax-error"), (5, "syntax-error")],
        ),
        (
            "CREATE TABLE a ()\nCREATE TABLE b ();\nSELECT 1;",
            [(1, "create"), (2, "create"), (3, "select")],
            [(2, "syntax-error")],
        ),
        (
            "\\set a 'b\nSELECT 1;\nSELECT 2 \\gexec\nSELECT 3;",
            [(2, "select"), (3, "select"), (4, "select")],
            [(1, "psql-meta-command"), (3, "psql-meta-command")],
        ),
        (
            "SELECT 1;\nCOPY t FROM stdin;\n1\tit's; \"\n2\t$$\n\\.\nSELECT 2;\nSELEC 3;",
            [(1, "select"), (6, "select")],
            [(2, "copy-from-stdin"), (7, "syntax-error")],
        ),
        ("SELECT 1;\nSELECT 'abc;\nSELECT 2;", [(1, "select")], [(2, "unterminated")]),
        ("SELECT 1;\n/* abc;\nSELECT 2;", [(1, "select")], [(2, "unterminated")]),
        ("SELECT 1;\nSELECT $a$ x $b$;\n", [(1, "select")], [(2, "unterminated")]),
        (
            "SELEC 1;\nCREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2);\nSELECT 3;",
            [(2, "rule"), (3, "select")],
            [(1, "syntax-error")],
        ),
        (
            "SELEC 1;\nCREATE FUNCTION f() RETURNS int LANGUAGE sql\n"
            "BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;\nSELECT 3;",
            [(2, "create function"), (4, "select")],
            [(1, "syntax-error")],
        ),
        (
            "SELECT 'é'; SELEC 1; /* /* ; */ ; */ SELECT \"a;'b\", E'\\';', U&\"d\\0061\";\n"
            "-- '\nSELECT 5",
            [(1, "select"), (1, "select"), (3, "select")],
            [(1, "syntax-error")],
        ),
        ("SELECT '\0';\nSELEC 1;", [(1, "select")], [(1, "nul-byte"), (2, "syntax-error")]),
        (
            "SELEC 1;\r\nSELECT 2;\r\nSELEC 3;",
            [(2, "select")],
            [(1, "syntax-error"), (3, "syntax-error")],
        ),
        ("SELECT :name;\nSELECT 100 % 7;", [(2, "select")], [(1, "syntax-error")]),
    ],
)
def test_every_error_is_found_and_every_readable_statement_kept(
    sql: str, kept: list[tuple[int, str]], found: list[tuple[int, str]]
) -> None:
    assert recovered(sql) == (kept, found)


def test_a_recovered_statement_is_what_a_readable_file_gives() -> None:
    good = "CREATE TABLE a (id int REFERENCES b);\nUPDATE a SET id = 1;\n"
    statements, _ = read_statements(good + "SELEC 1;", FILE)
    assert statements == read(good)


def test_what_lies_behind_a_missing_semicolon_is_told_apart() -> None:
    assert refused("CREATE TABLE a ()\nCREATE TABLE b ();").remedy == "Write a semicolon before it."


# --- search_path and schemas --------------------------------------------------------------------


def test_names_belong_to_the_schema_that_the_file_sets() -> None:
    _, table, _, other = read(
        "SET search_path = app, public; CREATE TABLE t (id int REFERENCES u);"
        "RESET search_path; CREATE TABLE v ()"
    )
    assert table.creates[0] == DbObject("table", "app", "t")
    assert table.locks[0].relation == DbObject("relation", "app", "u")
    assert other.creates[0] == DbObject("table", "public", "v")


def test_set_schema_moves_a_table() -> None:
    statement = one("ALTER TABLE t SET SCHEMA app")
    assert statement.creates == (DbObject("table", "app", "t"),)
    assert statement.removes == (DbObject("table", "public", "t"),)


# --- the parse fingerprint ----------------------------------------------------------------------


def test_comments_do_not_change_the_fingerprint_and_constants_do() -> None:
    plain = fingerprint("SELECT 1; SELECT 2")
    assert fingerprint("-- why\nselect  1;\n\nSELECT 2;") == plain
    assert fingerprint("SELECT 1; SELECT 3") != plain
    assert fingerprint("SELEC 1") == ""


# --- the tree -------------------------------------------------------------------------------------


def test_a_tree_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ((statement, _), _) = read_statements("CREATE TABLE a (id int);\nSELECT 1", "a.sql")
    parsed = list[str]()

    def counted(sql: str) -> tree.Node:
        parsed.append(sql)
        return postgast.parse(sql)

    monkeypatch.setattr(tree, "parse", counted)
    assert (statement.tag, statement.node.relation.relname) == ("create_stmt", "a")
    assert parsed == []
    other = replace(statement, sql="CREATE TABLE b (id int)")
    assert [other.node.relation.relname for _ in range(2)] == ["b", "b"]
    assert parsed == ["CREATE TABLE b (id int)"]


def test_a_tree_is_neither_compared_nor_pickled_nor_shown() -> None:
    ((statement,), _) = read_statements("SELECT 1", "a.sql")
    again = pickle.loads(pickle.dumps(statement))
    assert "tree" not in vars(again)
    assert again == statement
    assert again.node.target_list == statement.node.target_list
    assert "tree" not in repr(statement)


def test_each_statement_of_a_body_has_its_own_tree() -> None:
    body = "\nDELETE FROM a;\n\nDELETE FROM b;\n"
    sql = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $${body}$$"
    ((statement,), _) = read_statements(sql, "a.sql")
    assert [item.node.relation.relname for item in statement.inner] == ["a", "b"]
    assert [item.line for item in statement.inner] == [2, 4]


def test_four_times_as_many_statements_take_about_four_times_as_long() -> None:
    def seconds(count: int) -> float:
        sql = "\n".join(f"INSERT INTO t VALUES ({n}, 'a; {n}');" for n in range(count))
        begin = time.process_time()
        read_statements(sql, "a.sql")
        return time.process_time() - begin

    few, many = (min(seconds(count) for _ in range(3)) for count in (1_000, 4_000))
    assert many / few < 8  # quadratic would be 16


@pytest.mark.parametrize("scanned", [1, 7, 64])
def test_a_broken_file_reads_the_same_however_much_is_scanned_at_once(
    scanned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = (
        "CREATE TABLE a (b text DEFAULT 'x;\n;y');\n/* ; \n */ \\echo ü\n"
        "INSRT INTO a VALUES (1);\nDO $$ BEGIN\nDELETE FROM a;\nEND $$;\n"
        "COPY a FROM stdin;\n1;\n\\.\nCREATE RULE r AS ON UPDATE TO a DO (SELECT 1; SELECT 2);\n"
        "SELECT 'never closed;\n"
    )
    whole = read_statements(sql, "a.sql")
    assert [item.rule for item in whole[1]] == [
        *("psql-meta-command", "syntax-error", "copy-from-stdin", "unterminated")
    ]
    monkeypatch.setattr(parse, "_SCANNED", scanned)
    assert read_statements(sql, "a.sql") == whole


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ("CREATE SEQUENCE s", ["s"]),
        ("CREATE TYPE p AS (a int)", ["p"]),
        (
            "CREATE SCHEMA z CREATE TABLE t (i int) CREATE VIEW v AS SELECT * FROM t",
            ["z", "z.t", "z.t.i", "z.v"],
        ),
        ("ALTER TYPE p ADD ATTRIBUTE a int", []),
        ("ALTER TYPE p DROP ATTRIBUTE a", []),
        ("ALTER TYPE p RENAME ATTRIBUTE a TO b", []),
    ],
)
def test_what_is_made_needs_no_relation_before(sql: str, made: list[str]) -> None:
    found = one(sql)
    assert [str(item) for item in found.creates] == made
    assert not found.removes
    assert not [item for item in found.references if item.object.kind == "relation"]
