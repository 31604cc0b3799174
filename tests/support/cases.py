"""Take a case through the runbook and through psql, on two servers alike, and compare the ends.

A case is a table of ``tests/data/cases/<kind>.toml``: a database as it was (``setup``), the files
of a release, and how that ends. Where it completes, all that can be read of the database, and of
the server around it, is what psql leaves on the twin; where it is refused, nothing was touched.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_lib import (
    apply_step,
    approve,
    check_target,
    choose_way,
    decide,
    diagnose_target,
    drop_kept_database,
    open_run,
    rehearse,
    review_release,
    roll_back,
    show_findings,
    show_plan,
    show_release,
    show_ways,
    take_backup,
    verify_target,
)
from runbook_lib.errors import GateError, RunbookError
from runbook_lib.evidence.run import Run
from runbook_lib.postgres import process, tools
from runbook_lib.postgres.embedded import Sandbox

CASES = Path(__file__).resolve().parents[1] / "data" / "cases"
ENVIRONMENT = "case"
_URL = "RUNBOOK_CASE_URL"
_OURS = ("_prisma_migrations", "_runbook_*")
_SESSION_LINES = ("SET ", "SELECT pg_catalog.set_config", "--", "\\restrict", "\\unrestrict")

State = Mapping[str, object]


@dataclass(frozen=True)
class Case:
    """Describe one case.

    ``says`` is found in the refusal; ``between`` comes in after the rehearsal; ``server`` is SQL
    for the maintenance database, a statement a line, ``remote`` for another database that it
    makes; ``role`` migrates; ``create`` are options of CREATE DATABASE. ``way`` and ``accept`` are
    parameters of the rollback, ``by`` is its way.
    """

    kind: str
    name: str
    ends: str
    setup: str = ""
    server: str = ""
    remote: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    between: str = ""
    role: str = "postgres"
    create: str = ""
    dbname: str = "case_target"
    policy: str = ""
    way: str = ""
    accept: str = ""
    by: str = ""

    @property
    def completes(self) -> bool:
        return self.ends.startswith("completes")

    @property
    def back(self) -> bool:
        return self.ends.endswith("back")


def read_cases(kind: str = "*") -> list[Case]:
    """Return the cases of a kind, or all of them."""
    found = []
    for path in sorted(CASES.glob(f"{kind}.toml")):
        tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
        found += [Case(kind=path.stem, name=name, **table) for name, table in tables.items()]
    return found


@dataclass(frozen=True)
class Stage:
    """Hold one server with a case's database on it."""

    sandbox: Sandbox

    def psql(self, dbname: str, *words: str | Path, role: str = "postgres") -> str:
        """Return what psql prints; raises ToolError where a statement fails."""
        argv = [tools.find_program("psql"), "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", dbname, *words]
        env = {"PGHOST": str(self.sandbox.socket_dir), "PGPORT": "5432", "PGUSER": role}
        env["PGOPTIONS"] = "-c client_min_messages=error"
        return process.run([str(word) for word in argv], env=env, timeout=60).stdout.strip()

    def sweep(self) -> None:
        """Leave a server as initdb made it; there may be subscriptions in the databases."""
        for name in self.psql("postgres", "-c", _DATABASES).splitlines():
            for command in self.psql(name, "-c", _SUBSCRIPTIONS).splitlines():
                self.psql(name, "-c", command)
            self.psql("postgres", "-c", f'DROP DATABASE "{name}" WITH (FORCE)')
        roles = self.psql("postgres", "-c", _ROLES).splitlines()
        for command in ('DROP OWNED BY "{}" CASCADE', 'DROP ROLE "{}"'):
            for name in roles:
                self.psql("postgres", "-c", command.format(name))
        self.psql("postgres", "-c", "ALTER SYSTEM RESET ALL")
        self.psql("postgres", "-c", "SELECT pg_reload_conf()")
        for path in self._files():
            path.unlink()

    def set_up(self, case: Case) -> None:
        """Make the database of a case as it was before the release."""
        self.sweep()
        for statement in case.server.split(";\n"):
            if statement.strip():
                self.psql("postgres", "-c", statement)
        if case.remote:
            self.psql("remote", "-c", case.remote)
        create = f'CREATE DATABASE "{case.dbname}" TEMPLATE template0 {case.create}'
        self.psql("postgres", "-c", create)
        if case.setup:
            self.psql(case.dbname, "-c", self._here(case.setup))

    def release(self, case: Case, directory: Path) -> Path:
        """Write the files of a case for this server."""
        for name, text in case.files.items():
            path = directory / "release" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._here(text), encoding="utf-8")
        return directory / "release"

    def _here(self, text: str) -> str:
        return text.replace("{socket}", str(self.sandbox.socket_dir))

    def _there(self, text: str) -> str:
        return text.replace(str(self.sandbox.socket_dir), "{socket}")

    def apply(self, case: Case, release: Path) -> None:
        """Apply the files as psql does; raises ToolError where one fails."""
        for path in sorted(item for item in release.rglob("*.sql") if item.name != "down.sql"):
            self.psql(case.dbname, "-f", path, role=case.role)

    def url(self, case: Case) -> str:
        """Return the URL of the case's database for the role that migrates."""
        return f"postgresql://{case.role}@/{case.dbname}?host={self.sandbox.socket_dir}&port=5432"

    def state(self, case: Case) -> State:
        """Return what the runbook may not leave otherwise than psql: database and server."""
        return {
            "schema": self._schema(case.dbname),
            "contents": self._contents(case.dbname),
            "settings": self.psql(case.dbname, "-c", _SETTINGS),
            "files": {path.name: self._there(path.read_text()) for path in self._files()},
            **{name: self.psql("postgres", "-c", sql) for name, sql in _AROUND.items()},
        }

    def _files(self) -> list[Path]:
        """Return what files of a case wrote beside the server's socket."""
        found = self.sandbox.socket_dir.iterdir()
        return [path for path in found if not path.name.startswith(".s.PGSQL")]

    def _schema(self, dbname: str) -> list[str]:
        env = {"PGHOST": str(self.sandbox.socket_dir), "PGPORT": "5432", "PGUSER": "postgres"}
        argv = [
            str(tools.find_program("pg_dump")),
            "-s",
            *(f"--exclude-table=*.{x}" for x in _OURS),
        ]
        said = process.run([*argv, dbname], env=env, timeout=60).stdout.splitlines()
        kept = (line for line in said if line.strip() and not line.startswith(_SESSION_LINES))
        return [self._there(line) for line in kept]

    def _contents(self, dbname: str) -> dict[str, str]:
        found = {}
        for table in self.psql(dbname, "-c", _TABLES).splitlines():
            rows = _ROWS.format(table, self.sandbox.socket_dir)
            found[table] = self.psql(dbname, "-c", rows)
        return found | {"sequences": self.psql(dbname, "-c", _SEQUENCES)}


_DATABASES = """SELECT datname FROM pg_database
    WHERE datname NOT IN ('postgres', 'template0', 'template1')"""
_ROLES = "SELECT rolname FROM pg_roles WHERE rolname <> 'postgres' AND rolname !~ '^pg_'"
_SUBSCRIPTIONS = """SELECT format(command, subname)
    FROM pg_subscription,
         unnest(ARRAY['ALTER SUBSCRIPTION %I DISABLE',
                      'ALTER SUBSCRIPTION %I SET (slot_name = NONE)',
                      'DROP SUBSCRIPTION %I']) WITH ORDINALITY AS c (command, place)
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY subname, place"""
_TABLES = """SELECT c.oid::pg_catalog.regclass
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
    WHERE (relkind = 'r' OR (relkind = 'm' AND relispopulated))
    AND nspname !~ '^pg_|^information_schema' AND relpersistence <> 't'
    AND relname <> '_prisma_migrations' AND relname !~ '^_runbook_' ORDER BY 1::text"""
_ROWS = """SELECT pg_catalog.count(*) || ' '
    || coalesce(md5(pg_catalog.string_agg(replace(t::text, '{1}', ''), '|' ORDER BY t::text)), '')
    FROM ONLY {0} t"""
_SEQUENCES = """SELECT pg_catalog.string_agg(
        schemaname || '.' || sequencename || '=' || coalesce(last_value::text, ''), ' '
        ORDER BY schemaname, sequencename)
    FROM pg_catalog.pg_sequences"""
_SETTINGS = """SELECT pg_catalog.string_agg(
        coalesce(rolname, '') || ' ' || array_to_string(setconfig, ','), ';' ORDER BY rolname)
    FROM pg_catalog.pg_db_role_setting LEFT JOIN pg_catalog.pg_roles r ON r.oid = setrole
    WHERE setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    UNION ALL
    SELECT coalesce(shobj_description(oid, 'pg_database'), '') || datconnlimit
           || coalesce(datacl, acldefault('d', datdba))::text
    FROM pg_catalog.pg_database WHERE datname = current_database()"""
_AROUND = {
    "databases": "SELECT datname, datallowconn, datconnlimit FROM pg_database ORDER BY 1",
    "roles": """SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolconnlimit,
        rolconfig FROM pg_roles ORDER BY 1""",
    "members": """SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members
        ORDER BY 1, 2""",
    "auto.conf": """SELECT name, setting FROM pg_file_settings
        WHERE sourcefile LIKE '%auto.conf' ORDER BY 1""",
}


def project(directory: Path, case: Case, shared: Path) -> Path:
    """Write the environments.toml of a project with the case's target; its clusters are shared."""
    (shared / ".runbook").mkdir(exist_ok=True)
    (directory / ".runbook").symlink_to(shared / ".runbook")
    policy = f"[{ENVIRONMENT}.policy.locks]\ntimeout = 5.0\n"
    policy += f"[{ENVIRONMENT}.policy.rehearsal]\nrequired = true\n"
    table = f'[{ENVIRONMENT}]\nurl_variable = "{_URL}"\ndbname = "{case.dbname}"\n'
    (directory / "environments.toml").write_text(table + policy + case.policy, encoding="utf-8")
    return directory


@contextmanager
def at(directory: Path, url: str) -> Iterator[None]:
    """Be in a project, with the variable set that leads to its target."""
    before = Path.cwd()
    os.chdir(directory)
    os.environ[_URL] = url
    try:
        yield
    finally:
        os.chdir(before)
        del os.environ[_URL]


def rehearse_release(release: Path) -> None:
    """Do what run.ipynb does before it migrates, in this process, but for charts.

    Raises what stops it; prechecks that fail stop it behind the rehearsal.
    """
    run = _opened(release, "brief")
    show_release(run)
    show_plan(run)
    decide(run)
    held = _checked(release)
    try:
        if run.plan.steps:
            _rehearsed(release)
    except RunbookError as error:
        raise error if held is None else GateError(f"{held.message} {error}") from error
    if held is not None:
        raise held


def migrate_release(release: Path) -> None:
    """Do what run.ipynb does from there on, but for monitoring; raises what stops it."""
    while (run := _opened(release, "migrate")).pending():
        apply_step(run, run.pending()[0].name)
    run = _opened(release, "verify")
    verify_target(run)
    decide(run)


def _opened(release: Path, phase: str) -> Run:
    run: Run = open_run(ENVIRONMENT, str(release), phase)
    return run


def _checked(release: Path) -> GateError | None:
    """Look at files and target; return what speaks against the migration."""
    run = _opened(release, "prechecks")
    review_release(run)
    check_target(run)
    try:
        decide(run)
    except GateError as error:
        if not run.looked():
            raise
        return error
    return None


def _rehearsed(release: Path) -> None:
    run = _opened(release, "backup")
    take_backup(run)
    decide(run)
    run = _opened(release, "rehearsal")
    rehearse(run)
    show_findings(run)
    approve(run)
    decide(run)


def roll_release_back(case: Case, release: Path) -> str:
    """Do what 90_rollback.ipynb does, and drop what a restore kept; return the way that it took."""
    run = _opened(release, "rollback")
    diagnose_target(run)
    show_ways(run)
    choose_way(run, case.dbname, case.way, case.accept)
    roll_back(run, case.dbname, case.way, case.accept)
    found = run.recorded("rollback")
    assert found is not None
    drop_kept_database(run, found["rollback"].get("kept_as", ""))
    return str(found["rollback"]["way"])
