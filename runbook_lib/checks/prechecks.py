"""Look at the target before anything changes: read only, all findings at once.

Most are queries, ``queries/*.sql``; a release brings more of its own in ``checks/pre``.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runbook_lib.checks import query_checks
from runbook_lib.checks.room import forecast
from runbook_lib.config.policies import Policy
from runbook_lib.config.setting import matches
from runbook_lib.errors import RunbookError, SqlState, StatementError
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.formatting import size
from runbook_lib.parser.statement import LockMode, Statement
from runbook_lib.postgres import catalog, ledger, snapshot, tools
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.ledger import LedgerRow
from runbook_lib.postgres.locks import bound_locks
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.watching import WATCHERS
from runbook_lib.redaction import weak_secrets
from runbook_lib.release.model import Release, Variable
from runbook_lib.release.plan import Plan, StepKind, Target
from runbook_lib.release.reader import read_checks

QUERIES = Path(__file__).parent / "queries"
"""Where the product's own prechecks lie, one query a file."""
_OLDEST_SERVER = 14  # hash_record_extended, which the checksums of contents need
_MEGABYTE = 1024 * 1024
_STATISTICS_AGE = 7 * 86400.0  # seconds
_TRANSACTION_IDS = 1_000_000_000  # of the 2 billion after which the server refuses writes
_REPLICATION_LAG = 64 * _MEGABYTE
_NOT_VISIBLE = "the server's disk is not visible from here"
_MAY_NOT_READ = "GRANT SELECT on the ledger, and USAGE on the schemas, to the role that migrates."
_UNREADABLE: dict[str | None, str] = {
    SqlState.INSUFFICIENT_PRIVILEGE: _MAY_NOT_READ,
    SqlState.LOCK_NOT_AVAILABLE: "Let the session that holds the lock end; then run again.",
}
_NOT_THE_OWNERS_ALONE = {"truncate", "lock", "create trig"}  # each has a privilege of its own
_OF_A_TABLE = {"column", "trigger"}  # these need no CREATE on the schema


def run_prechecks(
    connection: Connection,
    session: Connection,
    target: Target,
    release: Release,
    plan: Plan,
    policy: Policy,
    root: Path,
) -> tuple[CheckResult, ...]:
    """Return what was observed of server, role, sessions, disk, tools, variables and ledger.

    The queries look from a ``session`` as a file has it: at its settings and its search_path.
    """
    parameters = _parameters(connection, release, plan, policy)
    queries = [*read_checks(QUERIES), *read_checks(release.root / "checks" / "pre")]
    for each in (connection, session):
        bound_locks(each, policy)
    return (
        *_server(connection, target),
        *query_checks.run_checks(session, queries, parameters),
        *_disks(connection, target, release, plan, root),
        _dump_program(target),
        *_variables(release),
        *_weak_secrets(),
        *_ledger(connection, release, plan),
    )


def _parameters(
    connection: Connection, release: Release, plan: Plan, policy: Policy
) -> dict[str, Any]:
    """Return what the queries may name. Times are in seconds, tables are ``schema.name``.

    ``tables`` are those of the target that the pending files name, ``altered`` those that only
    their owner may change, ``targets`` those that a foreign key points to. ``schemas`` get new
    objects, ``new_schemas`` and ``extensions`` are created. ``in_public`` tells whether names
    without a schema are meant, which are read as public.
    """
    there = catalog.relations(connection)
    pending = [step.name for step in plan.steps if step.kind is StepKind.APPLY]
    named, locked, altered, targets = set[str](), set[str](), set[str](), set[str]()
    schemas, new_schemas, extensions = set[str](), set[str](), set[str]()
    for statement in _all(item for name in pending for item in release.migration(name).statements):
        named |= {item.object.qualified for item in statement.references}
        locked |= {item.relation.qualified for item in statement.locks}
        pointed_to = {item.target for item in statement.foreign_keys}
        for lock in statement.locks:
            table = lock.relation.qualified
            if lock.relation.name in pointed_to:
                targets.add(table)
            elif _owners_alone(statement, lock.mode):
                altered.add(table)
        for item in statement.creates:
            kinds = {"schema": new_schemas, "extension": extensions}
            if item.kind not in _OF_A_TABLE:
                kinds.get(item.kind, schemas).add(item.schema or item.name)
    return {
        "long_transaction": policy.locks.long_transaction,
        "lock_timeout": policy.locks.timeout,
        "statistics_age": _STATISTICS_AGE,
        "transaction_ids": _TRANSACTION_IDS,
        "replication_lag": _REPLICATION_LAG,
        "tables": sorted((named | locked) & there),
        "altered": sorted(altered & there),
        "targets": sorted(targets & there),
        "in_public": "public" in schemas or any(item.startswith("public.") for item in locked),
        "schemas": sorted(schemas),
        "new_schemas": sorted(new_schemas),
        "extensions": sorted(extensions),
        # Besides this one, in whose place the migration's own will be.
        "sessions": WATCHERS + _lanes(release, plan, policy),
    }


def _lanes(release: Release, plan: Plan, policy: Policy) -> int:
    """Return how many sessions build indexes at most, none where the plan builds none apart."""
    builds = any(
        step.split.concurrent
        or any(
            item.kind == "index" and not item.transactional
            for item in release.migration(step.name).statements
        )
        for step in plan.steps
        if step.kind is StepKind.APPLY
    )
    return (policy.indexes.lanes or os.cpu_count() or 1) if builds else 0


def _all(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the statements, and those in the bodies of each."""
    for statement in statements:
        yield statement
        yield from _all(statement.inner)


def _owners_alone(statement: Statement, mode: LockMode) -> bool:
    """Tell whether the lock is one that only a table's owner may cause."""
    changes = mode.stops_writes or mode is LockMode.SHARE_UPDATE_EXCLUSIVE
    return changes and statement.kind not in _NOT_THE_OWNERS_ALONE


def _result(name: str, good: bool, observed: object, expected: str, remedy: str) -> CheckResult:
    status = Status.PASS if good else Status.FAIL
    return CheckResult(name, status, str(observed), expected, "" if good else remedy)


def _server(connection: Connection, target: Target) -> Iterator[CheckResult]:
    answered = connection.value("SELECT 1")
    yield _result(
        "connection", answered == 1, "a query was answered", "an answer", "Start the server."
    )
    yield _result(
        "server version",
        target.major >= _OLDEST_SERVER,
        target.version,
        f"{_OLDEST_SERVER} or newer",
        "Upgrade the server first.",
    )
    yield _result(
        "server role",
        not target.in_recovery,
        "standby" if target.in_recovery else "primary",
        "primary",
        "Point the environment at the primary.",
    )


def _disks(
    connection: Connection, target: Target, release: Release, plan: Plan, root: Path
) -> Iterator[CheckResult]:
    (row,) = connection.rows(load("sizes"))
    # The server's directory, where it is on this machine.
    directory = Path(row["directory"]) if target.embedded and row["directory"] else None
    yield from _disk(row["size"], directory, root)
    yield from _made_anew(connection, directory, release, plan)


def _disk(need: int, directory: Path | None, root: Path) -> Iterator[CheckResult]:
    if directory is None:
        reason = _NOT_VISIBLE
        remedy = f"Look at it there: {2 * need / _MEGABYTE:,.0f} MB should be free."
        yield CheckResult("disk of the server", Status.NOT_MEASURED, reason, "2 x database", remedy)
    else:
        yield _room("disk of the server", directory, 2 * need, "2 x database")
    yield _room("disk for the backup", root, need, "1 x database")


def _made_anew(
    connection: Connection, directory: Path | None, release: Release, plan: Plan
) -> Iterator[CheckResult]:
    """Hold what is rewritten and built against what is free: too little for its files fails."""
    name = "disk for rewrites and builds"
    try:
        made = forecast(connection, release, plan)
    except StatementError as error:
        if error.sqlstate not in _UNREADABLE:
            raise
        remedy = _UNREADABLE[error.sqlstate]
        yield CheckResult(name, Status.NOT_MEASURED, str(error), "can be read", remedy)
        return
    if made.needs and directory is None:
        remedy = f"Look at it there: {size(made.total)} should be free."
        yield CheckResult(name, Status.NOT_MEASURED, _NOT_VISIBLE, str(made), remedy)
    elif made.needs and directory is not None:
        found = _room(name, directory, made.total, str(made))
        tight = found.status is Status.FAIL and shutil.disk_usage(directory).free >= made.files
        yield replace(found, status=Status.WARN) if tight else found


def check_rehearsal_disk(connection: Connection, root: Path) -> CheckResult:
    """Tell whether what a rehearsal copies fits on the disk of this machine, beside the backup.

    That is what it migrates, and how it was before; for a role that is no superuser also how it was
    then, to be restored in place.
    """
    (row,) = connection.rows(load("sizes"))
    times = 3 if row["superuser"] else 4
    what = f"{times} x database, the backup among it"
    found = _room("disk for the rehearsal", root, times * row["size"], what)
    return found if found.status is Status.PASS else replace(found, status=Status.WARN)


def _room(name: str, directory: Path, need: int, what: str) -> CheckResult:
    free = shutil.disk_usage(directory).free
    return _result(
        name,
        free >= need,
        f"{free / _MEGABYTE:,.0f} MB free",
        f"{need / _MEGABYTE:,.0f} MB ({what})",
        f"Make room under {directory.name}.",
    )


def _dump_program(target: Target) -> CheckResult:
    try:
        program = tools.find_program("pg_dump", server_major=target.major)
    except RunbookError as error:
        return _result("pg_dump", False, error.message, f"{target.major} or newer", error.remedy)
    version = tools.version(program)
    return _result("pg_dump", True, version, f"{target.major} or newer", "")


def _variables(release: Release) -> Iterator[CheckResult]:
    for variable in release.variables:
        value = os.environ.get(variable.name, "")
        if value:
            good = matches(variable.pattern, value)
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


def _weak_secrets() -> Iterator[CheckResult]:
    """Warn of secrets that are too ordinary to be told from names."""
    found = weak_secrets()
    if found:
        remedy = (
            "Change it: till then it is hidden only where it stands as a password, as in a URL."
        )
        observed = f"short, or a word of the schema: {', '.join(found)}"
        expected = "eight characters or more, no word"
        yield CheckResult("secrets", Status.WARN, observed, expected, remedy)


def _needed(variable: Variable) -> bool:
    """Tell whether the feature that needs the variable is switched on (``ENABLE_KYC=true``)."""
    if variable.needed in {"always", "optional"}:
        return variable.needed == "always"
    return os.environ.get(f"ENABLE_{variable.needed.upper()}", "") == "true"


def _ledger(connection: Connection, release: Release, plan: Plan) -> Iterator[CheckResult]:
    try:
        rows = ledger.read(connection)
        yield from compare(release, rows)
        yield _unchanged(connection, plan, rows)
    except StatementError as error:
        if error.sqlstate not in _UNREADABLE:
            raise
        remedy = _UNREADABLE[error.sqlstate]
        yield CheckResult("schema as planned", Status.FAIL, str(error), "can be read", remedy)


def _unchanged(connection: Connection, plan: Plan, rows: tuple[LedgerRow, ...]) -> CheckResult:
    begun = {row.name for row in rows if row.failed and row.applied_steps}
    if any(step.name in {*ledger.applied(rows), *begun} for step in plan.steps):
        observed = "the run has begun: the ledger says where it stands"
        return CheckResult("schema as planned", Status.PASS, observed, "as planned")
    found = snapshot.take_snapshot(connection).fingerprint
    return _result(
        "schema as planned",
        found == plan.schema_fingerprint,
        found[:12],
        plan.schema_fingerprint[:12],
        "The schema changed since the plan was made: start a new run.",
    )


def compare(release: Release, rows: Iterable[LedgerRow]) -> tuple[CheckResult, ...]:
    """Show what is pending and what is applied; what does not agree is a finding of the review."""
    done = {row.name for row in rows if row.finished}
    listed = [item.name for item in release.migrations]
    pending = [name for name in listed if name not in done]
    there = [name for name in listed if name in done]
    return (
        _counted("pending migrations", pending, listed),
        _counted("applied migrations", there, listed),
    )


def _counted(name: str, some: Sequence[str], listed: Sequence[str]) -> CheckResult:
    names = f": {', '.join(some)}" if some else ""
    observed = f"{len(some)} of {len(listed)}{names}"
    return CheckResult(name, Status.PASS, observed, "for information")
