"""A revert drops what a run made and nothing else, or changes nothing at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.errors import GateError, StatementError
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database, Row
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.release.model import Migration
from runbook_lib.release.reader import read_release
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose
from runbook_lib.rollback.revert import revert
from tests.support.releases import migration_of, write_release
from tests.support.reverts import POLICY, seen, state, undo
from tests.support.senders import telling
from tests.support.sessions import holding
from tests.support.snapshots import everything

OLD = """
CREATE TABLE users (id serial PRIMARY KEY, name text);
INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 20) n;
COMMENT ON TABLE users IS 'who may enter'; GRANT SELECT ON users TO pg_monitor;
CREATE FUNCTION old_one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE DOMAIN old_domain AS int;
REVOKE EXECUTE ON FUNCTION old_one() FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO pg_read_all_data;
CREATE VIEW names WITH (security_barrier) AS SELECT name FROM users;
COMMENT ON COLUMN names.name IS 'of a user'; GRANT SELECT ON names TO pg_monitor;
REVOKE INSERT ON names FROM pg_read_all_data;
CREATE INDEX users_name ON users (name);
ALTER TABLE users ADD CONSTRAINT sane CHECK (id > 0);
ALTER TABLE users ADD CONSTRAINT late CHECK (id > 0) NOT VALID;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER old_trigger BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TYPE feeling AS ENUM ('fine', 'sad');
GRANT USAGE ON TYPE feeling TO pg_monitor; COMMENT ON TYPE feeling IS 'how ''it'' goes';
CREATE TABLE moods (m feeling NOT NULL DEFAULT 'fine', all_of feeling[]);
INSERT INTO moods VALUES ('sad', '{fine,sad}'); CREATE INDEX moods_m ON moods (m);
CREATE SCHEMA other; CREATE TABLE other.t (id int);
"""
# The server's own words, by name: what a revert forgets shows here.
SETTINGS = """
SELECT 'grant' AS what, c.oid::regclass::text AS name,
       array_agg(acl::text ORDER BY acl::text)::text AS value
FROM pg_class c CROSS JOIN unnest(
    coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) acl
WHERE relnamespace::regnamespace::text !~ '^pg_|information' AND relkind IN ('r', 'v', 'S')
GROUP BY c.oid
UNION ALL SELECT 'column grant', attrelid::regclass || '.' || attname, attacl::text
FROM pg_attribute WHERE attacl::text <> '{}' AND attrelid >= 16384
UNION ALL SELECT 'routine', p.oid::regprocedure::text, pg_get_functiondef(p.oid) || proowner
       || array(SELECT a::text FROM unnest(coalesce(proacl, acldefault('f', proowner))) a
                ORDER BY 1)::text
FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type', t.oid::regtype::text, typowner || ' '
       || array(SELECT a::text FROM unnest(coalesce(typacl, acldefault('T', typowner))) a
                ORDER BY 1)::text
FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
UNION ALL SELECT 'schema', nspname, array(SELECT unnest(nspacl)::text ORDER BY 1)::text
FROM pg_namespace WHERE nspname = 'public'
UNION ALL SELECT 'default', defaclobjtype::text, defaclacl::text FROM pg_default_acl
UNION ALL SELECT 'column', attrelid::regclass || '.' || attname,
       concat_ws(' ', atttypid::regtype, attnotnull, pg_get_expr(adbin, adrelid))
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
JOIN pg_class c ON c.oid = attrelid AND relnamespace <> 'pg_toast'::regnamespace
WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'comment', pg_describe_object(classoid, objoid, objsubid), description
FROM pg_description WHERE objoid >= 16384
UNION ALL SELECT 'relation', oid::regclass::text,
       concat_ws(' ', relowner::regrole, reloptions, relrowsecurity, relforcerowsecurity,
                 relreplident)
FROM pg_class WHERE oid >= 16384 AND relkind <> 't' AND relnamespace <> 'pg_toast'::regnamespace
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid >= 16384
UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT 'sequence', sequencename, concat_ws(' ', increment_by, cache_size)
FROM pg_sequences
UNION ALL SELECT 'labels', enumtypid::regtype::text,
       string_agg(enumlabel, ' ' ORDER BY enumsortorder)
FROM pg_enum GROUP BY enumtypid
ORDER BY 1, 2, 3
"""


def settings(connection: Connection) -> list[Row]:
    return connection.rows(SETTINGS)


@pytest.fixture
def before(connection: Connection) -> Snapshot:
    connection.execute(OLD)
    return state(connection)


@pytest.fixture
def made(connection: Connection, before: Snapshot) -> Callable[[str], Diagnosis]:
    """Return what runs SQL as a run's own, and diagnoses it."""

    def run(sql: str) -> Diagnosis:
        connection.execute(sql)
        return seen(connection, before, state(connection))

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
        assert f"{name} ({count})" in refused.value.message
        assert everything(connection) == after
    undo(target, diagnosis, **lost)
    assert snapshot.take_snapshot(connection).fingerprint == before.fingerprint


def test_data_written_between_diagnosis_and_revert_is_seen(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("CREATE TABLE t (id int)")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(GateError, match=r"public\.t \(1\)"):
        undo(target, diagnosis)
    assert connection.value("SELECT count(*) FROM t") == 1


def test_what_somebody_else_built_on_it_stops_the_revert(
    connection: Connection, target: Database, before: Snapshot, made: Callable[[str], Diagnosis]
) -> None:
    marks = made("CREATE TABLE t (id int); CREATE TABLE u (id int)").marks
    connection.execute("CREATE VIEW theirs AS SELECT * FROM t")
    diagnosis = diagnose(connection, before, marks, ())
    assert diagnosis.strangers == ("column public.theirs.id", "view public.theirs")
    after = everything(connection)
    with pytest.raises(StatementError, match=r"view public\.theirs depends on table") as stopped:
        undo(target, diagnosis)
    assert stopped.value.sqlstate == "2BP01"
    assert everything(connection) == after


def test_what_somebody_else_made_stays(
    connection: Connection, target: Database, before: Snapshot, made: Callable[[str], Diagnosis]
) -> None:
    marks = made("CREATE TABLE t (id int)").marks
    connection.execute("CREATE TABLE theirs (id int); INSERT INTO theirs VALUES (1)")
    diagnosis = diagnose(connection, before, marks, ())
    undo(target, diagnosis)
    assert connection.value("SELECT count(*) FROM theirs") == 1
    assert connection.value("SELECT to_regclass('t')") is None


CHANGED = (
    "ALTER TABLE users ALTER name SET NOT NULL; ALTER TABLE users ALTER name SET DEFAULT 'n'",
    "ALTER TABLE users ALTER id DROP DEFAULT",
    "DROP FUNCTION old_one(); "
    "CREATE FUNCTION old_one(a int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE OR REPLACE FUNCTION old_one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "COMMENT ON TABLE users IS 'else'; COMMENT ON COLUMN users.name IS 'new'; "
    "COMMENT ON DOMAIN old_domain IS 'new'; COMMENT ON CONSTRAINT users_pkey ON users IS 'new'",
    "COMMENT ON TABLE users IS NULL",
    "GRANT INSERT, UPDATE (name) ON users TO pg_monitor; REVOKE SELECT ON users FROM pg_monitor; "
    "GRANT EXECUTE ON FUNCTION old_one() TO pg_monitor; REVOKE EXECUTE ON FUNCTION old_one() "
    "FROM PUBLIC; GRANT CREATE ON SCHEMA public TO pg_monitor; "
    "GRANT SELECT ON users_id_seq TO pg_monitor",
    "GRANT SELECT ON users TO pg_monitor WITH GRANT OPTION",
    "ALTER TABLE users OWNER TO pg_monitor; ALTER DOMAIN old_domain OWNER TO pg_monitor; "
    "ALTER FUNCTION old_one() OWNER TO pg_monitor",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor",
    "ALTER TABLE users SET (fillfactor = 70), ENABLE ROW LEVEL SECURITY, "
    "FORCE ROW LEVEL SECURITY, REPLICA IDENTITY FULL",
    "ALTER SEQUENCE users_id_seq INCREMENT 5 CACHE 10",
    "CREATE OR REPLACE VIEW names AS SELECT name FROM users WHERE id > 3",
    "CREATE OR REPLACE VIEW names AS SELECT name, id FROM users",
    "DROP VIEW names; CREATE VIEW names AS SELECT id FROM users",
    "DROP VIEW names",
    "DROP INDEX users_name; CREATE INDEX users_name ON users (name) WHERE id > 3",
    "ALTER INDEX users_name RENAME TO users_by_name",
    "ALTER TABLE users DROP CONSTRAINT sane; ALTER TABLE users ADD CONSTRAINT sane CHECK (id > -1)",
    "ALTER TABLE users VALIDATE CONSTRAINT late",
    "DROP TRIGGER old_trigger ON users",
    "ALTER TABLE users DISABLE TRIGGER old_trigger",
    "ALTER TABLE users RENAME TO people; ALTER TABLE people RENAME name TO called; "
    "ALTER TABLE people ADD more int; CREATE INDEX more ON people (more)",
    "CREATE SCHEMA s; ALTER TABLE users SET SCHEMA s; ALTER DOMAIN old_domain SET SCHEMA s; "
    "ALTER FUNCTION old_one() RENAME TO old_two; ALTER FUNCTION old_two() SET SCHEMA s; "
    "ALTER TYPE feeling SET SCHEMA s; CREATE TABLE s.t (u int REFERENCES s.users)",
    "ALTER TABLE users RENAME CONSTRAINT sane TO saner; ALTER SCHEMA other RENAME TO another",
    "ALTER TYPE feeling ADD VALUE 'so so' BEFORE 'sad'",
    "ALTER TYPE feeling RENAME VALUE 'sad' TO 'blue'",
    "ALTER TYPE feeling ADD VALUE 'so so'; COMMENT ON TYPE feeling IS NULL",
)


@pytest.mark.parametrize("sql", CHANGED)
def test_what_was_changed_is_set_back(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis], sql: str
) -> None:
    old, was = everything(connection), settings(connection)
    diagnosis = made(sql)
    assert diagnosis.revertible, diagnosis.stuck
    assert settings(connection) != was
    undo(target, diagnosis)
    assert everything(connection) == old
    assert settings(connection) == was


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("ALTER TABLE users DROP name CASCADE", "column public.users.name"),
        ("DROP TABLE users CASCADE", "table public.users"),
        ("ALTER TABLE users ALTER name TYPE varchar(99)", "column public.users.name"),
        # The schema is as it was, and the rows are gone.
        ("DROP TABLE other.t; CREATE TABLE other.t (id int)", "table other.t"),
        (
            "ALTER TABLE users DROP name; ALTER TABLE users ADD name text",
            "column public.users.name",
        ),
    ],
)
def test_what_no_statement_takes_back_is_named_and_needs_a_restore(
    connection: Connection,
    target: Database,
    made: Callable[[str], Diagnosis],
    sql: str,
    key: str,
) -> None:
    connection.execute("DROP VIEW names")
    diagnosis = made(sql)
    assert not diagnosis.revertible
    assert key in diagnosis.stuck
    after = everything(connection)
    with pytest.raises(GateError, match="No statement takes back what was changed"):
        undo(target, diagnosis)
    assert everything(connection) == after


def test_an_enum_label_that_rows_have_stops_the_revert(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("ALTER TYPE feeling ADD VALUE 'so so'")
    connection.execute("INSERT INTO moods VALUES ('so so')")
    after = everything(connection)
    with pytest.raises(StatementError, match=r"enum public\.feeling") as stopped:
        undo(target, diagnosis)
    assert stopped.value.sqlstate == "22P02"
    assert everything(connection) == after


def test_what_somebody_else_set_stays(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("CREATE TABLE t (id int); GRANT INSERT ON users TO pg_monitor")
    connection.execute("GRANT UPDATE ON users TO pg_monitor; COMMENT ON TABLE users IS 'theirs'")
    undo(target, diagnosis)
    for right, held in (("INSERT", False), ("UPDATE", True), ("SELECT", True)):
        assert held == connection.value(
            f"SELECT has_table_privilege('pg_monitor', 'users', '{right}')"
        )
    assert connection.value("SELECT obj_description('users'::regclass)") == "theirs"


def test_what_somebody_else_granted_on_what_has_to_be_created_again_stops_the_revert(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("CREATE OR REPLACE VIEW names AS SELECT name, id FROM users")
    connection.execute("GRANT UPDATE ON names TO pg_monitor")
    was = settings(connection)
    with pytest.raises(GateError, match=r"UPDATE to pg_monitor by .* of view public\.names"):
        undo(target, diagnosis)
    assert settings(connection) == was


def test_a_revert_that_would_not_lead_back_changes_nothing(
    connection: Connection, target: Database, made: Callable[[str], Diagnosis]
) -> None:
    diagnosis = made("COMMENT ON TABLE users IS 'else'")
    connection.execute("CREATE INDEX full_name ON users (name, id)")
    connection.execute("ALTER TABLE users ALTER name SET NOT NULL, ALTER id SET NOT NULL")
    connection.execute("CREATE UNIQUE INDEX i ON users (id, name)")
    connection.execute("ALTER TABLE users REPLICA IDENTITY USING INDEX i")
    after = everything(connection)
    with pytest.raises(GateError, match=r"nothing was changed: table public\.users is"):
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
    revert(target, POLICY, diagnosis, {}, telling(said.append))
    assert said[0] == "DROP INDEX CONCURRENTLY IF EXISTS public.i"


def test_the_ledger_calls_the_migrations_rolled_back_and_they_apply_again(
    applier: Applier, connection: Connection, target: Database, before: Snapshot, tmp_path: Path
) -> None:
    migration: Migration = migration_of(tmp_path, "CREATE TABLE t (id int)")
    applier.migrate(migration)
    after = state(connection)
    undo(target, seen(connection, before, after, (migration,)))
    (row,) = ledger.read(connection)
    assert row.rolled_back_at is not None
    again = seen(connection, before, state(connection))
    assert again.nothing
    applier.migrate(migration)
    assert connection.value("SELECT to_regclass('t') IS NOT NULL")


# --- the release's own way back -------------------------------------------------------------------


def taken_back_by(directory: Path, sql: str, down: str) -> Migration:
    """Write a migration with its own down.sql and read it back."""
    path = write_release(directory, {"0001_a": sql}) / "0001_a" / "down.sql"
    path.write_text(down)
    return read_release(directory).migrations[0]


CHANGE = """CREATE TABLE t (id int);
UPDATE users SET name = upper(name);
"""


def test_the_down_file_of_a_release_is_sent_first_and_what_it_leaves_is_taken_back(
    applier: Applier, connection: Connection, target: Database, before: Snapshot, tmp_path: Path
) -> None:
    old = everything(connection)
    migration = taken_back_by(tmp_path, CHANGE, "UPDATE users SET name = lower(name);\n")
    applier.migrate(migration)
    said: list[str] = []
    diagnosis = seen(connection, before, state(connection), (migration,))
    sent = revert(target, POLICY, diagnosis, {}, telling(said.append))
    assert [item.sql for item in sent] == [migration.down[0].sql, "DROP TABLE IF EXISTS public.t"]
    assert everything(connection) == old


def test_a_down_file_that_fails_or_leads_elsewhere_changes_nothing(
    applier: Applier, connection: Connection, target: Database, before: Snapshot, tmp_path: Path
) -> None:
    applier.migrate(migration_of(tmp_path / "a", CHANGE))
    after = everything(connection)
    broken = taken_back_by(tmp_path / "b", CHANGE, "SELECT 1;\nUPDATE nobody SET id = 1;\n")
    with pytest.raises(StatementError, match="nobody") as stopped:
        undo(target, seen(connection, before, state(connection), (broken,)))
    assert (stopped.value.sqlstate, stopped.value.line) == ("42P01", 2)
    assert str(stopped.value.path).endswith("0001_a/down.sql")
    astray = taken_back_by(tmp_path / "c", CHANGE, "ALTER TABLE moods DROP all_of;\n")
    with pytest.raises(GateError, match=r"nothing was changed: column public\.moods\.all_of is"):
        undo(target, seen(connection, before, state(connection), (astray,)))
    assert everything(connection) == after


def test_a_down_file_that_cannot_be_in_one_transaction_is_a_defect(tmp_path: Path) -> None:
    taken_back_by(tmp_path / "s", CHANGE, "BEGIN;\nDROP INDEX CONCURRENTLY i;\n")
    release = read_release(tmp_path / "s")
    assert [(item.rule, item.line) for item in release.defects] == [
        ("down-alone", 1),
        ("down-alone", 2),
    ]
