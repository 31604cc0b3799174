"""Compare a rehearsal with pg_restore and psql of the same files: python -m benchmarks.rehearsal.

The target is today's production as the shipped release describes it, at four times the volumes of
its brief: a million rows.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from benchmarks.servers import psql, ratios, shown, timed
from runbook_lib import open_run, rehearse, take_backup
from runbook_lib.backup.archive import restore
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.prechecks import check_target, review_release
from runbook_lib.postgres import process
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.targets import embedded_server
from runbook_lib.release.plan import StepKind
from tests.support.servers import scratch_database

PAIRS = 9
SETTINGS = """
[bench]
embedded = true
dbname = "citadelbuy_bench"
starts_as = "production today"
scale = 4.0
"""


def main() -> None:
    """Print both times of each pair and their ratio."""
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
            peer, own = list[float](), list[float]()
            for _ in range(PAIRS):  # in turns: what else the machine does meets both alike
                peer.append(timed(lambda: _by_hand(run)))
                own.append(timed(lambda: rehearse(run)))
    sys.stdout.write(f"{shown('restore + psql -1', peer)}\n{shown('the rehearsal', own)}\n")
    sys.stdout.write(f"{ratios(own, peer)}\n")


def _by_hand(run: Run) -> None:
    """Restore the backup and run the pending files with psql, each in one transaction."""
    backup = run.backup()
    if backup is None:
        sys.exit("The backup failed.")
    server: Database = embedded_server(run.root)
    with scratch_database(server, "by_hand") as scratch:
        restore(scratch, run.target.major, backup.archive, process.run, with_owners=False)
        for step in run.plan.steps:
            if step.kind is StepKind.APPLY:
                path = run.release.migration(step.name).path
                psql(scratch, "-1", "-f", str(path))


if __name__ == "__main__":
    main()
