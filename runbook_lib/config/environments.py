"""Read ``environments.toml``: the targets by libpq conventions, and their policies."""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from runbook_lib.config.policies import FLAT, Policy
from runbook_lib.config.setting import Setting, Text, hints, parts
from runbook_lib.config.toml import Document, place, read_document, validated, with_given
from runbook_lib.errors import ConfigError

FILE = "environments.toml"
HOME = "RUNBOOK_HOME"  # the environment variable that names the runbook's directory
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\$`])*\"""")
_SHELL = re.compile(r"&&|\|\||[|&;<>()$`]")
_LIBPQ_VARIABLES = ("PGSERVICE", "PGHOST", "PGHOSTADDR")
_VARIABLE = r"([A-Za-z_][A-Za-z0-9_]*)?"
_VARIABLE_WORDS = "the name of an environment variable"


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


Commands = tuple[
    Annotated[
        str,
        Setting("one program with its arguments; a pipe goes into sh -c '...'", check=_no_command),
    ],
    ...,
]


@dataclass(frozen=True)
class Application:
    """Name the commands that stop and start the application around a rollback.

    A command is split into words as a shell does, and runs without one, in the directory of
    ``environments.toml``.
    """

    stop: Annotated[Commands, Setting("what stops it, in this order", may_hold_secret=True)] = ()
    start: Annotated[Commands, Setting("what starts it, in this order", may_hold_secret=True)] = ()
    time_limit: Annotated[
        float, Setting("how long each command may take", "seconds", 0.001, 86_400)
    ] = 60.0


@dataclass(frozen=True)
class Environment:
    """Describe one table of ``environments.toml``: where a target is and what its policy is."""

    name: Annotated[str, Setting(given=True)]
    dbname: Annotated[
        str,
        Setting(
            "the database; a URL that leads to another is refused",
            pattern=r".{1,63}",
            words="a database's name of 1 to 63 characters",
        ),
    ]
    embedded: Annotated[
        bool, Setting("a PostgreSQL of the runbook's own, started when it is needed")
    ] = False
    policy: Policy = field(default_factory=Policy)
    service: Annotated[str, Setting("a service of pg_service.conf that leads to the server")] = ""
    url_variable: Annotated[
        str,
        Setting(
            "the environment variable that holds the server's URL",
            pattern=_VARIABLE,
            words=_VARIABLE_WORDS,
        ),
    ] = ""
    password_command: Annotated[
        tuple[Text, ...],
        Setting(
            "a program and its arguments, run without a shell beside this file; the first line "
            "it prints is the password, asked for anew for each session, for a token expires",
            may_hold_secret=True,
        ),
    ] = ()
    rehearsal_url_variable: Annotated[
        str,
        Setting(
            "the one that holds the URL of a server that `python -m runbook_lib "
            "mark-rehearsal-server` marked; empty: a cluster is made for each rehearsal",
            pattern=_VARIABLE,
            words=_VARIABLE_WORDS,
        ),
    ] = ""
    system_identifier: Annotated[
        str,
        Setting(
            "pins the server: SELECT system_identifier FROM pg_control_system()",
            pattern=r"\d*",
            words="digits between quotes",
        ),
    ] = ""
    demo_rows: Annotated[
        bool, Setting("fill the tables before the index migration; embedded targets only")
    ] = False
    starts_as: Annotated[
        Literal["", "production today"],
        Setting("what an embedded target holds at first: nothing, or today's tables with rows"),
    ] = ""
    scale: Annotated[
        float,
        Setting(
            "how much of the volumes in the release brief the demo rows have", "", 0.0001, 1000
        ),
    ] = 1.0
    application: Application = Application()


def find_root(start: Path | None = None) -> Path:
    """Return the directory that holds ``environments.toml``.

    That is RUNBOOK_HOME, where it is set and no ``start`` is given, else the first one from
    ``start``, by itself the directory of the running notebook, upwards. Raises ConfigError.
    """
    home = os.environ.get(HOME, "") if start is None else ""
    begin = Path(home).expanduser().resolve() if home else (start or Path.cwd()).resolve()
    for directory in (begin,) if home else (begin, *begin.parents):
        if (directory / FILE).exists():  # what is no file is refused when it is read
            return directory
    message = f"There is no {FILE} in {begin}{'' if home else ' or above it'}."
    remedy = f"Start from the runbook's own directory, or set {HOME} to it."
    raise ConfigError(message, remedy=f"Correct {HOME}." if home else remedy)


def read_environment(root: Path, name: str) -> Environment:
    """Return one environment; raises ConfigError for one that is not there or is misspelt."""
    document = read_document(root / FILE, ConfigError)
    tables = {key: value for key, value in document.data.items() if isinstance(value, dict)}
    if name not in document.data:
        message = f"There is no environment '{name}'."
        remedy = f"Use one of: {', '.join(tables)}." if tables else f"Write it as [{name}]."
        raise ConfigError(message, path=document.path, remedy=remedy)
    table = document.data[name]
    if name not in tables:
        message = f"The environment '{name}' is not a table."
        raise document.mistake((name,), message, f"Write it as [{name}].")
    _refuse_flat(document, name, table.get("policy"))
    whole = with_given(document, table, (name,), name=name)
    return validated(Environment, document, whole, (name,))


def read_environments(root: Path) -> list[Environment]:
    """Return all environments; raises ConfigError for one that is misspelt."""
    document = read_document(root / FILE, ConfigError)
    return [read_environment(root, name) for name in document.data]


def acting(environment: Environment) -> dict[str, str]:
    """Return every setting that acts on a run, by its key in the file and as JSON.

    Defaults are included: a changed one acts, too. What may hold a secret is there as its SHA-256.
    """
    return dict(_acting(environment))


def _acting(table: Any, above: str = "") -> Iterator[tuple[str, str]]:
    for key, hint in hints(type(table)).items():
        value, setting = getattr(table, key), parts(hint)[1]
        if is_dataclass(value):
            yield from _acting(value, f"{above}{key}.")
            continue
        text = json.dumps(value, ensure_ascii=False)
        if setting.may_hold_secret:
            text = f"SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"
        yield f"{above}{key}", text


def _refuse_flat(document: Document, name: str, policy: Any) -> None:
    """Refuse a key of the policies that were not nested, with the name it has now."""
    for key, value in policy.items() if isinstance(policy, dict) else ():
        if key in FLAT and not isinstance(value, dict):
            keys = (name, "policy", key)
            section, _, now = FLAT[key].partition(".")
            message = f"{place(keys[:-1])} {key} has another name now."
            remedy = f"Write it as {now} in {place((*keys[:-1], section))}."
            raise document.mistake(keys, message, remedy)


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
