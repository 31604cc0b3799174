"""Each hazard rule finds its bad example and passes its good one; both are run on the server."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.checks.review import RULES
from runbook_lib.errors import StatementError
from runbook_lib.findings import Finding
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import find_hazards
from runbook_lib.parser.statement import Lock, LockMode, Statement
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.model import Migration
from tests.support.releases import migration_of

EXAMPLES = Path(__file__).parents[2] / "data" / "hazards"
STRONG = set(list(LockMode)[3:])  # from SHARE UPDATE EXCLUSIVE on
RANK = {mode.value: rank for rank, mode in enumerate(LockMode)}
_TABLES = """
SELECT n.nspname || '.' || c.relname AS name, c.oid::int AS oid, pg_relation_filenode(c.oid) AS file
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'm', 'v')
"""
_HELD = """
SELECT DISTINCT relation::int AS oid, mode FROM pg_locks
WHERE locktype = 'relation' AND pid = %(pid)s
"""
Held = set[tuple[str, str]]


def marked(sql: str, key: str) -> str:
    """Return what a comment at the head of an example says."""
    lines = [line for line in sql.splitlines() if line.startswith(f"-- {key}: ")]
    return lines[0].split(": ", 1)[1] if lines else ""


def found(connection: Connection, migration: Migration) -> set[str]:
    facts = catalog.read_facts(connection, 17)
    return {item.rule for item in find_hazards([migration], facts, (), RULES)}


def test_every_rule_has_its_examples() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(RULES)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_finds_the_bad_example_and_not_the_good_one(
    rule: str, connection: Connection, tmp_path: Path
) -> None:
    connection.execute((EXAMPLES / rule / "setup.sql").read_text())
    bad, good = ((EXAMPLES / rule / f"{name}.sql").read_text() for name in ("bad", "good"))
    also = set(marked(bad, "also").split(", ")) - {""}
    assert found(connection, migration_of(tmp_path / "bad", bad)) == {rule, *also}
    assert rule not in found(connection, migration_of(tmp_path / "good", good))


@pytest.mark.parametrize("example", ["bad", "good"])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_an_example_takes_the_locks_that_are_predicted(
    rule: str, example: str, target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute((EXAMPLES / rule / "setup.sql").read_text())
    sql = (EXAMPLES / rule / f"{example}.sql").read_text()
    migration = migration_of(tmp_path, sql)
    if marked(sql, "unwatched"):
        connection.execute(sql)
        return
    sqlstate = marked(sql, "sqlstate")
    whole = all(item.transactional and not item.control for item in migration.statements)
    if whole:
        connection.execute("BEGIN")
    try:
        for statement in migration.statements:
            _check(target, connection, statement)
    except StatementError as error:
        assert error.sqlstate == sqlstate, str(error)
    else:
        assert not sqlstate
    connection.execute("ROLLBACK")


def _check(target: Database, connection: Connection, statement: Statement) -> None:
    """Run one statement and compare its locks and rewrites with what was predicted."""
    before = {row["oid"]: row for row in connection.rows(_TABLES)}
    names = {oid: row["name"] for oid, row in before.items()}
    if statement.control or statement.opaque:
        connection.execute(statement.sql)
        return
    inside = connection.in_transaction()
    foreseen = predict(statement, catalog.read_facts(connection, 17))
    earlier = _held(connection, connection, names) if inside else set()
    if statement.transactional:
        if not inside:
            connection.execute("BEGIN")
        connection.execute(statement.sql)
        held = _held(connection, connection, names)
    elif inside:
        connection.execute(statement.sql)  # the server refuses it
        return
    else:
        held = _while_it_waits(target, connection, statement, names, foreseen.locks)
    after = {row["oid"]: row for row in connection.rows(_TABLES)}
    if statement.transactional and not inside:
        connection.execute("COMMIT")
    predicted = {
        (lock.relation.qualified, lock.mode.value)
        for lock in foreseen.locks
        if lock.relation.qualified in names.values()
    }
    assert predicted <= held
    strongest = dict(predicted)
    for table, mode in held - earlier:
        # A weaker one beside the strongest, for an index that is built anew, is no news.
        if mode in STRONG:
            assert RANK[mode] <= RANK.get(strongest.get(table, ""), -1), (table, mode)
    rewritten = {
        row["name"]
        for oid, row in before.items()
        if oid in after and row["file"] != after[oid]["file"]
    }
    assert rewritten == {item.qualified for item in foreseen.rewrites}


def _held(watcher: Connection, session: Connection, names: dict[int, str]) -> Held:
    pid = session.value("SELECT pg_backend_pid()")
    rows = watcher.rows(_HELD, {"pid": pid})
    return {(names[row["oid"]], row["mode"]) for row in rows if row["oid"] in names}


def _while_it_waits(
    target: Database,
    connection: Connection,
    statement: Statement,
    names: dict[int, str],
    locks: tuple[Lock, ...],
) -> Held:
    """Keep the statement waiting behind an open transaction, and read its locks meanwhile."""
    pid = connection.value("SELECT pg_backend_pid()")
    tables = [lock.relation.qualified for lock in locks]
    seen: Held = set()
    with target.connect() as blocker, target.connect() as watcher:
        blocker.execute("BEGIN")
        for table in tables:
            blocker.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        runner = threading.Thread(target=connection.execute, args=(statement.sql,))
        runner.start()
        until = time.monotonic() + 10
        while time.monotonic() < until and not seen:
            rows = watcher.rows(_HELD, {"pid": pid})
            seen = {(names[row["oid"]], row["mode"]) for row in rows if row["oid"] in names}
            time.sleep(0.02)
        blocker.execute("ROLLBACK")
        runner.join(timeout=30)
    return seen


SHOP = """
CREATE TABLE t (id int PRIMARY KEY, n int, name text CONSTRAINT named CHECK (name <> ''));
CREATE TABLE u (id int PRIMARY KEY, t_id int);
CREATE INDEX t_n ON t (n);
CREATE VIEW v AS SELECT * FROM t;
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE part (id int);
CREATE TABLE parent (id int);
CREATE TABLE kid (id int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER fired BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO t SELECT n, n, 'x' FROM generate_series(1, 9) n;
"""
STATEMENTS = [
    "ALTER TABLE t ADD COLUMN a int",
    "ALTER TABLE t ALTER COLUMN n SET DEFAULT 1",
    "ALTER TABLE t ALTER COLUMN n SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN n SET STATISTICS 100",
    "ALTER TABLE t ALTER COLUMN n SET (n_distinct = 5)",
    "ALTER TABLE t ALTER COLUMN n SET STORAGE PLAIN",
    "ALTER TABLE t SET (fillfactor = 70)",
    "ALTER TABLE t DROP CONSTRAINT named",
    "ALTER TABLE t ADD CHECK (n > 0) NOT VALID",
    "ALTER TABLE u ADD FOREIGN KEY (t_id) REFERENCES t",
    "ALTER TABLE u ADD COLUMN r int REFERENCES t",
    "ALTER TABLE u DISABLE TRIGGER fired",
    "ALTER TABLE t CLUSTER ON t_pkey",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE t REPLICA IDENTITY FULL",
    "ALTER TABLE kid INHERIT parent",
    "ALTER TABLE t SET UNLOGGED",
    "ALTER TABLE t RENAME TO s",
    "ALTER TABLE t RENAME COLUMN n TO m",
    "ALTER TABLE p ATTACH PARTITION part FOR VALUES FROM (0) TO (9)",
    "CREATE TABLE q PARTITION OF p FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE q (LIKE t INCLUDING ALL)",
    "CREATE TABLE q (id int REFERENCES t)",
    "CREATE TABLE q () INHERITS (parent)",
    "CREATE TABLE q AS SELECT * FROM t",
    "CREATE INDEX i ON t (name)",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE RULE r AS ON INSERT TO kid DO NOTHING",
    "CREATE POLICY y ON t USING (true)",
    "CREATE STATISTICS st ON id, n FROM t",
    "CREATE VIEW w AS SELECT * FROM u",
    "CREATE OR REPLACE VIEW v AS SELECT * FROM t",
    "CREATE PUBLICATION pub FOR TABLE kid",
    "COMMENT ON TABLE t IS 'x'",
    "COMMENT ON COLUMN t.n IS 'x'",
    "DROP TABLE kid",
    "DROP VIEW v",
    "DROP TRIGGER fired ON u",
    "TRUNCATE u",
    "LOCK TABLE t IN SHARE MODE",
    "ANALYZE t",
    "CLUSTER t USING t_pkey",
    "REINDEX TABLE t",
    "INSERT INTO u SELECT id, id FROM t",
    "UPDATE u SET t_id = 1",
    "DELETE FROM u USING t WHERE u.id = t.id",
    "MERGE INTO u USING t ON u.id = t.id WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM u RETURNING id) SELECT * FROM gone",
    "SELECT * FROM t JOIN u USING (id) FOR UPDATE OF t",
    "SELECT * FROM t AS x FOR SHARE",
    "EXPLAIN SELECT * FROM t",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_takes_the_locks_that_are_predicted(
    sql: str, target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SHOP)
    (statement,) = migration_of(tmp_path, sql).statements
    assert statement.locks
    connection.execute("BEGIN")
    # SELECT may run anything, by way of functions: here it does not.
    _check(target, connection, replace(statement, opaque=False))
    connection.execute("ROLLBACK")


# --- what the rules know ------------------------------------------------------------------------


def findings(connection: Connection, directory: Path, *files: str) -> Iterator[Finding]:
    facts = catalog.read_facts(connection, 17)
    migrations = [
        migration_of(directory / str(number), sql, f"000{number}")
        for number, sql in enumerate(files)
    ]
    yield from find_hazards(migrations, facts, (), RULES)


def test_a_table_without_rows_or_of_this_release_is_no_hazard(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE empty (id int)")
    files = (
        "CREATE INDEX e ON empty (id); CREATE TABLE fresh (id int)",
        "CREATE INDEX f ON fresh (id)",
    )
    assert list(findings(connection, tmp_path, *files)) == []


def test_a_block_is_looked_into_with_its_lines(connection: Connection, tmp_path: Path) -> None:
    connection.execute(SHOP)
    (finding,) = findings(
        connection, tmp_path, "SELECT 1;\nDO $$\nBEGIN\n  CREATE INDEX i ON t (n);\nEND $$"
    )
    assert (finding.rule, finding.line, finding.statement) == ("index-not-concurrent", 4, 2)
    assert "t (9 rows)" in finding.cause
