"""Rehearse on a server that a person named for it, and leave it as it was.

It has to be marked, which says what it holds when it holds no rehearsal; to be no environment's
server, which an advisory lock tells, for a copy of a cluster keeps its system identifier; and to be
as it was marked. The mark and the note that a rehearsal is under way are settings of its superuser,
so that any machine can take away what a killed rehearsal left, and nothing else.
"""

import argparse
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.config.environments import Environment, read_environments
from runbook_lib.errors import ConfigError, RunbookError, TargetError
from runbook_lib.parser.identifiers import quote
from runbook_lib.postgres import cluster
from runbook_lib.postgres.confinement import UNCONFINED
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier, Literal, Query
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.targets import locate
from runbook_lib.redaction import keep_secret
from runbook_lib.rehearsal.place import Subject

State = Mapping[tuple[str, ...], str]
"""What a server holds: by kind and names."""

MARK, UNDER_WAY = "runbook.rehearsals", "runbook.rehearsing"
COMMAND = "python -m runbook_lib mark-rehearsal-server"

_OWN = {"postgres", "template0", "template1"}
_LOCK = 72707370  # of the one rehearsal that a server holds at a time
_LISTS = {  # kept as they are written; a literal would be one element
    *("search_path", "temp_tablespaces", "local_preload_libraries"),
    *("session_preload_libraries", "shared_preload_libraries", "unix_socket_directories"),
}
_NOTES = """SELECT split_part(setting, '=', 1) AS name,
substr(setting, strpos(setting, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting CROSS JOIN unnest(setconfig) AS setting
WHERE setdatabase = 0 AND setting ~ '^runbook\\.'"""
_SEEN = """SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory'
AND objsubid = 2 AND classid = %(one)s::int::oid AND objid = %(two)s::int::oid) AS seen"""
_SHOWN = 3


@dataclass(frozen=True)
class Server:
    """Name a server that holds nothing but rehearsals; ``url`` leads to its superuser.

    Its roles log in with one ``password`` made for this rehearsal.
    """

    url: Database
    superuser: str
    major: int
    directory: Path
    password: str
    reaches: str = UNCONFINED

    def database(self, dbname: str, user: str = "") -> Database:
        """Return a database of it for one of its roles, its superuser where none is named."""
        if user in {"", self.superuser}:
            off = cluster.without_event_triggers(self.major)
            return Database({**self.url.parameters, **off, "dbname": dbname})
        own = {"dbname": dbname, "user": user, "password": self.password}
        return Database({**self.url.parameters, **own})

    def location(self, number: int) -> str:
        """Return where a tablespace lies: in the server's own directory."""
        return ""

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Set what a new session has once the configuration is read again."""
        with self.url.runner_session() as connection:
            for name, value in settings.items():
                connection.execute(_set("ALTER SYSTEM", name, value))


def mark(root: Path, variable: str) -> str:
    """Mark the server that ``variable`` leads to as one for rehearsals; return what was marked.

    Raises ConfigError where it is one that holds anything, or is an environment's.
    """
    url = _url(variable)
    with url.runner_session() as connection:
        role = _superuser(connection, variable)
        state = read_state(url)
        if held := sorted(_named(state.keys() - _of_any_server(state, role))):
            message = f"The server of {variable} holds {', '.join(held[:_SHOWN])}."
            remedy = (
                "Make an empty one, whose superuser has a name of its own: "
                "initdb -U runbook_rehearsal."
            )
            raise ConfigError(message, remedy=remedy)
        with _Identity.held(connection) as identity:
            for environment in read_environments(root):
                identity.refuse(environment, root, variable)
        _note(connection, role, MARK, json.dumps([[*key, value] for key, value in state.items()]))
    return f"The server of {variable} holds nothing but rehearsals from now on."


@contextmanager
def marked_server(subject: Subject, base: Path, differs: list[str]) -> Iterator[Server]:
    """Hold the server that the environment names for rehearsals; it is as it was afterwards.

    Raises ConfigError where it may not be used. ``differs`` is told which environment's server
    could not be asked whether it is the same.
    """
    variable = subject.environment.rehearsal_url_variable
    url = _url(variable)
    with cluster.claimed(base) as directory, url.runner_session() as connection:
        role = _superuser(connection, variable)
        notes = _notes(connection)
        wanted = _marked(notes, variable)
        with _Identity.held(connection) as identity:
            if not identity.refuse_database(subject.database, subject.environment.name, variable):
                message = f"The target does not show whether {variable} leads to its own server."
                remedy = "GRANT SELECT ON pg_catalog.pg_locks TO the role that migrates there."
                raise ConfigError(message, remedy=remedy)
            for other in read_environments(subject.root):
                if other.name != subject.environment.name and not identity.refuse(
                    other, subject.root, variable
                ):
                    differs.append(
                        f"whether it is the server of [{other.name}] too is not known: "
                        "that one does not tell"
                    )
        if not connection.value(f"SELECT pg_try_advisory_lock({_LOCK})"):
            message = f"Another rehearsal uses the server of {variable}."
            raise ConfigError(message, remedy="Wait for its end.")
        if UNDER_WAY in notes:
            clean(url, role, wanted)  # of a rehearsal that was killed
        _refuse_unlike(url, wanted, variable)
        _note(connection, role, UNDER_WAY, "yes")
        cluster.spawn_watcher("runbook_lib.rehearsal.server", str(directory), variable)
        password = secrets.token_urlsafe(32)
        keep_secret(password, "the password of a rehearsal's roles")
        major = int(connection.value("SHOW server_version_num")) // 10000
        try:
            yield Server(url, role, major, directory, password)
        finally:
            clean(url, role, wanted)
        _refuse_unlike(url, wanted, variable)


def _url(variable: str) -> Database:
    url = os.environ.get(variable, "")
    if not url:
        message = f"{variable} is not set: it names the server to rehearse on."
        raise ConfigError(message, remedy=f"Set it to the URL of a server marked with {COMMAND}.")
    database = Database.from_url(url, variable)
    keep_secret(url, f"the URL in {variable}")
    keep_secret(database.password, f"the password in {variable}")
    if database.dbname not in _OWN - {"template0"}:
        message = f"The URL in {variable} leads to the database '{database.dbname}'."
        raise ConfigError(message, remedy="Let it lead to 'postgres': what rehearsals make goes.")
    return database


def _superuser(connection: Connection, variable: str) -> str:
    """Return the session's role; raises ConfigError where it cannot make a target's likeness."""
    asked = "SELECT session_user::text AS name, rolsuper AS super FROM pg_roles"
    (role,) = connection.rows(f"{asked} WHERE rolname = session_user")
    if not role["super"]:
        message = f"The role {role['name']} of {variable} is no superuser."
        raise ConfigError(message, remedy="Name one: it has to make the roles of the target.")
    return str(role["name"])


def _of_any_server(state: State, role: str) -> set[tuple[str, ...]]:
    """Return what a server has that nobody used: and settings of its own configuration."""
    return {
        key
        for key in state
        if key[0] in {"file", "objects"}
        or (key[0] == "database" and key[1] in _OWN)
        or (key[0] == "role" and (key[1] == role or key[1].startswith("pg_")))
        or (key[0] == "member" and key[2].startswith("pg_"))
        or (key[0] == "tablespace" and key[1].startswith("pg_"))
    }


def _named(keys: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"the {key[0]} {' '.join(filter(None, key[1:]))}" for key in keys]


def _notes(connection: Connection) -> dict[str, str]:
    return {row["name"]: row["value"] for row in connection.rows(_NOTES)}


def _note(connection: Connection, role: str, name: str, value: str | None) -> None:
    """Keep a note with the superuser's role, which no rehearsal takes away; None forgets it."""
    act = SQL("RESET {}") if value is None else SQL("SET {} = {}")
    words = act.format(*[SQL(name), *([] if value is None else [Literal(value)])])
    connection.execute(SQL("ALTER ROLE {} {}").format(Identifier(role), words))


def _marked(notes: Mapping[str, str], variable: str) -> State:
    """Return what the server holds without a rehearsal; raises ConfigError where it is no mark."""
    if MARK not in notes:
        message = f"The server of {variable} is not marked as one for rehearsals."
        remedy = f"Where it holds nothing else, mark it: {COMMAND} {variable}."
        raise ConfigError(message, remedy=remedy)
    return {tuple(key): value for *key, value in json.loads(notes[MARK])}


def _refuse_unlike(url: Database, wanted: State, variable: str) -> None:
    """Raise ConfigError where the server is not as it was marked."""
    found = read_state(url)
    unlike = {key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)}
    if unlike:
        names = ", ".join(sorted(_named(unlike))[:_SHOWN])
        message = f"The server of {variable} is not as it was marked, as {names} shows."
        remedy = f"Take away what is not of rehearsals, or mark it again: {COMMAND} {variable}."
        raise ConfigError(message, remedy=remedy)


@dataclass(frozen=True)
class _Identity:
    """Name an advisory lock that one server alone shows."""

    one: int
    two: int

    @classmethod
    @contextmanager
    def held(cls, connection: Connection) -> Iterator["_Identity"]:
        """Hold a lock that nobody has, and look for it elsewhere in the block."""
        numbers = {"one": secrets.randbits(31), "two": secrets.randbits(31)}
        connection.rows("SELECT pg_advisory_lock(%(one)s::int, %(two)s::int)", numbers)
        yield cls(**numbers)
        connection.rows("SELECT pg_advisory_unlock(%(one)s::int, %(two)s::int)", numbers)

    def refuse(self, environment: Environment, root: Path, variable: str) -> bool:
        """Raise ConfigError where it is this environment's server; False where nobody knows."""
        try:
            database = locate(environment, root)
            return database is None or self.refuse_database(database, environment.name, variable)
        except TargetError:
            return False

    def refuse_database(self, database: Database, name: str, variable: str) -> bool:
        """Raise ConfigError where a database lies on this server; False where it may not tell."""
        with database.runner_session() as connection:
            rows = connection.seen(_SEEN, {"one": self.one, "two": self.two})
            if rows and rows[0]["seen"]:
                message = f"{variable} leads to the server of the environment [{name}]."
                remedy = "Name one that holds nothing but rehearsals, or none: then one is made."
                raise ConfigError(message, remedy=remedy)
        return rows is not None


# --- leaving it as it was -------------------------------------------------------------------------


def read_state(url: Database) -> State:
    """Read what a server holds, without what a database of it holds but for its count."""
    with url.runner_session() as connection:
        found = {tuple(row["key"]): row["value"] for row in connection.rows(load("server_state"))}
    for name in sorted(_OWN - {"template0"}):
        if ("database", name) in found:
            with url.on(name).runner_session() as connection:
                found["objects", name] = connection.value(load("server_objects"))
    return found


def clean(url: Database, role: str, wanted: State) -> None:
    """Take away what a rehearsal left, and forget that it was under way."""
    cleaner = _Cleaner(url, role, wanted)
    for kind in _REMOVALS:
        for key in sorted(cleaner.more(kind)):
            with suppress(RunbookError):  # what stays is seen when the server is looked at
                _REMOVALS[kind](cleaner, *key[1:])
    with url.runner_session() as connection:
        for key, value in wanted.items():
            if key[0] in _SETTINGS and cleaner.found.get(key) != value:
                with suppress(RunbookError):
                    connection.execute(_set(_of(key), key[-1], value))
        connection.rows("SELECT pg_reload_conf()")
        _note(connection, role, UNDER_WAY, None)


@dataclass(frozen=True)
class _Cleaner:
    """Take away what is on a server and was not when it was marked."""

    url: Database
    role: str
    wanted: State

    @property
    def found(self) -> State:
        return read_state(self.url)

    def more(self, kind: str) -> set[tuple[str, ...]]:
        return {key for key in self.found.keys() - self.wanted.keys() if key[0] == kind}

    def send(self, words: str, *names: str, on: str = "") -> None:
        with (self.url.on(on) if on else self.url).runner_session() as connection:
            connection.execute(SQL(words).format(*map(Identifier, names)))

    def prepared(self, dbname: str, gid: str) -> None:
        self.send("ALTER DATABASE {} ALLOW_CONNECTIONS true", dbname)
        with self.url.on(dbname).runner_session() as connection:
            connection.execute(SQL("ROLLBACK PREPARED {}").format(Literal(gid)))

    def subscription(self, dbname: str, name: str) -> None:
        self.send("ALTER DATABASE {} ALLOW_CONNECTIONS true", dbname)
        self.send("ALTER SUBSCRIPTION {} DISABLE", name, on=dbname)
        self.send("ALTER SUBSCRIPTION {} SET (slot_name = NONE)", name, on=dbname)
        self.send("DROP SUBSCRIPTION {}", name, on=dbname)

    def slot(self, name: str) -> None:
        with self.url.runner_session() as connection:
            connection.rows(load("drop_slot"), {"name": name})

    def origin(self, name: str) -> None:
        with self.url.runner_session() as connection:
            connection.rows("SELECT pg_replication_origin_drop(%(name)s)", {"name": name})

    def database(self, name: str) -> None:
        self.send("ALTER DATABASE {} IS_TEMPLATE false", name)
        self.send("DROP DATABASE {} WITH (FORCE)", name)

    def tablespace(self, name: str) -> None:
        self.send("DROP TABLESPACE {}", name)

    def owner(self, name: str) -> None:
        for dbname in sorted(_OWN - {"template0"}):
            self.send("REASSIGN OWNED BY {} TO {}", name, self.role, on=dbname)
            self.send("DROP OWNED BY {}", name, on=dbname)
        self.send("DROP ROLE {}", name)

    def setting(self, *key: str) -> None:
        self._reset(("setting", *key))

    def file(self, name: str) -> None:
        self._reset(("file", name))

    def _reset(self, key: tuple[str, ...]) -> None:
        with self.url.runner_session() as connection:
            connection.execute(SQL("{} RESET {}").format(SQL(_of(key)), Identifier(key[-1])))


_SETTINGS = {"setting", "file"}
_REMOVALS: Mapping[str, Callable[..., None]] = {  # in this order: the next may depend on it
    "prepared": _Cleaner.prepared,
    "subscription": _Cleaner.subscription,
    "slot": _Cleaner.slot,
    "origin": _Cleaner.origin,
    "database": _Cleaner.database,
    "tablespace": _Cleaner.tablespace,
    "setting": _Cleaner.setting,
    "file": _Cleaner.file,
    "role": _Cleaner.owner,
}


def _of(key: tuple[str, ...]) -> str:
    """Return what a setting is set with, in SQL."""
    if key[0] == "file":
        return "ALTER SYSTEM"
    _, dbname, role, _ = key
    if not role and dbname:
        return f"ALTER DATABASE {quote(dbname)}"
    inside = f" IN DATABASE {quote(dbname)}" if dbname else ""
    return f"ALTER ROLE {quote(role) if role else 'ALL'}{inside}"


def _set(of: str, name: str, value: str) -> Query:
    given = SQL(value) if name in _LISTS and value else Literal(value)
    return SQL("{} SET {} = {}").format(SQL(of), Identifier(*name.split(".")), given)


# --- after a kill ---------------------------------------------------------------------------------


def main() -> int:
    """Watch one rehearsal: ``python -m runbook_lib.rehearsal.server DIRECTORY VARIABLE``."""
    parser = argparse.ArgumentParser(prog="python -m runbook_lib.rehearsal.server")
    parser.add_argument("directory", type=Path)
    parser.add_argument("variable")
    given = parser.parse_args()
    try:
        _clean_when_left(given.directory, given.variable)
    except RunbookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _clean_when_left(directory: Path, variable: str) -> None:
    """Wait until the process that rehearses is gone, and clean its server where it did not."""
    with suppress(FileNotFoundError):
        opened = os.open(directory / "owner.lock", os.O_RDWR | os.O_NOFOLLOW)
        fcntl.flock(opened, fcntl.LOCK_EX)
        os.close(opened)
    url = _url(variable)
    with url.runner_session() as connection:
        notes = _notes(connection)
        free = connection.value(f"SELECT pg_try_advisory_lock({_LOCK})")
        if free and UNDER_WAY in notes:
            clean(url, _superuser(connection, variable), _marked(notes, variable))


if __name__ == "__main__":
    sys.exit(main())
