"""Prechecks see on the server what would stop the release, all of it at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import catalog, ledger, plan
from runbook_lib.database import Connection, Database
from runbook_lib.errors import StatementError
from runbook_lib.model import Environment, Plan, Policy, Release, Target
from runbook_lib.observed import CheckResult, Status
from runbook_lib.prechecks import run_prechecks
from runbook_lib.queries import PROJECT
from runbook_lib.release import read_release
from tests.db.snapshots import identified
from tests.releases import release_of

KYC = ("KYC_ENCRYPTION_KEY", "KYC_WEBHOOK_SECRET")
POLICY = Policy(long_transaction=0.05)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path, {"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"})


@pytest.fixture(scope="module")
def shipped() -> Release:
    return read_release(PROJECT / "sql")


def planned(connection: Connection, target: Target, release: Release) -> Plan:
    return plan.make_plan(
        release,
        target,
        ledger.applied(ledger.read(connection)),
        {},
        catalog.relations(connection),
        catalog.take_snapshot(connection).fingerprint,
        demo_rows=False,
    )


def checked(
    connection: Connection, release: Release, made: Plan | None = None, **changed: object
) -> dict[str, CheckResult]:
    """Run the prechecks and return them by name."""
    dbname = connection.value("SELECT current_database()")
    environment = Environment("test", dbname, embedded=True, policy=POLICY)
    target = catalog.identify(connection, environment)
    made = made or planned(connection, target, release)
    target = replace(target, **changed)  # type: ignore[arg-type]
    results = run_prechecks(connection, target, release, made, POLICY, PROJECT)
    return {item.name: item for item in results}


def test_a_target_in_order_passes_everything(connection: Connection, release: Release) -> None:
    found = checked(connection, release)
    assert {item.name: item.observed for item in found.values() if item.status is Status.FAIL} == {}
    assert len(found) > 12


def test_what_fails_says_what_to_do(connection: Connection, release: Release) -> None:
    stranger = replace(release.migrations[0], checksum="0" * 64)
    ledger.record_baseline(connection, stranger)
    ledger.record_started(connection, release.migrations[1])
    found = checked(connection, release, in_recovery=True, server_version=120020)
    failed = [item for item in found.values() if item.status is Status.FAIL]
    assert len(failed) >= 4
    assert [item.name for item in failed if not item.remedy] == []


def test_nothing_is_written(connection: Connection, release: Release) -> None:
    connection.execute("SET default_transaction_read_only = on")
    assert checked(connection, release)


# --- server -------------------------------------------------------------------------------------


def test_a_standby_fails(connection: Connection, release: Release) -> None:
    found = checked(connection, release, in_recovery=True)["server role"]
    assert (found.status, found.observed) == (Status.FAIL, "standby")


def test_a_server_that_is_too_old_fails(connection: Connection, release: Release) -> None:
    found = checked(connection, release, server_version=120020)["server version"]
    assert (found.status, found.observed) == (Status.FAIL, "12.20")


def test_a_pg_dump_that_is_older_than_the_server_fails(
    connection: Connection, release: Release
) -> None:
    found = checked(connection, release, server_version=990000)["pg_dump"]
    assert (found.status, found.expected) == (Status.FAIL, "99 or newer")


def test_the_disk_of_a_server_elsewhere_is_not_measured(
    connection: Connection, release: Release
) -> None:
    found = checked(connection, release, embedded=False)["disk of the server"]
    assert found.status is Status.NOT_MEASURED


# --- role ---------------------------------------------------------------------------------------


@contextmanager
def as_plain_role(connection: Connection) -> Iterator[None]:
    """Be a role that may connect and nothing else, for the block."""
    name = connection.value("SELECT 'plain_' || current_database()")
    connection.execute(f"CREATE ROLE {name}; SET ROLE {name}")
    try:
        yield
    finally:
        connection.execute(f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_role_that_may_not_create_fails(connection: Connection, release: Release) -> None:
    connection.execute("CREATE TABLE users ()")
    made = planned(connection, identified_on(connection), release)
    with as_plain_role(connection):
        found = checked(connection, release, made)
    assert found["may create in schema public"].status is Status.FAIL
    assert found["owns the tables it alters"].status is Status.FAIL
    assert found["owns the tables it alters"].observed == "users"
    assert found["may create a database"].status is Status.WARN


def identified_on(connection: Connection) -> Target:
    dbname = connection.value("SELECT current_database()")
    return catalog.identify(connection, Environment("test", dbname, embedded=True, policy=POLICY))


# --- sessions -----------------------------------------------------------------------------------


def test_a_long_transaction_warns_and_is_named(
    connection: Connection, target: Database, release: Release
) -> None:
    with target.connect() as forgotten, forgotten.transaction():
        pid = forgotten.value("SELECT pg_backend_pid()")
        time.sleep(2 * POLICY.long_transaction)
        found = checked(connection, release)["long transactions"]
    assert found.status is Status.WARN
    assert f"pid {pid} (postgres, migration runbook, idle in transaction)" in found.observed


def test_a_session_that_waits_for_a_lock_warns_and_is_named(
    connection: Connection, target: Database, release: Release
) -> None:
    connection.execute("CREATE TABLE t ()")
    with target.connect() as holder, target.connect() as waiter:
        pid = waiter.value("SELECT pg_backend_pid()")
        holder.execute("BEGIN; LOCK TABLE t")
        thread = threading.Thread(target=waits, args=(waiter,))
        thread.start()
        try:
            until = time.monotonic() + 10
            blocked = f"SELECT cardinality(pg_blocking_pids({pid})) > 0"
            while not connection.value(blocked) and time.monotonic() < until:
                time.sleep(0.01)
            found = checked(connection, release)["blocked sessions"]
        finally:
            holder.execute("ROLLBACK")
            thread.join()
    assert (found.status, found.observed) == (Status.WARN, str(pid))


def waits(waiter: Connection) -> None:
    waiter.rows("SELECT count(*) FROM t")


def test_other_sessions_are_named(
    connection: Connection, target: Database, release: Release
) -> None:
    with target.connect() as other:
        other.execute("SET application_name = 'shop web'")
        found = checked(connection, release)["other sessions"]
    assert (found.status, found.observed) == (Status.PASS, "1 (shop web)")


# --- ledger and schema --------------------------------------------------------------------------


def test_changed_unknown_and_failed_rows_are_found_at_once(
    connection: Connection, release: Release
) -> None:
    first, second = release.migrations
    ledger.record_baseline(connection, replace(first, checksum="0" * 64))
    ledger.record_baseline(connection, replace(first, name="0000_stranger"))
    ledger.record_started(connection, second)
    found = checked(connection, release)
    assert found["changed migrations"].status is Status.FAIL
    assert found["unknown migrations"].status is Status.WARN
    assert found["failed migrations"].status is Status.FAIL


def test_a_schema_that_changed_since_the_plan_fails(
    connection: Connection, target: Database, release: Release
) -> None:
    made = planned(connection, identified(target), release)
    connection.execute("CREATE TABLE surprise ()")
    assert checked(connection, release, made)["schema as planned"].status is Status.FAIL


def test_a_run_that_has_begun_is_not_held_against_it(
    connection: Connection, target: Database, release: Release
) -> None:
    made = planned(connection, identified(target), release)
    connection.execute("CREATE TABLE a ()")
    ledger.record_baseline(connection, release.migrations[0])
    assert checked(connection, release, made)["schema as planned"].status is Status.PASS


# --- variables ----------------------------------------------------------------------------------


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, shipped: Release) -> pytest.MonkeyPatch:
    for variable in shipped.variables:
        monkeypatch.delenv(variable.name, raising=False)
    return monkeypatch


def needed_for_kyc(shipped: Release) -> list[str]:
    return [item.name for item in shipped.variables if item.needed == "kyc"]


def test_kyc_variables_are_not_needed_while_kyc_is_off(
    connection: Connection, shipped: Release, variables: pytest.MonkeyPatch
) -> None:
    found = checked(connection, shipped)
    assert needed_for_kyc(shipped)
    for name in needed_for_kyc(shipped):
        assert (found[name].status, "not needed" in found[name].observed) == (Status.PASS, True)


def test_kyc_variables_are_needed_while_kyc_is_on(
    connection: Connection, shipped: Release, variables: pytest.MonkeyPatch
) -> None:
    variables.setenv("ENABLE_KYC", "true")
    found = checked(connection, shipped)
    assert {found[name].status for name in needed_for_kyc(shipped)} == {Status.FAIL}


@pytest.mark.parametrize("value", ["short", "g" * 64, "a" * 63, " " * 64])
def test_a_malformed_key_fails_and_is_not_shown(
    connection: Connection, shipped: Release, variables: pytest.MonkeyPatch, value: str
) -> None:
    variables.setenv("KYC_ENCRYPTION_KEY", value)
    found = checked(connection, shipped)["KYC_ENCRYPTION_KEY"]
    assert (found.status, found.observed) == (Status.FAIL, "set, malformed")


@pytest.mark.parametrize("value", ["True", "1", "yes", "true "])
def test_a_flag_that_the_application_takes_for_false_fails(
    connection: Connection, shipped: Release, variables: pytest.MonkeyPatch, value: str
) -> None:
    variables.setenv("ENABLE_KYC", value)
    assert checked(connection, shipped)["ENABLE_KYC"].status is Status.FAIL


def test_a_check_that_the_server_refuses_is_an_error_and_no_pass(
    connection: Connection, release: Release
) -> None:
    connection.execute("BEGIN")
    with pytest.raises(StatementError):
        connection.execute("SELECT nothing")
    with pytest.raises(StatementError):
        checked(connection, release)
    connection.rollback()
