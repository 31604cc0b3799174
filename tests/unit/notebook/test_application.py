"""The application is stopped before a rollback and started after it, and the run keeps how."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.config.environments import Application, Environment, acting
from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError, ToolError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.run import Run
from runbook_lib.notebook import application
from runbook_lib.notebook.application import show_hooks, start_application, stop_application
from runbook_lib.postgres.connection import Database
from runbook_lib.release.model import Release
from runbook_lib.release.plan import Plan, Target

FAILING = "sh -c 'echo postgresql://u:s3cret@db; exit 4'"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Open a run for the rollback of a shop whose application is two files."""
    # What an act asks a server again has tests with a server.
    monkeypatch.setattr(application, "check_act", lambda run, phase: None)
    hooks = Application(("touch stopped", "rm -f started"), ("touch started",), 30.0)
    environment = Environment("prod", "shop", False, Policy(), application=hooks)
    target = Target("prod", "db", 5432, "shop", "dba", 170000, "1", False, False)
    release = Release("r", "R", tmp_path, (), {})
    plan = Plan(
        "r", "digest", {}, target, acting(environment), (), (), (), (), "fingerprint", digest="plan"
    )
    directory = RunDirectory.create(tmp_path, "prod", "r")
    journal = Journal(directory.path / "journal.jsonl")
    places = environment, release, Database({}), target, plan, directory, journal
    return Run(tmp_path, *places, phase="rollback", given="")


def hooked(run: Run, **hooks: Any) -> Run:
    commands = replace(run.environment.application, **hooks)
    return replace(run, environment=replace(run.environment, application=commands))


def record(run: Run, what: str) -> dict[str, Any]:
    found = run.directory.read(f"90_{what}_application")
    assert found is not None
    return found


def files(run: Run) -> set[str]:
    return {path.name for path in run.root.iterdir()} - {"runs"}


def test_the_commands_are_shown_and_not_run(run: Run) -> None:
    shown = show_hooks(run)
    assert shown.caption == "2 commands stop the application, 1 start it"
    assert [(row["when"], row["command"], row["time limit"]) for row in shown.rows] == [
        ("before the rollback", "touch stopped", "30.0 s"),
        ("before the rollback", "rm -f started", "30.0 s"),
        ("after it", "touch started", "30.0 s"),
    ]
    assert files(run) == set()


def test_a_command_that_is_another_than_the_plan_was_made_with_is_said(run: Run) -> None:
    shown = show_hooks(hooked(run, stop=("touch elsewhere",)))
    assert shown.caption.endswith("; another since the plan was made: application.stop")


def test_it_is_stopped_and_started_and_the_run_keeps_how(run: Run) -> None:
    assert "2 commands to stop the application were run" in stop_application(run, "shop").caption
    assert files(run) == {"stopped"}
    start_application(run, "shop")
    assert files(run) == {"stopped", "started"}
    kept = record(run, "stop")
    assert (kept["status"], kept["plan"]) == ("passed", "plan")
    (first, _) = kept["commands"]
    assert first.pop("seconds") > 0
    assert first == {"command": "touch stopped", "exit_code": 0, "output": "", "failure": ""}
    assert record(run, "start")["status"] == "passed"


@pytest.mark.parametrize("act", [stop_application, start_application])
def test_without_confirm_nothing_is_run(run: Run, act: Any) -> None:
    assert "confirm is empty" in act(run, "").caption
    assert files(run) == set()
    assert not list(run.directory.path.glob("90_*"))


@pytest.mark.parametrize("act", [stop_application, start_application])
def test_for_another_database_nothing_is_run(run: Run, act: Any) -> None:
    with pytest.raises(GateError, match="confirmed for 'shop_old', and the database is shop"):
        act(run, "shop_old")
    assert files(run) == set()


def test_without_commands_it_says_so(run: Run) -> None:
    bare = hooked(run, stop=(), start=())
    assert "do both by hand" in show_hooks(bare).caption
    for act in (stop_application, start_application):
        assert "do it by hand" in act(bare, "shop").caption
    assert not list(run.directory.path.glob("90_*"))


def test_a_stop_that_fails_keeps_the_rollback_from_beginning(run: Run) -> None:
    broken = hooked(run, stop=("touch stopped", FAILING, "touch later"))
    with pytest.raises(GateError) as caught:
        stop_application(broken, "shop")
    assert "is not stopped, and nothing was rolled back: 'sh -c" in caught.value.message
    assert "sh ended with exit status 4: postgresql://u:***@db" in caught.value.message
    assert "environments.toml" in caught.value.remedy
    assert files(run) == {"stopped"}
    kept = record(run, "stop")
    assert kept["status"] == "failed"
    assert [each["exit_code"] for each in kept["commands"]] == [0, 4]
    assert kept["commands"][1]["output"] == "postgresql://u:***@db\n"
    assert "s3cret" not in str(caught.value) + json.dumps(kept)


@pytest.mark.parametrize(
    ("rolled_back", "said"), [(True, "is rolled back"), (False, "was not rolled back")]
)
def test_a_start_that_fails_says_where_the_database_stands(
    run: Run, rolled_back: bool, said: str
) -> None:
    if rolled_back:
        run.record(True, {"rollback": {"way": "revert"}})
    with pytest.raises(ToolError) as caught:
        start_application(hooked(run, start=(FAILING,)), "shop")
    assert f"The database {said}, and the application not started" in caught.value.message
    assert "begin at the gate" in caught.value.remedy
    assert record(run, "start")["status"] == "failed"
    start_application(run, "shop")
    assert record(run, "start")["status"] == "passed"


def test_a_stop_that_takes_too_long_fails(run: Run) -> None:
    with pytest.raises(GateError, match=r"sleep did not finish within 0\.5 s and was ended"):
        stop_application(hooked(run, stop=("sleep 60",), time_limit=0.5), "shop")
    assert record(run, "stop")["commands"][0]["exit_code"] is None


def test_a_stop_that_is_interrupted_does_not_count_as_done(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def after_the_first(_: object) -> None:
        monkeypatch.setattr("runbook_lib.postgres.process._said", interrupted)

    monkeypatch.setattr("runbook_lib.notebook.application.Progress.advance", after_the_first)
    with pytest.raises(KeyboardInterrupt):
        stop_application(run, "shop")
    kept = record(run, "stop")
    assert (kept["status"], len(kept["commands"])) == ("failed", 1)
