"""Read ``environments.toml``: the targets by libpq conventions, and their policies."""

import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from runbook_lib.errors import ConfigError

FILE = "environments.toml"
REHEARSAL_DATA = ("full", "schema")
BACKUP_FORMATS = ("directory", "custom")
_COMPRESSION = re.compile(r"(zstd|lz4|gzip)(:\d{1,2})?")
_TABLES = {"policy", "application"}
_LISTS = ("approvals", "stop", "start")
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\$`])*\"""")
_SHELL = re.compile(r"&&|\|\||[|&;<>()$`]")
_LIBPQ_VARIABLES = ("PGSERVICE", "PGHOST", "PGHOSTADDR")


@dataclass(frozen=True)
class Policy:
    """Hold what an environment allows and demands. Times are in seconds.

    *Locks.* ``lock_timeout`` bounds how long a statement queues for a lock, and so how long writes
    queue behind it; a transaction that it stops is tried ``lock_tries`` times in all, with pauses
    of up to ``lock_pause``. ``foreign_keys_apart`` takes foreign keys to tables with rows out of
    their file's transaction.

    *Indexes.* ``concurrent_indexes`` builds those on older tables with rows CONCURRENTLY,
    ``index_lanes`` tables at a time (0: as many as the server's cores that can be seen), each with
    ``index_memory`` (as maintenance_work_mem, empty: the server's) and ``index_workers`` parallel
    workers: none leaves the processors to the traffic, -1 takes the server's setting. After a build
    its lane rests ``build_rest`` times as long, a minute at most, before the next. A build that
    waits longer than ``build_wait`` for other sessions is given up.

    *Health.* Between transactions the runbook pauses, ``health_wait`` at most, while a replica lags
    more than ``replica_lag``, more than ``waiting_sessions`` wait for locks, a tiny write takes
    longer than ``write_latency``, or less than ``disk_free`` megabytes are left.

    *Backup.* ``backup_format`` is ``directory``, which several sessions write and read side by
    side, or ``custom``, one file. ``backup_compression`` is zstd, lz4 or gzip, with a level as in
    ``gzip:9``; empty takes the first of these that pg_dump supports. ``custom`` with ``gzip:9`` is
    ``pg_dump --format=custom --compress=9``. ``backup_jobs`` sessions dump (0: as many as the cores
    here), fewer where the connection limits of role, database or server want it. A dump stops where
    less than ``disk_free`` megabytes are left here. Of the backups of a database ``backups_kept``
    stay (0: all). ``backup_copy`` is an fsspec URL to which each backup is copied and where it is
    read back; its credentials come from the environment. ``restore_point`` marks the WAL after the
    dump, so that a recovery can end there.

    ``rehearsal_data`` is ``full`` or ``schema``; ``writes_wait`` is how long a lock may stop the
    application's writes in the rehearsal. ``reconnect_wait`` is how long a lost server is looked
    for to learn how a COMMIT ended.
    """

    lock_timeout: float = 5.0
    lock_tries: int = 10
    lock_pause: float = 30.0
    statement_timeout: float = 1800.0
    runner_lock_wait: float = 30.0
    reconnect_wait: float = 30.0
    long_transaction: float = 60.0
    foreign_keys_apart: bool = True
    concurrent_indexes: bool = True
    index_lanes: int = 0
    index_memory: str = ""
    index_workers: int = 0
    build_rest: float = 0.25
    build_wait: float = 600.0
    health_wait: float = 60.0
    replica_lag: float = 30.0
    waiting_sessions: int = 20
    write_latency: float = 1.0
    disk_free: int = 512
    backup_format: str = "directory"
    backup_compression: str = ""
    backup_jobs: int = 0
    backups_kept: int = 0
    backup_copy: str = ""
    restore_point: bool = False
    rehearsal_required: bool = False
    rehearsal_data: str = "full"
    writes_wait: float = 10.0
    confirm: bool = False
    approvals: tuple[str, ...] = ()
    monitor_samples: int = 2


@dataclass(frozen=True)
class Application:
    """Name the commands that stop and start the application, each with ``time_limit`` seconds.

    A command is split into words as a shell does, and runs without one, in the directory of
    ``environments.toml``.
    """

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    time_limit: float = 60.0


@dataclass(frozen=True)
class Environment:
    """Describe one table of ``environments.toml``: where a target is and what its policy is."""

    name: str
    dbname: str
    embedded: bool
    policy: Policy
    service: str = ""
    url_variable: str = ""
    rehearsal_url_variable: str = ""
    system_identifier: str = ""
    demo_rows: bool = False
    starts_as: str = ""
    scale: float = 1.0
    application: Application = Application()


_POLICY = {item.name: item.type for item in fields(Policy)}
_PLACE = {item.name: item.type for item in fields(Environment)} | {"embedded": bool}
_APPLICATION = {item.name: item.type for item in fields(Application)}


def find_root(start: Path | None = None) -> Path:
    """Return the directory that holds ``environments.toml``, at ``start`` or above it.

    The directory of the running notebook is where a search begins. Raises ConfigError.
    """
    begin = (start or Path.cwd()).resolve()
    for directory in (begin, *begin.parents):
        if (directory / FILE).is_file():
            return directory
    message = f"There is no {FILE} in {begin} or above it."
    raise ConfigError(message, remedy="Start from the runbook's own directory.")


def read_environment(root: Path, name: str) -> Environment:
    """Return one environment; raises ConfigError for one that is not there or is misspelt."""
    path = root / FILE
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The file is not TOML: {error}.", path=path) from error
    if name not in tables:
        known = ", ".join(tables)
        message = f"There is no environment '{name}'."
        raise ConfigError(message, path=path, remedy=f"Use one of: {known}.")
    table = dict(tables[name])
    policy = Policy(**_table(path, name, "policy", table, _POLICY))
    application = Application(**_table(path, name, "application", table, _APPLICATION))
    _check_keys(path, name, table, _PLACE)
    _check_words(path, name, policy)
    _check_commands(path, f"{name}.application", application)
    if "dbname" not in table:
        raise ConfigError(f"[{name}] has no dbname.", path=path, remedy="Add it.")
    place = {"embedded": False, **table}
    return Environment(name=name, policy=policy, application=application, **place)


def _table(
    path: Path, name: str, key: str, table: dict[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Take a table out of an environment's, its lists as tuples."""
    found = table.pop(key, {})
    if not isinstance(found, dict):
        message = f"[{name}] {key} = {found!r} is not a table."
        raise ConfigError(message, path=path, remedy=f"Write it as [{name}.{key}].")
    _check_keys(path, f"{name}.{key}", found, known)
    return {k: tuple(value) if isinstance(value, list) else value for k, value in found.items()}


def _check_keys(path: Path, where: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key not in known or key == "name":
            names = ", ".join(sorted(set(known) - {"name", *_TABLES}))
            message = f"[{where}] has an unknown key '{key}'."
            raise ConfigError(message, path=path, remedy=f"The keys are: {names}.")
        kind = list if key in _LISTS else known[key]
        allowed = (int, float) if kind is float else kind
        right = isinstance(value, allowed) and (kind is bool or not isinstance(value, bool))
        if right and kind is list:
            right = all(isinstance(item, str) for item in value)
        if not right:
            message = f"[{where}] {key} = {value!r} is not a {kind.__name__}."
            raise ConfigError(message, path=path, remedy="Correct the value.")


def _check_words(path: Path, name: str, policy: Policy) -> None:
    choices = {"rehearsal_data": REHEARSAL_DATA, "backup_format": BACKUP_FORMATS}
    for key, words in choices.items():
        if (word := getattr(policy, key)) not in words:
            message = f"[{name}.policy] {key} = '{word}' is unknown."
            raise ConfigError(message, path=path, remedy=f"Use one of: {', '.join(words)}.")
    word = policy.backup_compression
    if word and not _COMPRESSION.fullmatch(word):
        message = f"[{name}.policy] backup_compression = '{word}' is unknown."
        remedy = "Use zstd, lz4 or gzip, with a level as in gzip:9, or leave it empty."
        raise ConfigError(message, path=path, remedy=remedy)
    for key in ("backup_jobs", "backups_kept"):
        if (number := getattr(policy, key)) < 0:
            message = f"[{name}.policy] {key} = {number} is negative."
            raise ConfigError(message, path=path, remedy="Use 0 or more.")


def _check_commands(path: Path, where: str, application: Application) -> None:
    if application.time_limit <= 0:
        message = f"[{where}] time_limit = {application.time_limit:g} leaves a command no time."
        raise ConfigError(message, path=path, remedy="Use a number of seconds above 0.")
    for key in ("stop", "start"):
        for command in getattr(application, key):
            if why := _no_command(command):
                remedy = "Write one program with its arguments; a pipe goes into sh -c '...'."
                message = f"[{where}] {key}: '{command}' {why}."
                raise ConfigError(message, path=path, remedy=remedy)


def _no_command(text: str) -> str:
    """Say what keeps a text from being run without a shell, empty for nothing."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"cannot be split into words: {str(error).lower()}"
    if not words or not words[0]:
        return "names no program"
    # Passed on as a word, it would do something else than whoever wrote it meant.
    found = _SHELL.search(_QUOTED.sub("", text))
    return f"holds {found[0]}, which only a shell understands" if found else ""


def coordinates(environment: Environment) -> tuple[str, str]:
    """Return how a real server is named: ``("service", name)``, ``("url", url)`` or libpq's own.

    The last is ``("libpq", "")``: the PG* variables lead there. Raises ConfigError with what to
    set where nothing is configured. The URL may hold a password: never print it.
    """
    if environment.service:
        return "service", environment.service
    url = os.environ.get(environment.url_variable, "") if environment.url_variable else ""
    if url:
        return "url", url
    if any(os.environ.get(name) for name in _LIBPQ_VARIABLES):
        return "libpq", ""
    variable = environment.url_variable or "PGHOST"
    message = f"The environment '{environment.name}' names no server."
    remedy = (
        f"Set {variable} to its URL, or PGSERVICE, or PGHOST with PGUSER and a .pgpass file "
        f"(PostgreSQL manual, 32.15 and 32.16)."
    )
    raise ConfigError(message, remedy=remedy)
