"""A revert drops what a run made and nothing else, or changes nothing at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib import catalog, ledger
from runbook_lib.apply import Applier
from runbook_lib.catalog import Snapshot
from runbook_lib.database import Connection, Database
from runbook_lib.errors import GateError, StatementError
from runbook_lib.model import Migration
from runbook_lib.policy import Policy
from runbook_lib.revert import Diagnosis, diagnose, revert
from tests.db.sessions import holding
from tests.db.snapshots import everything
from tests.releases import migration_of

POLICY = Policy(lock_timeout=0.5, lock_tries=2, lock_pause=0.1, runner_lock_wait=0.5)
OLD = """
CREATE TABLE users (id serial PRIMARY KEY, name text);
INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 20) n;
COMMENT ON TABLE users IS 'who may enter'; GRANT SELECT ON users TO pg_monitor;
CREATE FUNCTION old_one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE DOMAIN old_domain AS int;
"""


def seen(
    connection: Connection, before: Snapshot, after: Snapshot, names: tuple[str, ...] = ()
) -> Diagnosis:
    """Diagnose a run that made what stands in ``after`` and not in ``before``."""
    return diagnose(connection, before, after.objects.keys() - before.objects.keys(), names)


def undo(target: Database, diagnosis: Diagnosis, **accepted: int) -> None:
    revert(target, POLICY, diagnosis, accepted, lambda _: None)


@pytest.fixture
def before(connection: Connection) -> Snapshot:
    connection.execute(OLD)
    return catalog.take_snapshot(connection)


@pytest.fixture
def made(connection: Connection, before: Snapshot) -> Callable[[str], Diagnosis]:
    """Return what runs SQL as a run's own, and diagnoses it."""

    def run(sql: str) -> Diagnosis:
        connection.execute(sql)
        return seen(connection, before, catalog.take_snapshot(connection))

    return run


# --- kinds of objects ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE TABLE "Odd.Name" (id int PRIMARY KEY, "a.b" int UNIQUE, CHECK ("a.b" > 0))',
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a, id int UNIQUE);"
        "ALTER TABLE a ADD b int REFERENCES b (id)",
        "ALTER TABLE users ADD \"Mixed Case\" text DEFAULT 'x', ADD n int REFERENCES users",
        "ALTER TABLE users ADD g int GENERATED ALWAYS AS (id * 2) STORED",
        "CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN d AS mood; CREATE TABLE t (m mood, d d[])",
        "CREATE DOMAIN d AS int CONSTRAINT positive CHECK (VALUE > 0)",
        "ALTER DOMAIN old_domain ADD CONSTRAINT positive CHECK (VALUE > 0)",
        "CREATE TYPE pair AS (a int, b text); CREATE TYPE r AS RANGE (subtype = float8)",
        "CREATE VIEW v AS SELECT id FROM users; CREATE VIEW w AS SELECT * FROM v;"
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM w; CREATE INDEX ON m (id)",
        "CREATE FUNCTION f(a int, b text DEFAULT 'x;y') RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "ALTER TABLE users ADD CONSTRAINT c CHECK (f(id) > 0); CREATE INDEX i ON users (name)",
        "CREATE FUNCTION old_one(int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE PROCEDURE p(INOUT a int) LANGUAGE sql AS 'SELECT 1';"
        "CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION t()",
        "CREATE POLICY p ON users USING (true)",
        "CREATE RULE r AS ON DELETE TO users DO ALSO SELECT 1",
        "CREATE STATISTICS s ON id, name FROM users",
        "CREATE SEQUENCE s; CREATE TABLE t (a bigserial, b int GENERATED ALWAYS AS IDENTITY,"
        "c int DEFAULT nextval('s'))",
        "CREATE SCHEMA shop; CREATE TABLE shop.users (id int REFERENCES public.users)",
        "CREATE EXTENSION pgcrypto; CREATE TABLE t (h bytea DEFAULT digest('x', 'md5'))",
        "CREATE TABLE p (id int REFERENCES users, d int) PARTITION BY RANGE (d);"
        "CREATE INDEX pi ON p (d); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2)",
        """CREATE COLLATION c FROM "C"; CREATE CAST (text AS date) WITH INOUT;
        CREATE FUNCTION add(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = add);
        CREATE TEXT SEARCH CONFIGURATION k (COPY = simple); CREATE PUBLICATION p FOR TABLE users""",
        "ALTER TABLE users ADD j json DEFAULT '{}', ADD a text[] DEFAULT '{x,\"y z\"}',"
        " ADD p point DEFAULT '(1,2)', ADD at timestamptz DEFAULT now(),"
        " ADD n numeric(9,2) DEFAULT 0",
        "CREATE TABLE t (LIKE users INCLUDING ALL); ALTER TABLE users ADD EXCLUDE USING btree"
        " (id WITH =)",
    ],
)
def test_each_kind_of_object_is_taken_back(
    connection: Connection,
    target: Database,
    before: Snapshot,
    made: Callable[[str], Diagnosis],
    sql: str,
) -> None:
    old = everything(connection)
    diagnosis = made(sql)
    assert diagnosis.made
    assert diagnosis.revertible
    undo(target, diagnosis)
    assert everything(connection) == old


def test_diagnosing_takes_no_number_from_a_sequence(
    connection: Connection, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("ALTER TABLE users ADD n int DEFAULT nextval('users_id_seq')")
    assert connection.value("SELECT last_value FROM users_id_seq") == 40
    assert diagnosis.data == {"public.users.n": 20}  # a volatile default counts as data


# --- what is in the way -------------------------------------------------------------------------


def test_rows_written_since_into_older_tables_stay(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("CREATE TABLE t (id int); ALTER TABLE users ADD t int")
    connection.execute("INSERT INTO users (name) VALUES ('late'); DELETE FROM users WHERE id = 1")
    undo(target, diagnosis)
    names = connection.rows("SELECT name FROM users WHERE id IN (1, 21)")
    assert names == [{"name": "late"}]


@pytest.mark.parametrize(
    ("written", "lost"),
    [
        ("INSERT INTO t VALUES (1), (2)", {"public.t": 2}),
        ("UPDATE users SET note = 'x' WHERE id < 4", {"public.users.note": 3}),
        ('UPDATE users SET "Has Default" = 8 WHERE id = 1', {'public.users."Has Default"': 1}),
        ("INSERT INTO part1 VALUES (1)", {"public.part1": 1}),
        ('UPDATE users SET "100 %s" = 1 WHERE id = 1', {'public.users."100 %s"': 1}),
    ],
)
def test_data_that_would_be_lost_is_refused_until_accepted_with_its_count(
    connection: Connection,
    target: Database,
    before: Snapshot,
    made: Callable[[str], Diagnosis],
    written: str,
    lost: dict[str, int],
) -> None:
    made(
        "CREATE TABLE t (id int); ALTER TABLE users ADD note text,"
        ' ADD "Has Default" int DEFAULT 7, ADD "100 %s" int;'
        "CREATE TABLE part (d int) PARTITION BY LIST (d);"
        "CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1)"
    )
    diagnosis = made(written)
    assert diagnosis.data == lost
    after = everything(connection)
    (name,), (count,) = lost, lost.values()
    for accepted in ({}, {name: count + 1}, {"public.other": count}):
        with pytest.raises(GateError, match="would lose what was written since") as refused:
            undo(target, diagnosis, **accepted)
        assert f"{name}={count}" in refused.value.message
        assert everything(connection) == after
    undo(target, diagnosis, **lost)
    assert catalog.take_snapshot(connection).fingerprint == before.fingerprint


def test_data_written_between_diagnosis_and_revert_is_seen(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("CREATE TABLE t (id int)")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(GateError, match=r"public\.t=1"):
        undo(target, diagnosis)
    assert connection.value("SELECT count(*) FROM t") == 1


def test_what_somebody_else_built_on_it_stops_the_revert(
    connection: Connection, target: Database, before: Snapshot, made: Callable[[str], Diagnosis]
) -> None:
    own = made("CREATE TABLE t (id int); CREATE TABLE u (id int)").made
    connection.execute("CREATE VIEW theirs AS SELECT * FROM t")
    diagnosis = diagnose(connection, before, own, ())
    assert diagnosis.strangers == ("column public.theirs.id", "view public.theirs")
    after = everything(connection)
    with pytest.raises(StatementError, match=r"view theirs depends on table") as stopped:
        undo(target, diagnosis)
    assert stopped.value.sqlstate == "2BP01"
    assert everything(connection) == after


def test_what_somebody_else_made_stays(
    connection: Connection, target: Database, before: Snapshot, made: Callable[[str], Diagnosis]
) -> None:
    own = made("CREATE TABLE t (id int)").made
    connection.execute("CREATE TABLE theirs (id int); INSERT INTO theirs VALUES (1)")
    diagnosis = diagnose(connection, before, own, ())
    undo(target, diagnosis)
    assert connection.value("SELECT count(*) FROM theirs") == 1
    assert connection.value("SELECT to_regclass('t')") is None


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("ALTER TABLE users ALTER name SET NOT NULL", "column public.users.name"),
        ("DROP FUNCTION old_one()", "function public.old_one()"),
        ("COMMENT ON TABLE users IS 'else'", "table public.users"),
    ],
)
def test_what_was_changed_is_named_and_needs_a_restore(
    made: Callable[[str], Diagnosis], sql: str, key: str
) -> None:
    diagnosis = made(sql)
    assert (diagnosis.revertible, diagnosis.changed) == (False, (key,))


def test_a_revert_that_would_not_lead_back_changes_nothing(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("CREATE TABLE t (id int)")
    connection.execute("ALTER TABLE users ADD late int")
    after = everything(connection)
    with pytest.raises(GateError, match=r"nothing was changed: column public\.users\.late is"):
        undo(target, diagnosis)
    assert everything(connection) == after


def test_a_lock_in_the_way_is_waited_for_within_bounds(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("ALTER TABLE users ADD n int")
    with (
        holding(target, "LOCK TABLE users IN ACCESS SHARE MODE"),
        pytest.raises(StatementError, match="lock timeout"),
    ):
        undo(target, diagnosis)
    undo(target, diagnosis)


def test_an_index_on_an_older_table_is_dropped_without_stopping_its_writes(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    said: list[str] = []
    diagnosis = made("CREATE INDEX i ON users (name)")
    revert(target, POLICY, diagnosis, {}, said.append)
    assert said[0] == "DROP INDEX CONCURRENTLY IF EXISTS public.i"


def test_the_ledger_calls_the_migrations_rolled_back_and_they_apply_again(
    applier: Applier, connection: Connection, target: Database, before: Snapshot, tmp_path: Path
) -> None:
    migration: Migration = migration_of(tmp_path, "CREATE TABLE t (id int)")
    applier.migrate(migration)
    after = catalog.take_snapshot(connection)
    undo(target, seen(connection, before, after, (migration.name,)))
    (row,) = ledger.read(connection)
    assert row.rolled_back_at is not None
    again = seen(connection, before, catalog.take_snapshot(connection))
    assert again.nothing
    applier.migrate(migration)
    assert connection.value("SELECT to_regclass('t') IS NOT NULL")
