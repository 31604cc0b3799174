"""Restore a backup with owners and grants, so that nobody's function runs as a superuser.

An archive's table of contents is dealt out. Definitions go in as a superuser: they evaluate
nothing. Rows, checks and materialized views go in by the login of their owner, and meanwhile none
of the target's roles is a superuser. A foreign key looks at rows with the rights of whoever adds it
and may use anybody's cast: a role adds it that is a member of the owners, and nothing else. And
what is read as a value of a domain is held against its checks, as in a partition's bounds, an
aggregate's first state or the literals of a view: a superuser finds none.
Indexes and all else go in as a superuser, for an index is
built with the rights of its table's owner, in a security-restricted operation, in which no function
becomes somebody else (PostgreSQL's SetUserIdAndSecContext; manual, CREATE INDEX, Notes).
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from runbook_lib.backup.archive import list_entries, run_restore, stands_alone
from runbook_lib.errors import ConfigError, StatementError
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import Finding, Severity
from runbook_lib.postgres import process
from runbook_lib.postgres.connection import SQL, Connection, Identifier, Literal
from runbook_lib.rehearsal.place import Place
from runbook_lib.rehearsal.source import Source

_EARLY = ("SCHEMA ", "EXTENSION ")
_ROWS = "TABLE DATA "
_KEY = "FK CONSTRAINT "
_DOMAIN = "DOMAIN "
_CHECK, _VIEW = "CHECK CONSTRAINT ", "MATERIALIZED VIEW DATA "
_REFRESH = re.compile(
    r"could not execute query: \w+: +(?P<why>.+)\n(?:(?!Command was: ).*\n)*"
    r"Command was: REFRESH MATERIALIZED VIEW (?P<name>.+);"
)
_LAST = re.compile(r"(^|- )(EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|DEFAULT ACL)\b")
_ALL_DATA = ("pg_read_all_data", "pg_write_all_data")  # known since version 14


@dataclass(frozen=True)
class Entry:
    """Hold one line of an archive's table of contents, and whose it is."""

    line: str
    what: str
    owner: str


@dataclass(frozen=True)
class Restorer:
    """Restore an archive into databases of a cluster that has the roles of its target."""

    place: Place
    source: Source
    archive: Path
    sha256: str
    sender: Sender

    def whole(
        self, *, with_rows: bool, disarm: Callable[[Connection], None]
    ) -> tuple[Finding, ...]:
        """Restore it into the target's database; raises ToolError at the first thing that fails.

        A materialized view that cannot be filled stays empty, and is a finding. ``disarm`` is
        called before there are event triggers: those run as whoever does something.
        """
        entries = self._entries()
        early = [item for item in entries if item.what.startswith(_EARLY)]
        last = [item for item in entries if _LAST.search(item.what)]
        owned = [item for item in entries if item.what.startswith((_ROWS, _CHECK, _VIEW))]
        keys = [item for item in entries if item.what.startswith(_KEY)]
        alone = [item for item in entries if stands_alone(item.what) and item not in last]
        apart = {item.line for item in (*early, *last, *owned, *keys, *alone)}
        rest = [item for item in entries if item.line not in apart]
        self._run([item for item in early if item.what.startswith("SCHEMA ")])
        make_extensions(self.place, self.source, self.source.extensions)
        self._run_definitions(self.source.dbname, rest, "--section=pre-data")
        rows = [item for item in owned if item.what.startswith(_ROWS)] if with_rows else []
        checks = [item for item in owned if item.what.startswith(_CHECK)]
        views = [item for item in owned if item.what.startswith(_VIEW)] if with_rows else []
        sections = ["--section=data"] if with_rows else []
        owners = {item.owner for item in (*owned, *keys)}
        with (
            self._without_superusers(),
            self._member_of_all() as member,
            self._reaching_all({*owners, member}),
        ):
            self._run_as_owners(sorted(rows, key=lambda item: item.owner))
            with self._without_domain_checks(self.source.dbname):
                self._run(rest, *sections, "--section=post-data")
                self._run(alone, jobs=1)
            self._run(keys, user=member)
            self._run_as_owners(checks)
            found = tuple(self._fill(views))
        with self.place.database(self.source.dbname).runner_session() as connection:
            disarm(connection)
        self._run(last)
        return found

    def schema_beside(self, dbname: str, jobs: int = 1) -> None:
        """Restore the schema alone into a new database, with the properties of the target's."""
        self.place.database("template1").create(dbname, like=self.source.dbname)
        self._run_definitions(dbname, self._entries(), "--schema-only", jobs=jobs)

    def _run_definitions(
        self, dbname: str, entries: Sequence[Entry], *sections: str, jobs: int = 0
    ) -> None:
        """Restore definitions as the superuser, who finds no checks of a domain behind the last."""
        places = [place for place, item in enumerate(entries, 1) if item.what.startswith(_DOMAIN)]
        behind = max(places, default=0)
        self._run(entries[:behind], *sections, dbname=dbname, jobs=jobs)
        with self._without_domain_checks(dbname):
            self._run(entries[behind:], *sections, dbname=dbname, jobs=jobs)

    @contextmanager
    def _without_domain_checks(self, dbname: str) -> Iterator[None]:
        """Hide the checks of domains for the block: PostgreSQL looks for constraints of this kind.

        A session that began before may still know them (typcache.c, load_domaintype_info).
        """
        with self.place.database(dbname).runner_session() as connection:
            hidden = connection.rows(_HIDE)
        yield
        if hidden:
            with self.place.database(dbname).runner_session() as connection:
                connection.rows(_SHOW, {"hidden": [row["oid"] for row in hidden]})

    def _entries(self) -> list[Entry]:
        owners = sorted((role["name"] for role in self.source.roles), key=len, reverse=True)
        found = []
        for line, what in list_entries(self.place.major, self.archive):
            owner = next((name for name in owners if what.endswith(f" {name}")), "")
            found.append(Entry(line, what, owner))
        return found

    @contextmanager
    def _without_superusers(self) -> Iterator[None]:
        """Take the roles of the target for the block what makes them superusers."""
        found = [Identifier(role["name"]) for role in self.source.roles if role["superuser"]]
        with self.place.database(self.source.dbname).runner_session() as connection:
            for name in found:
                connection.execute(SQL("ALTER ROLE {} NOSUPERUSER").format(name))
            yield
            for name in found:
                connection.execute(SQL("ALTER ROLE {} SUPERUSER").format(name))

    @contextmanager
    def _member_of_all(self) -> Iterator[str]:
        """Hold a role for the block that may do what the roles of the target may do, and log in."""
        name = f"{self.place.superuser}_member"
        with self.place.database(self.source.dbname).runner_session() as connection:
            role, password = Identifier(name), Literal(self.place.password or None)
            connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            for other in self.source.roles:
                grant = SQL("GRANT {} TO {}").format(Identifier(other["name"]), role)
                connection.execute(grant)
            yield name
            connection.execute(SQL("DROP ROLE {}").format(role))

    @contextmanager
    def _reaching_all(self, owners: Iterable[str]) -> Iterator[None]:
        """Let owners reach their tables for the block, though they may have lost a right to it."""
        with self.place.database(self.source.dbname).runner_session() as connection:
            known = {row["rolname"] for row in connection.rows("SELECT rolname FROM pg_roles")}
            pairs = [(part, name) for part in _ALL_DATA if part in known for name in sorted(owners)]
            held = {row["pair"] for row in connection.rows(_MEMBERSHIPS)}
            given = [pair for pair in pairs if pair[1] and " ".join(pair) not in held]
            for pair in given:
                connection.execute(SQL("GRANT {} TO {}").format(*map(Identifier, pair)))
            yield
            for pair in given:
                connection.execute(SQL("REVOKE {} FROM {}").format(*map(Identifier, pair)))

    def _run_as_owners(self, entries: Sequence[Entry]) -> None:
        for owner, mine in groupby(entries, key=lambda item: item.owner):
            self._run(list(mine), user=owner)

    def _fill(self, views: Sequence[Entry]) -> Iterator[Finding]:
        """Fill materialized views as their owners; yield those that stay empty."""
        for owner, mine in groupby(views, key=lambda item: item.owner):
            said = self._run(list(mine), user=owner, go_on=True)
            yield from (self._not_filled(**match.groupdict()) for match in _REFRESH.finditer(said))

    def _not_filled(self, name: str, why: str) -> Finding:
        refresh = f"REFRESH MATERIALIZED VIEW {name}"
        return Finding(
            phase="rehearsal",
            rule="not-filled",
            severity=Severity.ERROR,
            path=f"{self.archive.parent.name}/{self.archive.name}",
            line=1,
            cause=f"{name} cannot be filled from the backup: {why}.",
            effect="A restore of this backup ends there, at the first error.",
            remedy=f"On the target, mend it until {refresh} succeeds, or empty it: {refresh} "
            "WITH NO DATA. Then take the backup again.",
        )

    def _run(
        self,
        entries: Sequence[Entry],
        *sections: str,
        user: str = "",
        dbname: str = "",
        jobs: int = 0,
        go_on: bool = False,
    ) -> str:
        """Restore entries in this order as a role, where there are any; return what was said.

        With ``go_on`` a statement that fails is left out.
        """
        if not entries:
            return ""
        dbname = dbname or self.source.dbname
        database, jobs = self.place.database(dbname, user), jobs or os.cpu_count() or 1
        run = self.sender.runner(process.run, backup=self.sha256)
        lines, major = [x.line for x in entries], self.place.major
        return run_restore(
            run, database, major, self.archive, sections, lines=lines, jobs=jobs, go_on=go_on
        ).stderr


def make_extensions(place: Place, source: Source, extensions: Iterable[Mapping[str, Any]]) -> None:
    """Make extensions in the copy as their owners have them, which an archive does not tell."""
    with place.database(source.dbname).runner_session() as connection:
        for item in extensions:
            make = SQL("CREATE EXTENSION {} SCHEMA {} VERSION {}").format(
                Identifier(item["name"]), Identifier(item["schema"]), Literal(item["version"])
            )
            become = SQL("SET SESSION AUTHORIZATION {}").format(Identifier(item["owner"]))
            try:
                connection.execute(become)
                connection.execute(make)
            except StatementError as error:
                message = (
                    f"PostgreSQL {place.major} of this machine cannot rehearse: {error.message}"
                )
                remedy = (
                    f"Install the extension {item['name']} {item['version']}, or name a server "
                    "that has it with rehearsal_url_variable."
                )
                raise ConfigError(message, sqlstate=error.sqlstate, remedy=remedy) from error
            connection.execute("RESET SESSION AUTHORIZATION")


_HIDE = """UPDATE pg_catalog.pg_constraint SET contype = 'h'
WHERE contypid <> 0 AND contype = 'c' RETURNING oid"""
_SHOW = """UPDATE pg_catalog.pg_constraint SET contype = 'c'
WHERE oid = ANY(%(hidden)s::oid[]) RETURNING oid"""
_MEMBERSHIPS = """SELECT r.rolname || ' ' || m.rolname AS pair FROM pg_auth_members
JOIN pg_roles r ON r.oid = roleid JOIN pg_roles m ON m.oid = member"""
