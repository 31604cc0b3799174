"""Kill what rehearses at many moments: nothing of the copy is left on the disk."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.postgres import cluster
from runbook_lib.postgres.connection import Database
from tests.support.memory import MakeDirectory
from tests.support.processes import started_with
from tests.support.snapshots import MIGRATION, SHOP

PROJECT = Path(__file__).parents[2]
MOMENTS = 20
WATCHERS = 60.0  # seconds within which a watcher has to be done
REHEARSE = """
import sys
from pathlib import Path
from runbook_lib.evidence.journal import Journal
from runbook_lib.postgres.connection import Database
from runbook_lib.rehearsal.rehearse import rehearse
from runbook_lib.release.reader import read_release
from tests.support.worlds import backup_of, run_of
root = Path(sys.argv[1])
target = Database(dict(item.split("=", 1) for item in sys.argv[2:]))
journal = Journal(root / "rehearsal.jsonl", repeatable=True)
release = read_release(root / "release")
run, backup = run_of(target, root, journal, *release.migrations), backup_of(target, root)
print("ready", flush=True)
seen = rehearse(run, backup, journal.emit)
print("passed" if seen.passed else seen.findings, flush=True)
"""

KILLED_ONCE_MADE = """
import os, pathlib, sys
from runbook_lib.postgres import cluster
make = os.mkdir
def make_and_die(path, *mode):
    make(path, *mode)
    if "cluster-" in str(path):
        os.kill(os.getpid(), 9)
os.mkdir = make_and_die
with cluster.claimed(pathlib.Path(sys.argv[1])):
    pass
"""


@dataclass(frozen=True)
class Place:
    """Where a process rehearses, and where its sockets are; nothing else uses either."""

    root: Path
    temporary: Path
    target: Database

    @property
    def base(self) -> Path:
        return self.root / ".runbook" / "rehearsal"

    def start(self) -> "subprocess.Popen[str]":
        """Start a process, and return it when it begins to rehearse."""
        words = [f"{name}={value}" for name, value in self.target.parameters.items()]
        process = subprocess.Popen(
            [sys.executable, "-c", REHEARSE, str(self.root), *words],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            env=os.environ | {"TMPDIR": str(self.temporary)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def kill_watchers(self) -> None:
        for pid in started_with(f"postgres.cluster\0{self.base}"):
            os.kill(pid, signal.SIGKILL)

    def left(self) -> list[str]:
        """Return what is left of a rehearsal: files and processes."""
        kept = [path for path in self.base.glob("*") if path.name != "claim.lock"]
        files = [path for path in kept if not path.name.startswith("template-")]
        found = [str(path) for path in (*files, *self.temporary.iterdir())]
        lines = started_with(str(self.base)) | started_with(str(self.temporary))
        return [*found, *(line.replace("\0", " ") for line in lines.values())]


@pytest.fixture
def place(database: dict[str, str], in_memory: MakeDirectory) -> Iterator[Place]:
    target = Database(database)
    root = in_memory("killed")
    with target.connect() as connection:
        connection.execute(SHOP)
    (root / "release" / "0001_more").mkdir(parents=True)
    (root / "release" / "0001_more" / "migration.sql").write_text(MIGRATION)
    temporary = Path(tempfile.mkdtemp(prefix="rk", dir="/tmp"))
    temporary.chmod(0o1777)
    yield Place(root, temporary, target)
    cluster.sweep(root / ".runbook" / "rehearsal")
    shutil.rmtree(temporary)


def seconds_of_one(place: Place) -> float:
    process, begin = place.start(), time.monotonic()
    assert process.stdout is not None
    assert process.stdout.read() == "passed\n"
    return time.monotonic() - begin


def test_a_directory_goes_whose_process_was_killed_once_it_was_made(tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED_ONCE_MADE, str(tmp_path)]
    ended = subprocess.run(words, check=False, cwd=PROJECT)
    begin = time.monotonic()
    while list(tmp_path.glob("cluster-*")) and time.monotonic() - begin < WATCHERS:
        time.sleep(0.05)
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["claim.lock"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to find processes")
def test_nothing_is_left_of_a_rehearsal_that_is_killed(place: Place) -> None:
    whole = max(seconds_of_one(place) for _ in range(2))  # the first makes the template
    for moment in range(1, MOMENTS + 1):
        if moment % 5 == 0:  # a kill while initdb makes it, too
            for template in place.base.glob("template-*"):
                shutil.rmtree(template)
        process = place.start()
        time.sleep(whole * moment / (MOMENTS + 1))
        alone = moment % 2 == 0
        if alone:
            place.kill_watchers()
        process.kill()
        process.wait()
        begin = time.monotonic()
        while place.left() and time.monotonic() - begin < WATCHERS:
            if alone:
                cluster.sweep(place.base)  # as a next start does, once what it had started ended
            time.sleep(0.05)
        assert place.left() == [], f"killed after {whole * moment / (MOMENTS + 1):.2f} s"
