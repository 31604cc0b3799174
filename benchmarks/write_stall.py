"""Compare how long writes stand still while an index file runs: python -m benchmarks.write_stall.

Four pgbench clients update three million rows. The same file runs through ``psql -1`` and through
the runbook, with the policy's defaults; pgbench's own log says when each transaction was committed.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.servers import psql, ratios, server
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.migrate.execute import Applier
from runbook_lib.migrate.guard import Guard
from runbook_lib.parser.transactions import choose_split
from runbook_lib.postgres import snapshot, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.release.reader import read_release
from tests.support.servers import scratch_database

ROUNDS, SCALE, CLIENTS, QUIET = 3, 30, 4, 8.0  # scale 30 is three million rows; QUIET in seconds
# On columns that the writers leave alone: they would slow down with any index on the others.
FILE = """CREATE INDEX idx_accounts_branch ON pgbench_accounts (bid, aid);
CREATE INDEX idx_accounts_newest ON pgbench_accounts (aid DESC) INCLUDE (bid);
CREATE INDEX idx_accounts_filler ON pgbench_accounts (filler, aid);
CREATE INDEX idx_accounts_sparse ON pgbench_accounts (bid) WHERE aid % 10 = 0;
CREATE UNIQUE INDEX idx_accounts_pair ON pgbench_accounts (bid, aid DESC);
"""
NAMES = ("branch", "newest", "filler", "sparse", "pair")


@dataclass(frozen=True)
class Felt:
    """Hold what the writers felt; gaps in seconds, throughput as a share of the undisturbed."""

    longest_gap: float
    throughput: float
    lasted: float

    def __str__(self) -> str:
        return (
            f"longest gap {self.longest_gap * 1000:7.1f} ms, throughput "
            f"{self.throughput:5.0%}, file {self.lasted:5.1f} s"
        )


def main() -> None:
    """Print both of each round, and the ratios of the longest gaps."""
    own, peer = list[Felt](), list[Felt]()
    with server() as maintenance, scratch_database(maintenance, "bench_stall") as database:
        _pgbench(database, "-i", "-q", "-s", str(SCALE)).wait()
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "release" / "001_indexes.sql"
            path.parent.mkdir()
            path.write_text(FILE, encoding="utf-8")
            for number in range(1, ROUNDS + 1):
                theirs = _felt(database, lambda: psql(database, "-1", "-f", str(path)))
                mine = _felt(database, lambda: _by_runbook(database, path.parent))
                sys.stdout.write(f"{number}. psql -1      {theirs}\n")
                sys.stdout.write(f"   the runbook  {mine}\n")
                sys.stdout.flush()
                own.append(mine)
                peer.append(theirs)
    shrunk = ratios([item.longest_gap for item in peer], [item.longest_gap for item in own])
    sys.stdout.write(f"the longest gap is smaller: {shrunk}\n")


def _pgbench(database: Database, *words: str, cwd: str = ".") -> "subprocess.Popen[bytes]":
    program = tools.find_program("pgbench")
    argv = [str(program), *words, database.conninfo()]
    return subprocess.Popen(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _felt(database: Database, act: Callable[[], object]) -> Felt:
    """Let the writers write, undisturbed first, then over the act."""
    drop = [word for name in NAMES for word in ("-c", f"DROP INDEX IF EXISTS idx_accounts_{name}")]
    psql(database, *drop, "-c", "DROP TABLE IF EXISTS _prisma_migrations")
    psql(database, "-c", "VACUUM ANALYZE pgbench_accounts", "-c", "CHECKPOINT")
    with _writers(database) as commits:
        start = time.time()
        time.sleep(QUIET)
        begin = time.time()
        act()
        end = time.time()
    times = sorted(commits())
    before = [at for at in times if start + 1 <= at < begin]  # the first second warms up
    during = [at for at in times if begin <= at <= end]
    edges = [begin, *during, end]
    gaps = [after - at for at, after in pairwise(edges)]
    undisturbed = len(before) / (begin - start - 1)
    return Felt(max(gaps), len(during) / (end - begin) / undisturbed, end - begin)


@contextmanager
def _writers(database: Database) -> Iterator[Callable[[], Sequence[float]]]:
    """Run pgbench for the block; yield what reads the times of its commits afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        words = ("-n", "-N", "-c", str(CLIENTS), "-j", "2", "-T", "600", "-l")
        running = _pgbench(database, *words, cwd=directory)
        found = list[float]()
        try:
            yield lambda: found
        finally:
            time.sleep(1)
            running.terminate()
            running.wait()
            for path in Path(directory).glob("pgbench_log*"):
                for line in path.read_text().splitlines():
                    fields = line.split()
                    if len(fields) >= 6:  # a kill may cut the last line
                        found.append(int(fields[4]) + int(fields[5]) / 1e6)


def _by_runbook(database: Database, release: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (migration,) = read_release(release).migrations
        with database.connect() as connection:
            busy = snapshot.with_rows(connection, [("public", "pgbench_accounts")])
        split = choose_split(migration.statements, busy, frozenset(), concurrent=True, apart=True)
        journal, policy = Journal(Path(directory) / "journal.jsonl"), Policy()
        notes = Journal(Path(directory) / "traffic.jsonl")
        touched = [("public", "pgbench_accounts")]
        with Guard(
            database, policy, journal.emit, notes, tables=touched, disks=(Path(directory),)
        ) as guard:
            Applier(database, policy, journal.emit, guard=guard).migrate(migration, split=split)


if __name__ == "__main__":
    main()
