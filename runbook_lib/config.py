"""Read ``environments.toml``: the targets by libpq conventions, and their policies."""

import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from runbook_lib.errors import ConfigError
from runbook_lib.policy import Application, Environment, Policy

FILE = "environments.toml"
REHEARSAL_DATA = ("full", "schema")
BACKUP_FORMATS = ("directory", "custom")
_COMPRESSION = re.compile(r"(zstd|lz4|gzip)(:\d{1,2})?")
_POLICY = {item.name: item.type for item in fields(Policy)}
_PLACE = {item.name: item.type for item in fields(Environment)} | {"embedded": bool}
_APPLICATION = {item.name: item.type for item in fields(Application)}
_TABLES = {"policy", "application"}
_LISTS = ("approvals", "stop", "start")
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\$`])*\"""")
_SHELL = re.compile(r"&&|\|\||[|&;<>()$`]")
_LIBPQ_VARIABLES = ("PGSERVICE", "PGHOST", "PGHOSTADDR")


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
