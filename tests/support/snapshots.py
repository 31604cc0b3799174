"""Make a small shop on a database, back it up and compare it with what it was."""

from collections.abc import Callable
from pathlib import Path

from runbook_lib.backup.dump import take_backup
from runbook_lib.config.environments import Environment
from runbook_lib.config.policies import Locks, Policy
from runbook_lib.evidence.records import Backup
from runbook_lib.postgres import catalog, process, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.process import Runner
from runbook_lib.release.plan import Target

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);
INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 20) n;
INSERT INTO orders SELECT n, 1 + n % 20 FROM generate_series(1, 50) n;
"""
MIGRATION = """
ALTER TABLE users ADD organization_id int;
CREATE TABLE organizations (id int PRIMARY KEY, owner_id int REFERENCES users);
INSERT INTO organizations VALUES (1, 1);
CREATE INDEX orders_user ON orders (user_id);
"""
POLICY = Policy(locks=Locks(timeout=0.5, runner_wait=0.5))
_RELKIND = """CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char\""""
_ACL = "array(SELECT a::text FROM unnest(coalesce({acl}, acldefault({of}, {owner}))) a ORDER BY 1)"
# No entry at all stands for the default; after a GRANT and a REVOKE there are entries.
_ACLS = {
    kind: f"{_ACL.format(acl=acl, of=of, owner=owner)}::text"
    for kind, acl, of, owner in (
        ("relation", "relacl", _RELKIND, "relowner"),
        ("column", "attacl", "'c'", "0"),
        ("function", "proacl", "'f'", "proowner"),
        ("type", "typacl", "'T'", "typowner"),
        ("schema", "nspacl", "'n'", "nspowner"),
    )
}
# All that a release must leave as it was, besides schema and contents; the ledger's own is aside.
RIGHTS = """
SELECT 'relation' AS kind, oid::regclass::text AS name, relowner AS owner,
       {relation} AS acl
FROM pg_class WHERE oid >= 16384 AND relname !~ '^pg_toast' AND relname !~ '^_prisma'
UNION ALL SELECT 'column', format('%s.%s', attrelid::regclass, attname), 0, {column}
FROM pg_attribute WHERE attacl::text <> '{{}}' AND attrelid >= 16384
UNION ALL SELECT 'function', oid::regprocedure::text, proowner, {function}
FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT 'type', oid::regtype::text, typowner, {type}
FROM pg_type WHERE oid >= 16384 AND typname !~ '^_?_prisma'
UNION ALL SELECT 'schema', nspname, nspowner, {schema} FROM pg_namespace
UNION ALL SELECT format('default %s', defaclobjtype), defaclnamespace::text, defaclrole,
       defaclacl::text
FROM pg_default_acl
ORDER BY 1, 2, 3
""".format(**_ACLS)
COMMENTS = """
SELECT pg_describe_object(classoid, objoid, objsubid) AS name, description FROM pg_description
WHERE objoid >= 16384 ORDER BY 1
"""
DATABASE = """
SELECT datdba, datconnlimit, datacl::text, shobj_description(d.oid, 'pg_database') AS comment,
       array(SELECT (setrole, setconfig)::text FROM pg_db_role_setting WHERE setdatabase = d.oid)
FROM pg_database d WHERE datname = current_database()
"""
STATE = {
    "rights": RIGHTS,
    "comments": COMMENTS,
    "sequences": "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
    "database": DATABASE,
}


def identified(database: Database) -> Target:
    """Return who answers at a database."""
    with database.connect() as connection:
        environment = Environment("test", database.dbname, embedded=True, policy=POLICY)
        return catalog.identify(connection, environment)


def back_up(
    database: Database,
    directory: Path,
    policy: Policy = POLICY,
    run: Runner = process.run,
    say: Callable[[str], object] = str,
) -> Backup:
    """Take a backup with the real pg_dump."""
    return take_backup(database, identified(database), directory, run, policy, say)


def cut(backup: Backup) -> None:
    """Cut the largest file of a backup's archive to three quarters."""
    files = [path for path in backup.archive.rglob("*") if path.is_file()] or [backup.archive]
    largest = max(files, key=lambda path: path.stat().st_size)
    data = largest.read_bytes()
    largest.write_bytes(data[: len(data) * 3 // 4])


def state(connection: Connection) -> tuple[str, dict[str, int]]:
    """Return the schema's fingerprint and the rows of every table."""
    return snapshot.take_snapshot(connection).fingerprint, snapshot.count_rows(connection)


def contents(connection: Connection) -> list[dict[str, object]]:
    """Return every row of the shop."""
    return connection.rows(
        "SELECT u.id, u.name, o.id AS order FROM users u LEFT JOIN orders o ON o.user_id = u.id "
        "ORDER BY u.id, o.id"
    )


def everything(connection: Connection) -> dict[str, object]:
    """Return all that has to be as it was."""
    tables = [item for item in snapshot.tables_by_size(connection) if item[1] != snapshot.LEDGER]
    return {
        "schema": snapshot.take_snapshot(connection).fingerprint,
        "contents": snapshot.read_contents(connection, tables),
        **{name: connection.rows(sql) for name, sql in STATE.items()},
    }
