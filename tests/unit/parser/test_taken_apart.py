"""What a plan sends in place of a file's statement does the same, and parses."""

from pathlib import Path

import postgast
import pytest

from runbook_lib.parser import transactions
from runbook_lib.parser.statement import LockMode, Split, Statement
from tests.support.releases import migration_of

KEY = "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES r (id)"
ODD_KEY = KEY.replace("TABLE t", 'TABLE "Odd ""table"').replace(" k ", ' "K é" ')


def one(tmp_path: Path, sql: str) -> Statement:
    (statement,) = migration_of(tmp_path, sql).statements
    return statement


def same(sql: str, other: str) -> bool:
    """Tell whether the parser makes the same of both."""
    first, second = (postgast.deparse(postgast.parse(text)) for text in (sql, other))
    return bool(first == second)


UNIQUE = """CREATE UNIQUE INDEX i ON t USING btree (lower(c) COLLATE "C" DESC) INCLUDE (d)
NULLS NOT DISTINCT WITH (fillfactor=70) WHERE e"""


@pytest.mark.parametrize(
    ("sql", "begins"),
    [
        ("CREATE INDEX i ON t (c)", "CREATE INDEX CONCURRENTLY i ON t"),
        ("create unique index i on t (c)", "create unique index CONCURRENTLY i on"),
        ("CREATE INDEX IF NOT EXISTS i ON t(c)", "CREATE INDEX CONCURRENTLY IF NOT EXISTS i"),
        ("cReAtE\n/* index */\niNdEx\n\ni ON t (c) -- INDEX", "cReAtE\n/* index */\niNdEx CONCUR"),
        ('CREATE INDEX "index" ON "an index" ("INDEX")', 'CREATE INDEX CONCURRENTLY "index"'),
        (
            "CREATE /* é 索引 */ INDEX \"ï\" ON t (c) WHERE d = 'ö'",
            "CREATE /* é 索引 */ INDEX CONC",
        ),
        (UNIQUE, "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (lower(c) COLLATE"),
    ],
)
def test_a_concurrent_build_is_the_same_index_on_the_same_lines(
    tmp_path: Path, sql: str, begins: str
) -> None:
    plain = one(tmp_path, sql)
    built = transactions.concurrently(plain)
    assert built.sql.startswith(begins)
    tree = postgast.parse(built.sql)
    assert tree.stmts[0].stmt.index_stmt.concurrent
    tree.stmts[0].stmt.index_stmt.concurrent = False
    assert same(postgast.deparse(tree), plain.sql)
    assert built.sql.replace(" CONCURRENTLY", "", 1) == plain.sql  # nothing else, no line moved
    assert (built.line, built.number, built.creates) == (plain.line, plain.number, plain.creates)
    assert built.label == plain.label.replace("create index", "create index concurrently", 1)
    assert not built.transactional
    assert [lock.mode for lock in built.locks] == [LockMode.SHARE_UPDATE_EXCLUSIVE]


@pytest.mark.parametrize(
    ("sql", "table", "name"),
    [
        (KEY, "t", "k"),
        (f"{KEY} -- a comment", "t", "k"),
        (f"{KEY} ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED", "t", "k"),
        (ODD_KEY, '"Odd ""table"', '"K é"'),
        (KEY.replace("TABLE t", "TABLE ONLY s.t"), "s.t", "k"),
    ],
)
def test_a_foreign_key_apart_is_added_not_valid_and_then_validated(
    tmp_path: Path, sql: str, table: str, name: str
) -> None:
    migration = migration_of(tmp_path, f"{sql}\n")
    added, validated = transactions.transactions_of(migration.statements, Split(apart=(1,)))
    (first,), (second,) = added.statements, validated.statements
    plain = sql.partition(" --")[0]
    assert same(first.sql, f"{plain} NOT VALID")
    assert same(second.sql, f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
    assert (added.in_block, validated.in_block) == (True, True)
    assert (first.scans, bool(second.scans)) == ((), True)
    assert not any(lock.mode.stops_writes for lock in second.locks)
