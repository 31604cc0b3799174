"""Compare applying the shipped release with psql of the same files: python -m benchmarks.apply.

On an empty database, both in the plan's order; the runbook journals, guards and measures as it does
on a target.
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.servers import psql, ratios, server, shown, timed
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier, HeldRunner
from runbook_lib.migrate.guard import Guard
from runbook_lib.postgres.connection import CleanSession, Database
from runbook_lib.release import plan
from runbook_lib.release.model import Migration
from runbook_lib.release.reader import read_release
from tests.support.projects import REPOSITORY
from tests.support.servers import scratch_database

PAIRS = 11


def main() -> None:
    """Print both times of each pair and their ratio."""
    release = read_release(REPOSITORY / "sql")
    files = [release.migration(name) for name in plan.order(release).names]
    own, peer = list[float](), list[float]()
    with server() as maintenance:
        for pair in range(PAIRS + 1):
            with scratch_database(maintenance, "bench_psql") as database:
                theirs = timed(lambda: _by_psql(database, files))
            with scratch_database(maintenance, "bench_runbook") as database:
                mine = timed(lambda: _by_runbook(database, files))
            if pair:  # the first warms both up
                own.append(mine)
                peer.append(theirs)
    sys.stdout.write(f"{shown('psql -1, file by file', peer)}\n{shown('the runbook', own)}\n")
    sys.stdout.write(f"{ratios(own, peer)}\n")


def _by_psql(database: Database, files: list[Migration]) -> None:
    for item in files:
        psql(database, "-1", "-f", str(item.path))


def _by_runbook(database: Database, files: list[Migration]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        journal, policy = Journal(Path(directory) / "journal.jsonl"), Policy()
        notes = Journal(Path(directory) / "traffic.jsonl")
        with (
            Guard(database, policy, journal.emit, notes, disks=(Path(directory),)) as guard,
            HeldRunner() as held,
            closing(CleanSession(database)) as sessions,
        ):
            applier = Applier(
                database, policy, journal.emit, guard=guard, sessions=sessions, held=held
            )
            for item in files:
                applier.migrate(item)


if __name__ == "__main__":
    main()
