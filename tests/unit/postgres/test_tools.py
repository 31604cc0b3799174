"""Which PostgreSQL programs are found, and which of them are taken."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.errors import ConfigError, ToolError
from runbook_lib.postgres import process, tools
from runbook_lib.postgres.tools import Installation

pytestmark = pytest.mark.account


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Installation]:
    def make(major: int, minor: int, source: str, *names: str, tls: bool = True) -> Installation:
        bindir = tmp_path / f"{source.replace('/', '_')} {major}.{minor}" / "bin"
        bindir.mkdir(parents=True)
        refusal = (
            ""
            if tls
            else "echo 'sslmode value \"require\" invalid when SSL support is not compiled in' >&2"
        )
        for name in names or ("pg_dump", "psql"):
            program = bindir / name
            said = f"{name} (PostgreSQL) {major}.{minor} (Debian {major}.{minor}-0)"
            program.write_text(
                f'#!/bin/sh\nif [ "$1" = -V ]; then echo "{said}"; exit; fi\n{refusal}\nexit 1\n'
            )
            program.chmod(0o755)
        return Installation(bindir, (major, minor), source)

    return make


def chosen(found: list[Installation], server_major: int | None, *, tls: bool = False) -> Path:
    return tools.find_program("pg_dump", server_major=server_major, tls=tls, among=found).parent


def test_the_nearest_major_that_is_not_older_than_the_server(
    install: Callable[..., Installation],
) -> None:
    found = [install(18, 1, "wheel"), install(16, 9, "PATH"), install(14, 3, "/usr")]
    assert chosen(found, 18) == found[0].bindir
    assert chosen(found, 17) == found[0].bindir
    assert chosen(found, 16) == found[1].bindir
    assert chosen(found, 15) == found[1].bindir
    assert chosen(found, 14) == found[2].bindir


def test_the_newest_minor_then_the_given_order(install: Callable[..., Installation]) -> None:
    found = [install(17, 4, "wheel"), install(17, 9, "PATH"), install(17, 9, "/usr")]
    assert chosen(found, 17) == found[1].bindir


def test_the_variable_wins_where_it_fits(install: Callable[..., Installation]) -> None:
    found = [install(18, 0, tools.BINDIR_VARIABLE), install(16, 9, "wheel")]
    assert chosen(found, 16) == found[0].bindir
    old = [install(15, 0, tools.BINDIR_VARIABLE), install(17, 9, "wheel")]
    assert chosen(old, 16) == old[1].bindir


def test_without_a_server_the_first_that_has_the_program(
    install: Callable[..., Installation],
) -> None:
    found = [install(14, 1, "a", "psql"), install(15, 1, "b"), install(17, 1, "c")]
    assert chosen(found, None) == found[1].bindir


def test_tls_is_asked_for(install: Callable[..., Installation]) -> None:
    found = [install(17, 9, "wheel", tls=False), install(18, 0, "PATH")]
    assert chosen(found, 17) == found[0].bindir
    assert chosen(found, 17, tls=True) == found[1].bindir


def test_a_missing_program_says_what_where_and_what_to_set(
    install: Callable[..., Installation],
) -> None:
    found = [install(17, 9, "wheel x"), install(15, 18, "PATH")]
    with pytest.raises(ToolError) as caught:
        chosen(found, 18)
    assert str(caught.value) == (
        f"A pg_dump for a PostgreSQL 18 server was not found in RUNBOOK_PG_BINDIR, the wheel "
        f"{tools.WHEEL}, PATH or /usr/lib/postgresql/*/bin (seen: wheel x: 17.9 in "
        f"{found[0].bindir}; PATH: 15.18 in {found[1].bindir}). Set RUNBOOK_PG_BINDIR to the bin "
        f"directory of a fitting PostgreSQL 18."
    )
    with pytest.raises(ToolError, match=r"that speaks TLS .*\(seen: no PostgreSQL at all\)"):
        chosen([], 18, tls=True)


def test_installations_come_in_order(
    install: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given, on_path = install(16, 2, "given"), install(17, 3, "path")
    debian = tmp_path / "debian"
    debian.mkdir()
    for major in (9, 15, 14):
        made = install(major, 1, f"debian{major}")
        made.bindir.parent.rename(debian / str(major))
    (debian / "common").mkdir()
    monkeypatch.setenv(tools.BINDIR_VARIABLE, str(given.bindir))
    monkeypatch.setenv("PATH", str(on_path.bindir))
    monkeypatch.setattr(tools, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(tools, "DEBIAN", debian)
    assert tools.installations() == [
        Installation(given.bindir, (16, 2), "RUNBOOK_PG_BINDIR"),
        Installation(on_path.bindir, (17, 3), "PATH"),
        *(Installation(debian / str(n) / "bin", (n, 1), str(debian)) for n in (15, 14, 9)),
    ]


def test_debians_wrapper_is_not_taken_for_an_installation(
    install: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = install(15, 1, "wrapper", "pg_wrapper")
    links = tmp_path / "links"
    links.mkdir()
    (links / "pg_dump").symlink_to(real.bindir / "pg_wrapper")
    monkeypatch.setenv("PATH", str(links))
    assert "PATH" not in {each.source for each in tools.installations()}


def test_the_wheel_is_found_without_importing_it() -> None:
    code = (
        "import sys; from runbook_lib.postgres import tools; found = tools.server_installation(); "
        "print(found.source, tools.WHEEL in sys.modules)"
    )
    path = os.pathsep.join(
        filter(None, [str(Path(tools.__file__).parents[2]), os.environ.get("PYTHONPATH")])
    )
    done = process.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path, tools.BINDIR_VARIABLE: None}
    )
    if not done.stdout.startswith("wheel"):
        pytest.skip(f"the wheel {tools.WHEEL} is not installed: the server is from {done.stdout}")
    assert done.stdout == f"wheel {tools.WHEEL} False\n"


@pytest.mark.parametrize("content", ["", "#!/nonexistent/interpreter\n"], ids=["none", "broken"])
def test_a_variable_that_leads_nowhere_is_refused(
    content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content:
        (tmp_path / "pg_dump").write_text(content)
        (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setenv(tools.BINDIR_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match="no PostgreSQL program runs"):
        tools.installations()


def test_a_server_needs_all_its_programs_and_the_right_major(
    install: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("initdb", "postgres", "pg_ctl", "pg_isready", "psql")
    some, full = install(18, 1, "some", *names[:3]), install(16, 1, "full", *names)
    monkeypatch.setattr(tools, "_bindirs", lambda: iter([(some.bindir, "a"), (full.bindir, "b")]))
    assert tools.server_installation().bindir == full.bindir
    assert tools.server_installation(16).bindir == full.bindir
    with pytest.raises(ToolError, match=r"A PostgreSQL 17 server .* Set RUNBOOK_PG_BINDIR"):
        tools.server_installation(17)


def test_versions_are_read_once(
    install: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = install(17, 2, "once")
    assert tools._version(found.bindir) == (17, 2)
    monkeypatch.setattr(subprocess, "Popen", None)  # a second process would fail here
    assert tools._version(found.bindir) == (17, 2)
