"""Compare a rehearsal with pg_restore and psql of the same files: python -m benchmarks.rehearsal.

The target is today's production as the shipped release describes it, at the volumes of its brief.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from runbook_lib import open_run, programs, rehearse, shell, take_backup
from runbook_lib.archive import restore, scratch_database
from runbook_lib.database import Database
from runbook_lib.model import StepKind
from runbook_lib.preparation import check_target, review_release
from runbook_lib.run import Run
from runbook_lib.targets import embedded_server

ROUNDS = 5
SETTINGS = """
[bench]
embedded = true
dbname = "citadelbuy_bench"
starts_as = "production today"
"""


def main() -> None:
    """Print both times of each round and the ratio of the medians."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "environments.toml").write_text(SETTINGS, encoding="utf-8")
        (root / "sql").symlink_to(Path(__file__).resolve().parent.parent / "sql")
        with contextlib.chdir(root):
            prepared = open_run("bench", phase="prechecks")
            review_release(prepared)
            check_target(prepared)
            take_backup(open_run("bench", phase="backup"))
            run = open_run("bench", phase="rehearsal")
            _by_hand(run)
            rehearse(run)  # the first one makes the rehearsal's server
            peer, own = [], []
            for _ in range(ROUNDS):  # in turns: what else the machine does meets both alike
                peer.append(_timed(lambda: _by_hand(run)))
                own.append(_timed(lambda: rehearse(run)))
    sys.stdout.write(f"restore + psql  {_shown(peer)}\nrehearsal       {_shown(own)}\n")
    ratio = statistics.median(own) / statistics.median(peer)
    sys.stdout.write(f"ratio           {ratio:.2f}\n")


def _by_hand(run: Run) -> None:
    """Restore the backup and run the pending files with psql, each in one transaction."""
    backup = run.backup()
    if backup is None:
        sys.exit("The backup failed.")
    server: Database = embedded_server(run.root)
    psql = programs.find_program("psql", server_major=run.target.major)
    with scratch_database(server, "by_hand") as scratch:
        restore(scratch, run.target.major, backup.path, shell.run, with_owners=False)
        for step in run.plan.steps:
            if step.kind is StepKind.APPLY:
                path = run.release.migration(step.name).path
                argv = [str(psql), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(path)]
                shell.run([*argv, "-d", scratch.conninfo()])


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _shown(seconds: list[float]) -> str:
    each = " ".join(f"{value:.2f}" for value in seconds)
    return f"{statistics.median(seconds):.2f} s  ({each})"


if __name__ == "__main__":
    main()
