"""A password-protected server: the run completes, and the password is found nowhere."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from runbook_lib.postgres import embedded
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.projects import fresh_project, papermill, record, runs, stop

ADDRESS = "127.0.0.77"  # all of 127/8 is loopback on Linux: no port of this machine is in the way
PASSWORD = 'Tr0ub4dor&3/<"quoted">@ü'
HBA = "local all all trust\nhost all all 127.0.0.0/8 scram-sha-256\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("secrets"),
    pytest.mark.skipif(sys.platform != "linux", reason=f"{ADDRESS} is loopback on Linux only"),
]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a server that asks for a password, and return the URL of a database on it."""
    settings = {**embedded.SETTINGS, "listen_addresses": ADDRESS}
    monkeypatch.setattr(embedded, "SETTINGS", settings)
    home = tmp_path / "server"
    home.mkdir()
    server = Sandbox(home).use()
    try:
        (server.data / "pg_hba.conf").write_text(HBA)
        with Database(server.conninfo()).connect() as connection:
            connection.rows("SELECT pg_reload_conf()")
            connection.execute("SET password_encryption = 'scram-sha-256'")
            escaped = PASSWORD.replace("'", "''")
            connection.execute(f"CREATE ROLE deployer LOGIN CREATEDB PASSWORD '{escaped}'")
            connection.execute("CREATE DATABASE citadelbuy_prod OWNER deployer")
        yield f"postgresql://deployer:{quote(PASSWORD, safe='')}@{ADDRESS}/citadelbuy_prod"
    finally:
        server.release()
        stop(home)


def everything_written(project: Path) -> str:
    files = [path for path in project.rglob("*") if path.is_file() and ".runbook" not in path.parts]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def test_the_password_is_in_nothing_that_is_written(url: str, tmp_path: Path) -> None:
    project = fresh_project(tmp_path / "project")
    strict = (project / "environments.toml").read_text()
    lenient = strict.replace("confirm = true", "confirm = false")
    lenient = lenient[: lenient.index("roles = [")]
    (project / "environments.toml").write_text(lenient)
    try:
        wrong = papermill(
            "notebooks/run.ipynb",
            "env=prod",
            project=project,
            env={"RUNBOOK_PROD_URL": url.replace("deployer:", "deployer:not-")},
        )
        assert wrong.returncode != 0
        assert "password authentication failed" in wrong.stderr
        done = papermill(
            "notebooks/run.ipynb", "env=prod", project=project, env={"RUNBOOK_PROD_URL": url}
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert record(runs(project, "prod")[-1], "80_signoff")["status"] == "open"
        text = everything_written(project) + done.stdout + done.stderr + wrong.stdout + wrong.stderr
        for secret in (PASSWORD, quote(PASSWORD, safe=""), "Tr0ub4dor"):
            assert secret not in text
        assert "deployer" in text  # the search does see what was written
    finally:
        stop(project)


def answers(run: Path) -> str:
    """Answer all that is open in a run, and approve for the roles that have not yet."""
    found, when = record(run, "80_signoff"), "at = 2026-11-22T12:00:00Z"
    open_lines = [item["text"] for item in found["criteria"] if item["status"] == "open"]
    open_roles = [item["role"] for item in found["approvals"] if item["status"] == "open"]
    said = [
        f'[[answer]]\ncriterion = {json.dumps(text)}\nanswer = "yes"\nwho = "N. A."\n{when}\n'
        for text in open_lines
    ]
    given = [
        f'[[approval]]\nrole = "{role}"\nname = "N. {initial}."\n{when}\n'
        for role, initial in zip(open_roles, "DE", strict=True)
    ]
    return "".join((*said, *given))


def test_prod_waits_for_its_approvals_and_at_the_end_for_its_sign_off(
    url: str, tmp_path: Path
) -> None:
    project = fresh_project(tmp_path / "project")
    try:
        asked = papermill(
            "notebooks/run.ipynb", "env=prod", project=project, env={"RUNBOOK_PROD_URL": url}
        )
        assert asked.returncode != 0
        assert (
            "approvals.toml of this run lacks the approval of the Database Administrator"
            in asked.stderr
        )
        run = runs(project, "prod")[-1]
        roles = ("Database Administrator", "Backend Lead", "DevOps Engineer")
        given = "".join(
            f'[[approval]]\nrole = "{role}"\nname = "N. {initial}."\nat = 2026-11-22T10:00:00Z\n'
            for role, initial in zip(roles, "ABC", strict=True)
        )
        digest = record(run, "plan")["digest"]
        head = f'plan = "{digest}"\nconfirm = "citadelbuy_prod"\n'
        (run / "approvals.toml").write_text(head + given)
        done = papermill(
            "notebooks/run.ipynb", "env=prod", project=project, env={"RUNBOOK_PROD_URL": url}
        )
        assert done.returncode != 0
        assert "its sign-off is open: 23 criteria, 2 approvals" in done.stderr
        (run / "answers.toml").write_text(f'plan = "{digest}"\n{answers(run)}')
        signed = papermill(
            "notebooks/run.ipynb", "env=prod", project=project, env={"RUNBOOK_PROD_URL": url}
        )
        assert signed.returncode == 0, signed.stderr[-3000:]
        assert record(run, "80_signoff")["status"] == "passed"
        assert runs(project, "prod") == [run]
    finally:
        stop(project)
