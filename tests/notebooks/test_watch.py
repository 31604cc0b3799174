"""One process writes into a run's directory; others are told who, and may watch it live."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.evidence.at_work import running, running_anywhere
from tests.support.pages import opened
from tests.support.projects import fresh_project, papermill, runs, stop

pytestmark = pytest.mark.slow

PATIENCE = 120.0
GATE = 'from runbook_lib import open_run\nrun = open_run("dev", "", "brief")\nrun'


@dataclass(frozen=True)
class Seen:
    """What two papermills, a terminal and a page said while a run went."""

    first: int
    second: "subprocess.CompletedProcess[str]"
    terminal: str
    page: str
    path: Path


def begin(project: Path) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "papermill", "notebooks/run.ipynb", "first.ipynb"]
    with (project / "first.txt").open("wb") as log:
        return subprocess.Popen([*words, "-p", "env", "dev"], cwd=project, stdout=log, stderr=log)


def watch(project: Path) -> "tuple[subprocess.Popen[bytes], int]":
    """Follow the run on a terminal; return the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "runbook_lib", "watch", "dev"]
    process = subprocess.Popen(words, cwd=project, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    return process, ours


def read(terminal: int) -> str:
    said = b""
    with suppress(OSError):  # the other end is closed
        while part := os.read(terminal, 4096):
            said += part
    os.close(terminal)
    return said.decode()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    project = fresh_project(tmp_path_factory.mktemp("watch") / "project")
    with begin(project) as first:
        try:
            deadline = time.monotonic() + PATIENCE
            while not list(running_anywhere(project)):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            follower, terminal = watch(project)
            second = papermill("notebooks/run.ipynb", "env=dev", project=project)
            with opened(project / "notebooks" / "page.ipynb") as page:
                head = page.run(GATE).shown
            said = read(terminal)
            assert follower.wait(PATIENCE) == 0
            first.wait(PATIENCE)
        finally:
            first.kill()
    (path,) = runs(project)
    yield Seen(first.returncode, second, said, head, path)
    stop(project)


def test_the_second_runner_says_who_the_first_is_and_does_nothing(seen: Seen) -> None:
    assert seen.first == 0
    assert seen.second.returncode != 0
    last = seen.second.stderr.strip().splitlines()[-1]
    assert last.startswith("GateError: This run is being worked on (The whole release, pid ")
    assert f"nothing was done. Follow it: python -m runbook_lib watch {seen.path} " in last


def test_a_terminal_shows_it_live_until_it_ends(seen: Seen) -> None:
    assert "\x1b[" in seen.terminal
    assert "20251118154530_sync_schema_phase30: " in seen.terminal
    assert " so far" in seen.terminal
    assert "finished in" in seen.terminal.splitlines()[-1]


def test_a_page_that_is_opened_meanwhile_says_so(seen: Seen) -> None:
    assert f"Running now on dev, run {seen.path.name}: " in seen.page


def test_nothing_runs_behind_it_and_its_kernels_did_not_take_each_other_for_others(
    seen: Seen,
) -> None:
    assert running(seen.path) is None
    brief = (seen.path / "00_brief.ipynb").read_text(encoding="utf-8")
    assert "Running now" not in brief
