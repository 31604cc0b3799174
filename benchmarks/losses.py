"""What counting losses adds to restore and apply, of 3 million rows: python -m benchmarks.losses.

One release adds, builds indexes, changes and deletes rows of tables of a million rows; the other
also has one of them written anew, all of which has to be read on both sides.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.servers import ratios, server, shown
from runbook_lib.config.environments import Environment
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.run import Run
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.catalog import identify
from runbook_lib.postgres.connection import Database
from runbook_lib.rehearsal.rehearse import rehearse
from runbook_lib.release.plan import make_plan, order
from runbook_lib.release.reader import read_release
from tests.support.servers import scratch_database
from tests.support.snapshots import back_up

ROUNDS = 3
TABLES = ("person", "visit", "note")
FILL = """CREATE TABLE {0} (id int PRIMARY KEY, name text, amount numeric(12, 4), made timestamptz,
    "group" int NOT NULL, flag boolean, note varchar(80));
INSERT INTO {0} SELECT n, 'name ' || n, n * 1.25, timestamptz '2025-01-01' + n * interval '1 min',
    n % 100, n % 3 = 0, 'a note of some words on ' || n FROM generate_series(1, 1000000) n;
CREATE INDEX ON {0} ("group");
ANALYZE {0};"""
WRITES = """ALTER TABLE note ADD COLUMN gift boolean NOT NULL DEFAULT false;
CREATE INDEX note_name ON note (name);
CREATE INDEX visit_made ON visit (made, id);
UPDATE visit SET note = 'none' WHERE "group" = 7;
DELETE FROM visit WHERE "group" = 8;
UPDATE person SET flag = NOT flag WHERE "group" = 9 AND name = 'nobody';
"""
RELEASES = {
    "rows where they lie": WRITES,
    "a table written anew": WRITES + "ALTER TABLE person ALTER id TYPE bigint;",
}


def main() -> None:
    """Print for each release the median of both times, and the share of each round."""
    with tempfile.TemporaryDirectory() as directory, server() as maintenance:
        root = Path(directory)
        with scratch_database(maintenance, "losses") as target:
            with target.connect() as connection:
                for table in TABLES:
                    connection.execute(FILL.format(table))
            backup = back_up(target, root / "backups")
            for name, sql in RELEASES.items():
                compare, rest = _rounds(_run(target, root, sql), backup)
                sys.stdout.write(f"{name}\n{shown('restore + apply', rest)}\n")
                sys.stdout.write(f"{shown('counting losses', compare)}\n{ratios(compare, rest)}\n")


def _rounds(run: Run, backup: Backup) -> tuple[list[float], list[float]]:
    compare, rest = list[float](), list[float]()
    for _ in range(ROUNDS):
        seen = rehearse(run, backup, str)
        lost = {item.object: item.count for item in seen.losses or ()}
        if lost != {"public.visit.note": 10_000, "public.visit": 10_000}:
            sys.exit(f"What is lost was miscounted: {lost}")
        compare.append(seen.compare_seconds)
        rest.append(seen.restore_seconds + seen.apply_seconds)
    return compare, rest


def _run(target: Database, root: Path, sql: str) -> Run:
    (root / "release").mkdir(exist_ok=True)
    (root / "release" / "001.sql").write_text(sql, encoding="utf-8")
    environment = Environment("bench", target.dbname, embedded=False, policy=Policy())
    release = read_release(root / "release")
    with target.connect() as connection:
        identity = identify(connection, environment)
        found = snapshot.take_snapshot(connection).fingerprint
    ordered = order(release, frozenset(f"public.{name}" for name in TABLES))
    known = release, identity, frozenset[str](), dict[str, str](), ordered, found
    planned = make_plan(*known, demo_rows=False, settings={})
    journal = Journal(root / "journal.jsonl", repeatable=True)
    directory = RunDirectory(root)
    return Run(root, environment, release, target, identity, planned, directory, journal, "", "")


if __name__ == "__main__":
    main()
