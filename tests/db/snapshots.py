"""Make a small shop on a database, back it up and compare it with what it was."""

from collections.abc import Callable
from pathlib import Path

from runbook_lib import catalog, shell
from runbook_lib.backup import take_backup
from runbook_lib.database import Connection, Database
from runbook_lib.model import Target
from runbook_lib.observed import Backup
from runbook_lib.policy import Environment, Policy
from runbook_lib.shell import Runner

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
POLICY = Policy(lock_timeout=0.5, runner_lock_wait=0.5)


def identified(database: Database) -> Target:
    """Return who answers at a database."""
    with database.connect() as connection:
        environment = Environment("test", database.dbname, embedded=True, policy=POLICY)
        return catalog.identify(connection, environment)


def back_up(
    database: Database,
    directory: Path,
    policy: Policy = POLICY,
    run: Runner = shell.run,
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
    return catalog.take_snapshot(connection).fingerprint, catalog.count_rows(connection)


def contents(connection: Connection) -> list[dict[str, object]]:
    """Return every row of the shop."""
    return connection.rows(
        "SELECT u.id, u.name, o.id AS order FROM users u LEFT JOIN orders o ON o.user_id = u.id "
        "ORDER BY u.id, o.id"
    )
