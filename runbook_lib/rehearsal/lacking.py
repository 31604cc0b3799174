"""Foresee what a rehearsal's server lacks of its target's: extensions, collations, the locale.

It is read from the programs' own files, without starting a server.
"""

import shutil
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from runbook_lib.errors import ConfigError
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.run import Run
from runbook_lib.postgres import process, tools
from runbook_lib.postgres.connection import Connection, names
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.tools import Installation
from runbook_lib.rehearsal.world import installation_for

_NAME = "server of the rehearsal"
_LAYOUTS = ("share", "share/postgresql")  # beside bin, where there is no pg_config to ask
_AVAILABLE = "SELECT name FROM pg_catalog.pg_available_extensions"
_ICU = "i"


def check_rehearsal_server(run: Run, connection: Connection) -> CheckResult:
    """Tell whether the server that a rehearsal makes has what the target's database is made of.

    It fails where the policy asks for a rehearsal, which could not restore the backup.
    """
    expected = "the target's extensions, collations and locale"
    bad = Status.FAIL if run.policy.rehearsal.required else Status.WARN
    try:
        installation = installation_for(run.environment, run.target.major)
    except ConfigError as error:
        return CheckResult(_NAME, bad, error.message, expected, error.remedy)
    version = f"PostgreSQL {installation.version[0]} of {installation.source}"
    pending = {step.name for step in run.pending()}
    files = (item for item in run.release.migrations if item.name in pending)
    made = {x.name for item in files for x in item.creates if x.kind == "extension"}
    lacks = [*lacking_extensions(connection, installation, made)]
    lacks += lacking_collations(connection, installation)
    differs = [*lacking_locale(connection, installation)]
    if not lacks and not differs:
        return CheckResult(_NAME, Status.PASS, version, expected)
    remedy = (
        f"Set {tools.BINDIR_VARIABLE} to the bin directory of a PostgreSQL {run.target.major} that "
        f"has it, or name a server that has: rehearsal_url_variable in [{run.environment.name}]; "
        "docs/rehearsal-server.md says where such a server is found."
    )
    observed = f"{version} has no {'; no '.join([*lacks, *differs])}"
    return CheckResult(_NAME, bad if lacks else Status.WARN, observed, expected, remedy)


def lacking_extensions(
    connection: Connection, installation: Installation, made: Set[str] = frozenset()
) -> Iterator[str]:
    """Yield what an installation lacks of the target's extensions, and of those that files make.

    One that the target's server has not either is the files' own error.
    """
    here = _extensions(installation)
    if here is None:
        return
    found = connection.rows(load("world_extensions"))
    for row in found:
        if row["version"] not in here.get(row["name"], ()):
            yield f"extension {row['name']} {row['version']}"
    known = (available_extensions(connection) or set()) - names(found, "name")
    yield from (f"extension {name}" for name in sorted(made & known - here.keys() - {"plpgsql"}))


def available_extensions(connection: Connection) -> Set[str] | None:
    """Return the extensions that a server has files for, None where it does not tell."""
    found = connection.seen(_AVAILABLE)
    return None if found is None else names(found, "name")


def _extensions(installation: Installation) -> dict[str, set[str]] | None:
    """Return the versions that can be made of each extension, None where that cannot be read."""
    directory = _share(installation) / "extension"
    if not directory.is_dir():
        return None
    found = {path.stem: set[str]() for path in directory.glob("*.control")}
    for path in directory.glob("*--*.sql"):  # name--version.sql, or name--from--version.sql
        name, *_, version = path.stem.split("--")
        found.setdefault(name, set()).add(version)
    return found


def lacking_collations(connection: Connection, installation: Installation) -> Iterator[str]:
    """Yield the collations in use, and those made in the database, that cannot be made there."""
    rows = connection.rows(load("used_collations"))
    yield from (f"collation {row['name']} ({what})" for row, what in _missing(rows, installation))


def lacking_locale(connection: Connection, installation: Installation) -> Iterator[str]:
    """Yield the locale of the database where a copy would have the locale C instead."""
    rows = connection.rows(load("database_locale"))
    for _, what in _missing(rows, installation):
        yield f"{what}, the database's: its copy would sort as C does"


def _missing(
    rows: Iterable[dict[str, str]], installation: Installation
) -> Iterator[tuple[dict[str, str], str]]:
    icu, locales = _has_icu(installation), _locales()
    for row in rows:
        if row["provider"] == _ICU and icu is False:
            yield row, "ICU"
        elif row["provider"] != _ICU and locales and _plain(row["locale"]) not in locales:
            yield row, f"locale {row['locale']}"


def _share(installation: Installation) -> Path:
    if said := _configured(installation, "--sharedir"):
        return Path(said)
    beside = (installation.bindir.parent / each for each in _LAYOUTS)
    return next((each for each in beside if (each / "extension").is_dir()), Path("/nonexistent"))


def _has_icu(installation: Installation) -> bool | None:
    """Tell whether it was built with ICU, None where nothing tells."""
    said = _configured(installation, "--configure")
    built = {word: word in said for word in ("--with-icu", "--without-icu")}
    return built["--with-icu"] if any(built.values()) else None


def _configured(installation: Installation, word: str) -> str:
    """Return what pg_config says, empty where it is not installed."""
    program = installation.bindir / "pg_config"
    return process.run([program, word]).stdout.strip() if program.exists() else ""


def _locales() -> set[str]:
    """Return the locales of this machine, none where it does not tell."""
    program = shutil.which("locale")
    said = process.run([program, "-a"]).stdout.split() if program else []
    return {_plain(name) for name in [*said, "C", "POSIX"]} if said else set()


def _plain(locale: str) -> str:
    """Return a name as the C library compares it: en_US.UTF-8 is en_US.utf8."""
    name, dot, encoding = locale.partition(".")
    return f"{name}{dot}{encoding.lower().replace('-', '')}"
