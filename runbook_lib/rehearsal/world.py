"""Build the world of a rehearsal: a cluster of its own, like the target's where SQL can tell.

It has the roles of the target without their passwords and its database under its own name, with
owners, grants and settings; the plan is run there as the target's role. What cannot be equal is
said in ``differs``.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runbook_lib.errors import ConfigError, StatementError, ToolError
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import tools
from runbook_lib.postgres.cluster import SUPERUSER, Cluster, temporary_cluster
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier
from runbook_lib.rehearsal.outward import disarm
from runbook_lib.rehearsal.restore import Restorer
from runbook_lib.rehearsal.source import Source, read_session, read_source

_ELSEWHERE = {"client", "session", "interactive", "override"}
"""Where a setting comes from that is not the server's."""
_BY_STATEMENT = {"global", "database", "user", "database user"}
_NOT_TAKEN = {"session_preload_libraries", "local_preload_libraries", "dynamic_library_path"}
FULL = "full"
_IN_PLACE = 15  # the first major version whose tablespaces may lie in the data directory
_RELOADED = 5.0  # seconds


@dataclass(frozen=True)
class World:
    """Name the copy of a target's database in a cluster of its own, and where it differs."""

    restorer: Restorer
    differs: Sequence[str]

    @property
    def copy(self) -> Database:
        """Return the copy as the role that migrates the target, with that role's rights."""
        source = self.restorer.source
        return self.restorer.cluster.database(source.dbname, source.role)

    @property
    def maintained(self) -> Database:
        """Return the copy as the superuser of the cluster, which may run nobody's function."""
        return self.restorer.cluster.database(self.restorer.source.dbname)


@contextmanager
def open_world(run: Run, backup: Backup, sender: Sender) -> Iterator[World]:
    """Hold a world with the backup restored in it; nothing of it is left afterwards.

    Raises ConfigError where no PostgreSQL here is as new as the target, ToolError where the backup
    does not restore.
    """
    with run.database.runner_session() as connection, run.database.connect() as session:
        source = read_source(connection, session)
    installation = _installation(run, source.major)
    with temporary_cluster(base_of(run.root), installation, source.at_start) as cluster:
        builder = _Builder(run, Restorer(cluster, source, backup, sender))
        builder.build()
        if not cluster.refuses:
            builder.differs.append("its server is not confined: this machine has no namespaces")
        yield World(builder.restorer, tuple(builder.differs))


def base_of(root: Path) -> Path:
    """Return the directory of the clusters that are thrown away."""
    return root / ".runbook" / "rehearsal"


def _installation(run: Run, major: int) -> tools.Installation:
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
        f"or name a server for it: rehearsal_url_variable in [{run.environment.name}]."
    )
    raise ConfigError(message, path="environments.toml", remedy=remedy)


@dataclass
class _Builder:
    """Make roles, database and settings in an empty cluster, and restore the backup there."""

    run: Run
    restorer: Restorer
    differs: list[str] = field(default_factory=list)

    @property
    def source(self) -> Source:
        return self.restorer.source

    @property
    def cluster(self) -> Cluster:
        return self.restorer.cluster

    def build(self) -> None:
        """Do all of it; raises RunbookError where the copy cannot be made."""
        source, here = self.source, self.cluster.installation.version
        if here[0] != source.major:
            self.differs.append(f"PostgreSQL {here[0]}, on the target {source.major}")
        with self._superuser("template1") as connection:
            self._make_roles(connection)
            self._make_tablespaces(connection)
            self._make_databases(connection)
        self.restorer.whole(with_rows=self.run.policy.rehearsal.data == FULL)
        with self._superuser(source.dbname) as connection:
            disarm(connection)
            self._finish_roles(connection)
            self._settle(connection, source.settings)
        self._take_over_settings()

    def _superuser(self, dbname: str) -> Connection:
        return self.cluster.database(dbname).runner_session()

    def _make_roles(self, connection: Connection) -> None:
        """Make the roles, those that log in and those that do not: owners put in their rows."""
        for role in self.source.roles:
            if role["name"] == SUPERUSER:
                message = f"The target has a role {SUPERUSER}, which a rehearsal's server needs."
                raise ConfigError(message, remedy="Rename that role.")
            level = "SUPERUSER" if role["superuser"] else "NOSUPERUSER"
            make = SQL(f"CREATE ROLE {{}} LOGIN {level}")
            connection.execute(make.format(Identifier(role["name"])))
        self._settle(connection, self.source.members)

    def _make_tablespaces(self, connection: Connection) -> None:
        in_place = self.cluster.installation.version[0] >= _IN_PLACE
        if self.source.tablespaces and in_place:
            connection.execute("SET allow_in_place_tablespaces = on")
        for number, space in enumerate(self.source.tablespaces):
            place = "" if in_place else str(self.cluster.room(f"tablespace_{number}"))
            make = SQL("CREATE TABLESPACE {} OWNER {} LOCATION {}")
            names = Identifier(space["name"]), Identifier(space["owner"])
            connection.execute(make.format(*names, place))

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
        text = "\n".join(x.sql for item in self.run.release.migrations for x in item.statements)
        for other in source.databases:
            if other in text:
                connection.execute(create.format(Identifier(other), SQL("")))

    def _finish_roles(self, connection: Connection) -> None:
        for role in self.source.roles:
            alter = SQL("ALTER ROLE {} {}").format(
                Identifier(role["name"]), SQL(role["attributes"])
            )
            connection.execute(alter)

    def _settle(self, connection: Connection, statements: Iterable[str]) -> None:
        """Send statements; one that this server does not take is a difference."""
        for statement in statements:
            try:
                connection.execute(statement)
            except StatementError as error:
                self.differs.append(f"{statement}: {error.message}")

    def _take_over_settings(self) -> None:
        """Give every session what one has on the target, however it is set there."""
        copy = self.cluster.database(self.source.dbname, self.source.role)
        with copy.connect() as connection:
            here = read_session(connection)
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
            if found != value and origin not in _ELSEWHERE:
                self.differs.append(f"{name} {found}, on the target {value}")

    def _configure(self, wanted: Mapping[str, str], copy: Database) -> None:
        """Write settings into the server's file, which takes a list as it is written, and reload.

        The server keeps what it has where it does not take a value.
        """
        path = self.cluster.directory / "data" / "postgresql.conf"
        lines = [f"{name} = '{_escaped(value)}'\n" for name, value in wanted.items()]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(lines)
        with self._superuser("template1") as connection:
            loaded = connection.value("SELECT pg_conf_load_time()")
            connection.rows("SELECT pg_reload_conf()")
        until = time.monotonic() + _RELOADED
        while True:
            with copy.runner_session() as connection:  # what a new session has is the postmaster's
                if connection.value("SELECT pg_conf_load_time()") > loaded:
                    return
            if time.monotonic() > until:
                raise ToolError("The rehearsal's server did not take its settings.", path=path)
            time.sleep(0.005)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
