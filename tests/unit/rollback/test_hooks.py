"""Commands run in order, within their time, and what they say is kept without its secrets."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from runbook_lib.evidence.journal import Journal
from runbook_lib.postgres import process
from runbook_lib.rollback.hooks import CommandRun, run_commands
from tests.support.senders import journalled


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def ran(directory: Path, *commands: str, limit: float = 30) -> list[CommandRun]:
    return list(run_commands(commands, limit, directory, process.run))


def test_commands_run_in_order_in_the_directory_and_what_they_say_is_kept(tmp_path: Path) -> None:
    sender = journalled(tmp_path / "journal.jsonl")
    first = python("import sys; print('out'); print('err', file=sys.stderr); open('mark', 'w')")
    second = "cat mark ./mark"
    done = list(run_commands((first, second), 30, tmp_path, sender.runner(process.run)))
    assert [(each.command, each.exit_code, each.output, each.failure) for each in done] == [
        (first, 0, "out\nerr\n", ""),
        (second, 0, "", ""),
    ]
    lines = list(Journal(tmp_path / "journal.jsonl").lines())
    assert [(x["event"], x["argv"], x.get("exit")) for x in lines] == [
        ("program", shlex.split(first), None),
        ("exited", shlex.split(first), 0),
        ("program", shlex.split(second), None),
        ("exited", shlex.split(second), 0),
    ]
    assert all(len(line["digests"]["program"]) == 64 for line in lines[::2])
    assert (tmp_path / "mark").exists()
    assert 0 < done[0].seconds < 30


def test_the_first_that_fails_is_the_last(tmp_path: Path) -> None:
    done = ran(tmp_path, "true", python("print('why'); raise SystemExit(3)"), "touch mark")
    assert [each.exit_code for each in done] == [0, 3]
    assert done[1].failure == f"{Path(sys.executable).name} ended with exit status 3: why"
    assert not (tmp_path / "mark").exists()


def test_a_command_that_takes_too_long_is_ended_and_what_it_said_is_kept(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    started = time.monotonic()
    (done,) = ran(tmp_path, python(code), "touch mark", limit=1)
    assert time.monotonic() - started < 10
    assert done.exit_code is None
    assert "did not finish within 1 s and was ended" in done.failure
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.output), 0)
    assert not (tmp_path / "mark").exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    (done,) = ran(tmp_path, "/nowhere/pm2 stop all")
    assert (done.exit_code, done.output) == (None, "")
    assert done.failure == "/nowhere/pm2 could not be started: No such file or directory."


def test_no_shell_reads_a_command_unless_it_is_named(tmp_path: Path) -> None:
    done = ran(tmp_path, "echo '$HOME' '*' 'a b'", "sh -c 'echo one two | wc -w'")
    assert [each.output.strip() for each in done] == ["$HOME * a b", "2"]


def test_what_is_left_running_must_let_go_of_the_output(tmp_path: Path) -> None:
    (good,) = ran(tmp_path, "sh -c 'sleep 3 >/dev/null 2>&1 &'", limit=1)
    (bad,) = ran(tmp_path, "sh -c 'sleep 3 &'", limit=1)
    assert not good.failure
    assert "did not finish within 1 s" in bad.failure


@pytest.mark.parametrize("ending", ["raise SystemExit(1)", "import time; time.sleep(60)"])
def test_no_secret_is_in_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "t0ken-of-deploy")
    code = (
        "import os, sys; print('token', os.environ['DEPLOY_TOKEN'], flush=True); "
        f"print('postgresql://shop:s3cret@db', file=sys.stderr, flush=True); {ending}"
    )
    (done,) = ran(tmp_path, python(code), limit=2)
    assert done.failure
    assert "t0ken-of-deploy" not in str(done)
    assert "s3cret" not in str(done)
    assert done.output == "token ***\npostgresql://shop:***@db\n"
