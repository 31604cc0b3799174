"""A command gives the password anew for each session and program, or says why it gave none."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.config.environments import Environment
from runbook_lib.errors import ConfigError, TargetError
from runbook_lib.postgres import password, process, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.password import PasswordCommand
from runbook_lib.postgres.targets import reach
from runbook_lib.redaction import redact
from runbook_lib.release.model import Release
from tests.support.cases import Case, Stage, at, migrate_release, project, rehearse_release
from tests.support.memory import MakeDirectory
from tests.support.servers import psql

HBA = "local all mover scram-sha-256\nlocal all all trust\n"
URL = "RUNBOOK_MOVER_URL"
TOKEN = "a-token-of-ours"
EXPIRING = f"""DO $$ BEGIN
PERFORM pg_advisory_xact_lock(1);  -- several sessions ask at a time
EXECUTE format('ALTER ROLE mover PASSWORD %L VALID UNTIL %L', '{TOKEN}', now() + '3 s');
END $$"""


@pytest.fixture(scope="module")
def guarded(in_memory: MakeDirectory) -> Iterator[Sandbox]:
    """Run a server that asks one role for its password."""
    with Sandbox(in_memory("guarded")) as sandbox:
        (sandbox.data / "pg_hba.conf").write_text(HBA)
        psql(sandbox.conninfo(), "SELECT pg_reload_conf()")
        psql(sandbox.conninfo(), "CREATE ROLE mover LOGIN")
        psql(sandbox.conninfo(), "CREATE DATABASE shop OWNER mover")
        yield sandbox


@pytest.fixture
def argv(guarded: Sandbox, tmp_path: Path) -> tuple[str, ...]:
    """Return a command after which only the token that it prints lets the role in."""
    program = shlex.quote(str(tools.find_program("psql")))
    (tmp_path / "token.sh").write_text(
        f"token=one-time-$$-$(date +%N); echo $token >> given\n"
        f"echo \"ALTER ROLE mover PASSWORD '$token'\" |"
        f" {program} -qX -h {guarded.socket_dir} -U postgres postgres && echo $token\n"
    )
    return ("sh", "token.sh")


def tokens(directory: Path) -> list[str]:
    return (directory / "given").read_text().split()


@pytest.fixture
def environment(
    guarded: Sandbox, argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> Environment:
    monkeypatch.setenv(URL, f"postgresql://mover@/shop?host={guarded.socket_dir}")
    return Environment("shop", "shop", url_variable=URL, password_command=argv)


def test_each_session_and_each_program_gets_a_password_of_its_own(
    environment: Environment, tmp_path: Path
) -> None:
    database = reach(environment, tmp_path, Release("shop", "Shop", tmp_path, (), {}))
    before = len(tokens(tmp_path))
    for each in (database, database.on("postgres"), database.maintenance()):
        with each.connect() as connection:
            assert connection.value("SELECT current_user") == "mover"
    with database.inspector() as inspector:
        assert "public" in inspector.get_schema_names()
    argv = tools.dump_argv(
        tools.find_program("pg_dump"),
        database.conninfo(),
        tmp_path / "dump",
        form="custom",
        compress="0",
    )
    process.run(argv, env=database.tool_environment())
    given = tokens(tmp_path)
    assert len(set(given)) == len(given) >= before + 5
    assert all(token not in f"{database!r} {redact(token)}" for token in given)


@pytest.mark.slow
def test_a_run_goes_on_though_each_password_expires_at_once(
    guarded: Sandbox, tmp_path: Path, shared_root: Path
) -> None:
    stage = Stage(guarded)
    files = {"001.sql": "ALTER TABLE item ADD n int;", "002.sql": "CREATE INDEX i ON item (n);"}
    case = Case(kind="", name="", ends="", dbname="shop", role="mover", files=files)
    stage.psql("shop", "-c", "SET ROLE mover; CREATE TABLE item (id int)")
    release = stage.release(case, project(tmp_path, case, shared_root))
    (tmp_path / "token.sql").write_text(EXPIRING)
    psql_there = f"{tools.find_program('psql')} -qXh {guarded.socket_dir} -U postgres postgres"
    command = ["sh", "-c", f"{psql_there} < token.sql && echo {TOKEN}"]
    config = tmp_path / "environments.toml"
    named = config.read_text().replace("dbname", f"password_command = {command}\ndbname", 1)
    config.write_text(named)
    with at(tmp_path, stage.url(case)):
        rehearse_release(release)
        migrate_release(release)


def test_a_password_is_given_one_way_only(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, "postgresql://mover:hunter-2-of-ours@/shop")
    with pytest.raises(ConfigError, match=f"Take the password out of {URL}") as caught:
        reach(environment, tmp_path, Release("shop", "Shop", tmp_path, (), {}))
    assert "hunter" not in str(caught.value)


FAILING = {
    "it ends badly": (
        "import sys; print('to-ken-123456'); sys.exit('no credentials: to-ken-123456')",
        r"ended with exit status 1: no credentials: \*\*\*\.",
    ),
    "it prints nothing": ("pass", "its first line holds no password"),
    "its first line is empty": ("print(); print('later')", "its first line holds no password"),
    "it prints a NUL": (r"print('a\0b')", "its first line holds no password"),
    "it takes too long": ("import time; time.sleep(60)", "did not finish within 0.5 s"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_command_that_gives_none_ends_in_a_sentence(
    case: str, target: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, says = FAILING[case]
    monkeypatch.setattr(password, "_TIME_LIMIT", 0.5)
    command = PasswordCommand((sys.executable, "-c", code), tmp_path, "prod")
    with pytest.raises(TargetError, match=says) as caught:
        Database(target.parameters, command).connect()
    assert str(caught.value).startswith("The password_command of [prod] gave none: ")
    assert "to-ken" not in str(caught.value)


def test_a_program_that_is_not_there_ends_in_a_sentence(target: Database, tmp_path: Path) -> None:
    command = PasswordCommand(("no-such-program",), tmp_path, "prod")
    with pytest.raises(TargetError, match="no-such-program could not be started"):
        Database(target.parameters, command).tool_environment()
