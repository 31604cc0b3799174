"""Look at the target before anything changes: read only, all findings at once."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from runbook_lib import catalog, ledger, programs
from runbook_lib.database import Connection
from runbook_lib.errors import RunbookError
from runbook_lib.manifest import Variable
from runbook_lib.model import Plan, Policy, Release, Target
from runbook_lib.observed import CheckResult, Status
from runbook_lib.queries import load

_OLDEST_SERVER = 13  # DROP DATABASE WITH (FORCE)
_MEGABYTE = 1024 * 1024


def run_prechecks(
    connection: Connection, target: Target, release: Release, plan: Plan, policy: Policy, root: Path
) -> tuple[CheckResult, ...]:
    """Return what was observed of server, role, sessions, disk, tools, variables and ledger."""
    return (
        *_server(connection, target),
        *_role(connection),
        *_sessions(connection, policy),
        *_disk(connection, target, root),
        _dump_program(target),
        *_variables(release),
        *ledger.compare(release, ledger.read(connection)),
        _unchanged(connection, plan),
    )


def _result(name: str, good: bool, observed: object, expected: str, remedy: str) -> CheckResult:
    status = Status.PASS if good else Status.FAIL
    return CheckResult(name, status, str(observed), expected, "" if good else remedy)


def _warning(name: str, good: bool, observed: object, expected: str, remedy: str) -> CheckResult:
    status = Status.PASS if good else Status.WARN
    return CheckResult(name, status, str(observed), expected, "" if good else remedy)


def _server(connection: Connection, target: Target) -> Iterator[CheckResult]:
    answered = connection.value("SELECT 1")
    yield _result("connection", answered == 1, "answers", "answers", "start the server")
    yield _result(
        "server version",
        target.major >= _OLDEST_SERVER,
        target.version,
        f"{_OLDEST_SERVER} or newer",
        "upgrade the server first",
    )
    yield _result(
        "server role",
        not target.in_recovery,
        "standby" if target.in_recovery else "primary",
        "primary",
        "point the environment at the primary",
    )


def _role(connection: Connection) -> Iterator[CheckResult]:
    (row,) = connection.rows(load("privileges"))
    yield _result(
        "may create in schema public",
        row["create_in_public"],
        "yes" if row["create_in_public"] else "no",
        "yes",
        "GRANT CREATE ON SCHEMA public to the role",
    )
    yield _result(
        "owns the tables it alters",
        row["foreign_tables"] is None,
        row["foreign_tables"] or "all of them",
        "all of them",
        "run as the owner's role, or be granted it",
    )
    yield _warning(
        "may create a database",
        row["create_database"],
        "yes" if row["create_database"] else "no",
        "yes, for a rollback beside the old one",
        "ALTER ROLE ... CREATEDB, or have an administrator at hand for a rollback",
    )


def _sessions(connection: Connection, policy: Policy) -> Iterator[CheckResult]:
    sessions = connection.rows(load("sessions"))
    applications = sorted({row["application"] or "unnamed" for row in sessions})
    shown = f"{len(sessions)} ({', '.join(applications)})" if sessions else "none"
    yield CheckResult("other sessions", Status.PASS, shown, "known ones")
    long = [row for row in sessions if (row["transaction_age"] or 0) > policy.long_transaction]
    yield _warning(
        "long transactions",
        not long,
        "; ".join(
            f"pid {row['pid']} ({row['user']}, {row['application']}, {row['state']}) "
            f"for {row['transaction_age']:.0f} s"
            for row in long
        )
        or "none",
        f"none over {policy.long_transaction:g} s",
        "let them finish, or end them: SELECT pg_terminate_backend(pid)",
    )
    blocked = [str(row["pid"]) for row in sessions if row["blocked"]]
    yield _warning(
        "blocked sessions",
        not blocked,
        ", ".join(blocked) or "none",
        "none waits for a lock",
        "find the holder with pg_blocking_pids(pid) and let it finish",
    )


def _disk(connection: Connection, target: Target, root: Path) -> Iterator[CheckResult]:
    (row,) = connection.rows(load("sizes"))
    need = row["size"]
    directory = Path(row["directory"]) if target.embedded and row["directory"] else None
    if directory is None:
        reason = "the server's disk is not visible from here"
        remedy = f"look at it there: {2 * need / _MEGABYTE:,.0f} MB should be free"
        yield CheckResult("disk of the server", Status.NOT_MEASURED, reason, "2 x database", remedy)
    else:
        yield _room("disk of the server", directory, 2 * need, "2 x database")
    yield _room("disk for the backup", root, need, "1 x database")


def _room(name: str, directory: Path, need: int, what: str) -> CheckResult:
    free = shutil.disk_usage(directory).free
    return _result(
        name,
        free >= need,
        f"{free / _MEGABYTE:,.0f} MB free",
        f"{need / _MEGABYTE:,.0f} MB ({what})",
        f"make room under {directory.name}",
    )


def _dump_program(target: Target) -> CheckResult:
    try:
        program = programs.find_program("pg_dump", server_major=target.major)
    except RunbookError as error:
        return _result("pg_dump", False, error.message, f"{target.major} or newer", error.remedy)
    version = programs.version(program)
    return _result("pg_dump", True, version, f"{target.major} or newer", "")


def _variables(release: Release) -> Iterator[CheckResult]:
    for variable in release.variables:
        value = os.environ.get(variable.name, "")
        if value:
            good = re.search(variable.pattern, value) is not None
            shown = "set" if variable.secret else value
            yield _result(
                variable.name,
                good,
                shown if good else f"{shown}, malformed",
                variable.meaning,
                variable.remedy,
            )
        elif _needed(variable):
            yield _result(variable.name, False, "not set", variable.meaning, variable.remedy)
        else:
            when = "optional" if variable.needed == "optional" else f"only with {variable.needed}"
            observed = f"not set, and not needed ({when})"
            yield CheckResult(variable.name, Status.PASS, observed, variable.meaning)


def _needed(variable: Variable) -> bool:
    """Tell whether the feature that needs the variable is switched on (``ENABLE_KYC=true``)."""
    if variable.needed in {"always", "optional"}:
        return variable.needed == "always"
    return os.environ.get(f"ENABLE_{variable.needed.upper()}", "") == "true"


def _unchanged(connection: Connection, plan: Plan) -> CheckResult:
    if any(step.name in ledger.applied(ledger.read(connection)) for step in plan.steps):
        observed = "the run has begun: the ledger says where it stands"
        return CheckResult("schema as planned", Status.PASS, observed, "as planned")
    found = catalog.take_snapshot(connection).fingerprint
    return _result(
        "schema as planned",
        found == plan.schema_fingerprint,
        found[:12],
        plan.schema_fingerprint[:12],
        "the schema changed since the plan was made: start a new run",
    )
