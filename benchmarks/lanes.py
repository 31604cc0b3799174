"""Compare indexes on four tables, built in lanes, with psql: python -m benchmarks.lanes.

psql builds them CONCURRENTLY one after the other; the runbook runs the plain file as its plan for a
target with rows has it.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.servers import psql, ratios, server, shown, timed
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard
from runbook_lib.parser.statement import Split
from runbook_lib.postgres.connection import Database
from runbook_lib.release.reader import read_release
from tests.support.servers import scratch_database

PAIRS, ROWS = 7, 1_000_000
TABLES = ("orders", "order_items", "product_views", "ad_impressions")
FILL = """
CREATE TABLE {0} (id bigint PRIMARY KEY, owner int NOT NULL, name text NOT NULL, at timestamptz);
INSERT INTO {0} SELECT n, n * 7919::bigint % 10007, md5(n::text), now() - n * interval '1 second'
FROM generate_series(1, {1}) AS n;
"""
INDEX = "CREATE INDEX {0}idx_{1}_owner_at ON {1} (owner, at DESC);\n"


def main() -> None:
    """Print both times of each pair and their ratio."""
    own, peer = list[float](), list[float]()
    with server() as maintenance, scratch_database(maintenance, "bench_lanes") as database:
        psql(database, *(word for name in TABLES for word in ("-c", FILL.format(name, ROWS))))
        psql(database, "-c", "VACUUM ANALYZE")
        for pair in range(PAIRS + 1):
            theirs = timed(lambda: _by_psql(database))
            _drop(database)
            mine = _by_runbook(database)
            _drop(database)
            if pair:  # the first warms both up
                own.append(mine)
                peer.append(theirs)
    sys.stdout.write(f"{shown('psql, one by one', peer)}\n{shown('in lanes', own)}\n")
    sys.stdout.write(f"{ratios(own, peer)}\n")


def _drop(database: Database) -> None:
    psql(database, *(w for name in TABLES for w in ("-c", f"DROP INDEX idx_{name}_owner_at")))
    psql(database, "-c", "DROP TABLE IF EXISTS _prisma_migrations", "-c", "CHECKPOINT")


def _by_psql(database: Database) -> None:
    files = [INDEX.format("CONCURRENTLY ", name) for name in TABLES]
    psql(database, *(word for text in files for word in ("-c", text)))


def _by_runbook(database: Database) -> float:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "release" / "001_indexes.sql"
        path.parent.mkdir()
        path.write_text("".join(INDEX.format("", name) for name in TABLES), encoding="utf-8")
        (migration,) = read_release(path.parent).migrations
        split = Split(concurrent=tuple(item.number for item in migration.statements))
        journal, policy = Journal(Path(directory) / "journal.jsonl"), Policy()
        touched = [("public", name) for name in TABLES]
        notes = Journal(Path(directory) / "traffic.jsonl")
        with Guard(database, policy, journal.emit, notes, tables=touched) as guard:
            applier = Applier(database, policy, journal.emit, guard=guard)
            return timed(lambda: applier.migrate(migration, split=split))


if __name__ == "__main__":
    main()
