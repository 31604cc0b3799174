"""Build the world of a rehearsal: a cluster of its own, like the target's where SQL can tell.

It has the roles of the target without their passwords and its database under its own name, with
owners, grants and settings; the plan is run there as the target's role. What cannot be equal is
said in ``differs``.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.backup.dump import dump_schema
from runbook_lib.config.environments import Environment
from runbook_lib.errors import ConfigError, StatementError, ToolError
from runbook_lib.evidence.directory import file_sha256
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import Finding
from runbook_lib.postgres import process, tools
from runbook_lib.postgres.cluster import SUPERUSER, temporary_cluster
from runbook_lib.postgres.connection import (
    SQL,
    Connection,
    Database,
    Identifier,
    Literal,
    Query,
    text_of,
)
from runbook_lib.postgres.queries import load
from runbook_lib.rehearsal.outward import disarm
from runbook_lib.rehearsal.place import Place, Subject
from runbook_lib.rehearsal.restore import Restorer, make_extensions
from runbook_lib.rehearsal.server import marked_server
from runbook_lib.rehearsal.source import Source, read_session, read_source

_ELSEWHERE = {"client", "session", "interactive", "override"}
"""Where a setting comes from that is not the server's."""
_BY_STATEMENT = {"global", "database", "user", "database user"}
_OF_THE_MACHINE = {  # no SQL means anything else by them
    "shared_memory_size",
    "shared_memory_size_in_huge_pages",
    "num_os_semaphores",
    "huge_pages_status",
    "data_directory_mode",
}
_NOT_TAKEN = {"session_preload_libraries", "local_preload_libraries", "dynamic_library_path"}
FULL = "full"
_RELOADED = 5.0  # seconds


@dataclass(frozen=True)
class World:
    """Name the copy of a target's database in a cluster of its own, and where it differs.

    ``findings`` are what did not restore.
    """

    restorer: Restorer
    differs: Sequence[str]
    findings: Sequence[Finding] = ()

    @property
    def copy(self) -> Database:
        """Return the copy as the role that migrates the target, with that role's rights."""
        source = self.restorer.source
        return self.restorer.place.database(source.dbname, source.role)

    @property
    def role_is_superuser(self) -> bool:
        """Tell whether the role that migrates may do everything on the target's server."""
        source = self.restorer.source
        return any(role["superuser"] for role in source.roles if role["name"] == source.role)

    @property
    def maintained(self) -> Database:
        """Return the copy as the superuser of the cluster, which may run nobody's function."""
        return self.restorer.place.database(self.restorer.source.dbname)


@contextmanager
def open_empty(subject: Subject) -> Iterator[Database]:
    """Hold the target's database without its objects, as the role that migrates it, who owns it.

    What the files do not make is there: schemas, and extensions, also those that this role may not
    make. Raises ConfigError where no PostgreSQL here is as new as the target.
    """
    source = _source(subject)
    with _place(subject, source, []) as place:
        builder = _Builder(subject, place, source, [])
        builder.make()
        builder.make_surroundings()
        builder.finish()
        yield place.database(source.dbname, source.role)


def _source(subject: Subject) -> Source:
    database = subject.database
    with database.runner_session() as connection, database.connect() as session:
        return read_source(connection, session)


@contextmanager
def open_world(run: Run, backup: Backup, sender: Sender) -> Iterator[World]:
    """Hold a world with the backup restored in it; nothing of it is left afterwards.

    Raises ConfigError where no PostgreSQL here is as new as the target, ToolError where the backup
    does not restore.
    """
    with_rows = run.policy.rehearsal.data == FULL
    with _world(run) as building:
        yield building.filled(backup.archive, backup.sha256, sender, with_rows=with_rows)


@contextmanager
def open_schema(run: Run, sender: Sender) -> Iterator[World]:
    """Hold a world with the target's schema as it is now, and no rows.

    Raises what open_world does, and ToolError where the schema cannot be dumped.
    """
    with _world(run) as building:
        archive = building.place.directory / "schema.dump"
        dump_schema(run.database, run.target.major, archive, sender.runner(process.run), run.policy)
        yield building.filled(archive, file_sha256(archive), sender, with_rows=False)


@contextmanager
def _world(run: Run) -> Iterator["_Builder"]:
    source, differs = _source(run), list[str]()
    with _place(run, source, differs) as place:
        builder = _Builder(run, place, source, differs)
        builder.make()
        yield builder


def base_of(root: Path) -> Path:
    """Return the directory of the clusters that are thrown away."""
    return root / ".runbook" / "rehearsal"


@contextmanager
def _place(subject: Subject, source: Source, differs: list[str]) -> Iterator[Place]:
    """Hold the server that the environment names for rehearsals, else a cluster made for one."""
    environment, base = subject.environment, base_of(subject.root)
    if environment.rehearsal_url_variable:
        with marked_server(subject, base, differs) as server:
            yield server
    else:
        installation = installation_for(environment, source.major)
        with temporary_cluster(base, installation, source.at_start) as cluster:
            yield cluster


def installation_for(environment: Environment, major: int) -> tools.Installation:
    """Return programs of the target's major version, else of the next newer one."""
    with suppress(ToolError):
        return tools.server_installation(major)
    newer = [item for item in tools.installations() if item.version[0] > major]
    for item in sorted(newer, key=lambda each: each.version):
        with suppress(ToolError):
            return tools.server_installation(item.version[0])
    message = f"No PostgreSQL {major} or newer is here to rehearse for the target's server."
    remedy = (
        f"Set {tools.BINDIR_VARIABLE} to the bin directory of one, "
        f"or name a server for it: rehearsal_url_variable in [{environment.name}]."
    )
    raise ConfigError(message, path="environments.toml", remedy=remedy)


@dataclass
class _Builder:
    """Make roles, database and settings in an empty cluster."""

    subject: Subject
    place: Place
    source: Source
    differs: list[str]

    def make(self) -> None:
        """Make the roles and an empty database; raises RunbookError where that is not possible."""
        if self.place.major != self.source.major:
            here = f"PostgreSQL {self.place.major}"
            self.differs.append(f"{here}, on the target {self.source.major}")
        with self._superuser("template1") as connection:
            self._make_roles(connection)
            self._make_tablespaces(connection)
            self._make_databases(connection)

    def make_surroundings(self) -> None:
        """Make the target's schemas and extensions that the files take for granted."""
        role, made = Identifier(self.source.role), set(self._made_by_files())
        with self.subject.database.runner_session() as connection:
            schemas = [row["name"] for row in connection.rows(load("schemas"))]
        with self._superuser(self.source.dbname) as connection:
            own = SQL("ALTER DATABASE {} OWNER TO {}")
            connection.execute(own.format(Identifier(self.source.dbname), role))
            for name in schemas:
                if ("schema", name) not in made:
                    make = SQL("CREATE SCHEMA {} AUTHORIZATION {}")
                    connection.execute(make.format(Identifier(name), role))
            closed = {row["name"] for row in connection.rows(load("untrusted_extensions"))}
        found = self.source.extensions
        wanted = [x for x in found if ("extension", x["name"]) not in made or x["name"] in closed]
        make_extensions(self.place, self.source, wanted)

    def _made_by_files(self) -> Iterator[tuple[str, str]]:
        """Yield kind and name of what the files make."""
        for migration in self.subject.release.migrations:
            yield from ((item.kind, item.name) for item in migration.creates)

    def filled(self, archive: Path, sha256: str, sender: Sender, *, with_rows: bool) -> World:
        """Restore an archive, and return what is then there."""
        restorer = Restorer(self.place, self.source, archive, sha256, sender)
        findings = restorer.whole(with_rows=with_rows, disarm=disarm)
        self.finish()
        reaches = self.place.reaches
        also = [f"its server could reach {reaches}"] if reaches else []
        return World(restorer, (*self.differs, *also), findings)

    def finish(self) -> None:
        """Give the roles their attributes, and every session the settings of the target's."""
        with self._superuser(self.source.dbname) as connection:
            self._finish_roles(connection)
            self._settle(connection, self.source.settings)
        self._take_over_settings()

    def _superuser(self, dbname: str) -> Connection:
        return self.place.database(dbname).runner_session()

    def _make_roles(self, connection: Connection) -> None:
        """Make the roles, those that log in and those that do not: owners put in their rows."""
        for role in self.source.roles:
            if role["name"] == self.place.superuser:
                message = f"The target has a role {role['name']}, as the rehearsal's server has."
                remedy = f"Rename one of them; {SUPERUSER} is a name for that server's superuser."
                raise ConfigError(message, remedy=remedy)
            level = "SUPERUSER" if role["superuser"] else "NOSUPERUSER"
            make = SQL(f"CREATE ROLE {{}} LOGIN {level} PASSWORD {{}}")
            password = Literal(self.place.password or None)
            connection.execute(make.format(Identifier(role["name"]), password))
        self._settle(connection, self.source.members)

    def _make_tablespaces(self, connection: Connection) -> None:
        for number, space in enumerate(self.source.tablespaces):
            location = self.place.location(number)
            if not location:
                connection.execute("SET allow_in_place_tablespaces = on")
            make = SQL("CREATE TABLESPACE {} OWNER {} LOCATION {}")
            names = Identifier(space["name"]), Identifier(space["owner"])
            connection.execute(make.format(*names, location))
            self._settle(connection, space["statements"])

    def _make_databases(self, connection: Connection) -> None:
        """Make the target's, and empty ones for the others of its server that the files name."""
        source = self.source
        if source.dbname == "postgres":
            connection.execute("DROP DATABASE postgres")
        create = SQL("CREATE DATABASE {} TEMPLATE template0 {}")
        name = Identifier(source.dbname)
        try:
            connection.execute(create.format(name, SQL(source.options)))
        except StatementError as error:
            connection.execute(create.format(name, SQL(source.plain_options)))
            self.differs.append(f"locale C, on the target {source.locale}: {error.message}")
        text = "\n".join(item.sql for item in self.subject.release.statements)
        for other in source.databases:
            if other["name"] in text:
                self._settle(
                    connection, [create.format(Identifier(other["name"]), SQL(other["options"]))]
                )

    def _finish_roles(self, connection: Connection) -> None:
        for role in self.source.roles:
            alter = SQL("ALTER ROLE {} {}").format(
                Identifier(role["name"]), SQL(role["attributes"])
            )
            connection.execute(alter)

    def _settle(self, connection: Connection, statements: Iterable[Query]) -> None:
        """Send statements; one that this server does not take is a difference."""
        for statement in statements:
            try:
                connection.execute(statement)
            except StatementError as error:
                self.differs.append(f"{text_of(statement)}: {error.message}")

    def _take_over_settings(self) -> None:
        """Give every session what one has on the target, however it is set there."""
        copy = self.place.database(self.source.dbname, self.source.role)
        with copy.connect() as connection:
            here = read_session(connection)
            for name, value in self.source.at_start.items():
                if (found := connection.value(SQL("SHOW {}").format(Identifier(name)))) != value:
                    self.differs.append(f"{name} {found}, on the target {value}")
        wanted = {
            name: value
            for name, (value, context, origin) in self.source.session.items()
            if name in here and here[name][0] != value
            if context != "internal" and name not in _NOT_TAKEN
            if origin not in _ELSEWHERE | _BY_STATEMENT
        }
        if wanted:
            self._configure(wanted, copy)
            with copy.connect() as connection:
                here = read_session(connection)
        for name, (value, _, origin) in sorted(self.source.session.items()):
            found = here.get(name, ("not known", "", ""))[0]
            told = origin not in _ELSEWHERE and name not in _OF_THE_MACHINE
            if found != value and told:
                self.differs.append(f"{name} {found}, on the target {value}")

    def _configure(self, wanted: Mapping[str, str], copy: Database) -> None:
        """Let the server read settings; it keeps what it has where it does not take a value."""
        self.place.write_settings(wanted)
        with self._superuser("template1") as connection:
            loaded = connection.value("SELECT pg_conf_load_time()")
            connection.rows("SELECT pg_reload_conf()")
        until = time.monotonic() + _RELOADED
        while True:
            with copy.runner_session() as connection:  # what a new session has is the postmaster's
                if connection.value("SELECT pg_conf_load_time()") > loaded:
                    return
            if time.monotonic() > until:
                raise ToolError("The rehearsal's server did not take its settings.")
            time.sleep(0.005)
