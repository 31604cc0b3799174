"""A run directory has one writer at a time, and whoever comes second is told who that is."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook_lib.errors import GateError
from runbook_lib.evidence.writer import writer_of, writing
from tests.support.projects import REPOSITORY, command

_SECOND = """
import sys
from pathlib import Path
from runbook_lib.evidence.writer import writing
with writing(Path(sys.argv[1]), "Backup"):
    print("let in", flush=True)
    if len(sys.argv) > 2:
        sys.stdin.read()
"""


def second(directory: Path, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """Let another process begin an act; with a token it is one that the first has started."""
    known = {"RUNBOOK_WRITER": token} if token is not None else None
    return command(sys.executable, "-c", _SECOND, directory, cwd=REPOSITORY, env=known)


def test_a_second_process_is_told_who_works_there(tmp_path: Path) -> None:
    with writing(tmp_path, "Migration"):
        done = second(tmp_path, token="")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert f"is being worked on (Migration, pid {os.getpid()} of " in said
    assert f"python -m runbook_lib watch {tmp_path}" in said


def test_a_second_act_of_the_same_process_is_refused_as_well(tmp_path: Path) -> None:
    def other() -> None:
        with writing(tmp_path, "Backup"):
            pass

    with writing(tmp_path, "Migration"), ThreadPoolExecutor(1) as pool:
        with pytest.raises(GateError, match="nothing was done"):
            pool.submit(other).result()
        assert writer_of(tmp_path) is not None


def test_a_process_that_the_writer_started_is_let_in(tmp_path: Path) -> None:
    with writing(tmp_path, "The whole release"):
        assert second(tmp_path).stdout == "let in\n"
        writer = writer_of(tmp_path)
        assert writer is not None
        assert writer.act == "The whole release"  # still
    assert writer_of(tmp_path) is None


def test_a_token_of_an_act_that_ended_opens_nothing(tmp_path: Path) -> None:
    with writing(tmp_path, "Migration"):
        token = os.environ["RUNBOOK_WRITER"]
    with writing(tmp_path, "Migration"):
        assert second(tmp_path, token).returncode == 1


def test_whoever_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _SECOND, str(tmp_path), "wait"]
    with subprocess.Popen(
        words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"let in\n"
        assert writer_of(tmp_path) is not None
        first.send_signal(signal.SIGKILL)
    assert writer_of(tmp_path) is None
    assert second(tmp_path).stdout == "let in\n"
