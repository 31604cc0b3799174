"""Run the prechecks of a small release on a test's database, and read what they say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runbook_lib.checks.prechecks import run_prechecks
from runbook_lib.config.environments import Environment
from runbook_lib.config.policies import Locks, Policy
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.postgres import catalog, ledger, snapshot
from runbook_lib.postgres.connection import Connection
from runbook_lib.release import plan
from runbook_lib.release.model import Release
from runbook_lib.release.plan import Plan, Target
from tests.support.projects import REPOSITORY
from tests.support.releases import release_of

POLICY = Policy(locks=Locks(long_transaction=0.05, timeout=0.05))


def of_users(tmp_path: Path, sql: str = "ALTER TABLE users ADD name text") -> Release:
    """Return a release that works on the table users."""
    return release_of(tmp_path, {"0001_users": sql})


def identified_on(connection: Connection) -> Target:
    """Return who answers in a session."""
    dbname = connection.value("SELECT current_database()")
    return catalog.identify(connection, Environment("test", dbname, embedded=True, policy=POLICY))


def planned(connection: Connection, target: Target, release: Release) -> Plan:
    """Plan a release for the database as it is now."""
    return plan.make_plan(
        release,
        target,
        ledger.applied(ledger.read(connection)),
        {},
        plan.order(release, catalog.relations(connection)),
        snapshot.take_snapshot(connection).fingerprint,
        demo_rows=False,
        settings={},
    )


def checked(
    connection: Connection, release: Release, made: Plan | None = None, **changed: object
) -> dict[str, CheckResult]:
    """Run the prechecks and return them by name; ``changed`` is what the target says of itself."""
    target = identified_on(connection)
    made = made or planned(connection, target, release)
    target = replace(target, **changed)  # type: ignore[arg-type]
    results = run_prechecks(connection, connection, target, release, made, POLICY, REPOSITORY)
    return {item.name: item for item in results}


def bad(found: dict[str, CheckResult]) -> dict[str, str]:
    """Return what did not pass, with what was observed."""
    return {item.name: item.observed for item in found.values() if item.status is not Status.PASS}


@contextmanager
def as_plain_role(connection: Connection, grants: str = "") -> Iterator[str]:
    """Be a role that may connect and nothing else but ``grants``, for the block."""
    name = connection.value("SELECT 'plain_' || current_database()")
    connection.execute(f"CREATE ROLE {name}")
    if grants:
        connection.execute(grants.format(role=name))
    connection.execute(f"SET ROLE {name}")
    try:
        yield str(name)
    finally:
        connection.execute(f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")


def looked_at_as_plain_role(
    connection: Connection, release: Release, grants: str = ""
) -> dict[str, CheckResult]:
    made = planned(connection, identified_on(connection), release)
    with as_plain_role(connection, grants):
        return checked(connection, release, made)
