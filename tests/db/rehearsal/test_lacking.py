"""What the server of a rehearsal lacks of its target's is told without starting it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Status
from runbook_lib.postgres import tools
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.rehearsal.lacking import (
    check_rehearsal_server,
    lacking_collations,
    lacking_extensions,
    lacking_locale,
)
from tests.support.majors import server_of
from tests.support.policies import changed
from tests.support.projects import REPOSITORY
from tests.support.worlds import run_of

WHEEL = tools.server_installation()


def installation(directory: Path, *extensions: str, configured: str = "") -> tools.Installation:
    """Return one with no more than these files; without pg_config unless told what it says."""
    (directory / "share" / "extension").mkdir(parents=True)
    (directory / "bin").mkdir()
    for name in extensions:
        (directory / "share" / "extension" / name).touch()
    if configured:
        program = directory / "bin" / "pg_config"
        share = directory / "share"
        program.write_text(
            f'#!/bin/sh\n[ "$1" = --sharedir ] && echo {share} || echo "{configured}"\n'
        )
        program.chmod(0o755)
    return tools.Installation(directory / "bin", (16, 0), "a test")


def test_an_extension_of_the_target_is_missed_by_its_version(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE EXTENSION citext")
    version = connection.value("SELECT extversion FROM pg_extension WHERE extname = 'citext'")
    cases: list[tuple[list[str], list[str]]] = [
        ([], [f"extension citext {version}"]),
        (["citext.control", "citext--0.9.sql"], [f"extension citext {version}"]),
        (["citext.control", f"citext--{version}.sql"], []),
        (["citext.control", "citext--0.9.sql", f"citext--0.9--{version}.sql"], []),
    ]
    for number, (files, lacks) in enumerate(cases):
        found = installation(tmp_path / str(number), *files)
        assert list(lacking_extensions(connection, found)) == lacks


def test_an_extension_that_a_file_makes_is_missed_where_the_target_has_it(
    connection: Connection, tmp_path: Path
) -> None:
    made = {"hstore", "nowhere_to_be_had"}
    found = lacking_extensions(connection, installation(tmp_path), made)
    assert list(found) == ["extension hstore"]


def test_the_programs_that_run_the_target_lack_nothing(connection: Connection) -> None:
    connection.execute('CREATE EXTENSION citext; CREATE TABLE t (c text COLLATE "C")')
    assert not [*lacking_extensions(connection, WHEEL), *lacking_collations(connection, WHEEL)]
    assert not [*lacking_locale(connection, WHEEL)]


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Connection]:
    """Hold a server with ICU."""
    with server_of(15, tmp_path / "debian") as target, target.connect() as connection:
        if not connection.value("SELECT count(*) FROM pg_collation WHERE collprovider = 'i'"):
            pytest.skip("this server has no ICU")
        yield connection


@pytest.mark.slow
def test_a_collation_that_is_used_needs_icu_and_one_that_is_not_needs_nothing(
    debian: Connection, tmp_path: Path
) -> None:
    without = installation(tmp_path / "1", configured="'--without-icu'")
    having = installation(tmp_path / "2", configured="'--with-icu'")
    assert not [*lacking_collations(debian, without)]
    debian.execute('CREATE TABLE t (c text COLLATE "de-x-icu")')
    assert list(lacking_collations(debian, without)) == ["collation de-x-icu (ICU)"]
    assert not [*lacking_collations(debian, having)]
    assert not [*lacking_collations(debian, installation(tmp_path / "3"))], "nothing tells"
    debian.execute("CREATE COLLATION own (provider = icu, locale = 'sv')")
    assert "collation own (ICU)" in list(lacking_collations(debian, without))


def test_a_locale_that_this_machine_lacks_is_named(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
    name = connection.value(query)
    program = tmp_path / "locale"
    program.write_text("#!/bin/sh\necho xx_XX\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (found,) = lacking_locale(connection, WHEEL)
    assert found == f"locale {name}, the database's: its copy would sort as C does"


@pytest.mark.slow
@pytest.mark.parametrize(("required", "status"), [(True, Status.FAIL), (False, Status.WARN)])
def test_what_is_lacking_fails_where_a_rehearsal_is_required(
    target: Database,
    connection: Connection,
    journal: Journal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    required: bool,
    status: Status,
) -> None:
    connection.execute("CREATE EXTENSION citext")
    found = installation(tmp_path / "bare")
    for program in WHEEL.bindir.iterdir():
        if program.name != "pg_config":
            (found.bindir / program.name).symlink_to(program)
    run = run_of(target, tmp_path, journal)
    policy = changed(run.policy, rehearsal={"required": required})
    run = replace(run, environment=replace(run.environment, policy=policy))
    assert check_rehearsal_server(run, connection).status is Status.PASS
    monkeypatch.setenv(tools.BINDIR_VARIABLE, str(found.bindir))
    result = check_rehearsal_server(run, connection)
    assert result.status is status
    assert "has no extension citext" in result.observed
    assert "rehearsal_url_variable in [test]" in result.remedy
    (page,) = re.findall(r"docs/\S+\.md", result.remedy)
    assert "TimescaleDB" in (REPOSITORY / page).read_text(encoding="utf-8")
