"""Prechecks see on the server what would stop the release, all of it at once."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from runbook_lib.checks import prechecks, query_checks
from runbook_lib.errors import StatementError
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.findings import Severity
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.model import Check, Release
from runbook_lib.release.reader import read_checks, read_release
from tests.support.prechecks import (
    as_plain_role,
    bad,
    checked,
    identified_on,
    of_users,
    planned,
)
from tests.support.projects import REPOSITORY
from tests.support.releases import release_of

PRE = read_checks(prechecks.QUERIES)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path, {"0001_a": "CREATE TABLE a ()", "0002_b": "CREATE TABLE b ()"})


@pytest.fixture(scope="module")
def shipped() -> Release:
    return read_release(REPOSITORY / "sql")


# --- all together ---------------------------------------------------------------------------------


def test_a_clean_target_passes_everything(connection: Connection, release: Release) -> None:
    found = checked(connection, release)
    assert bad(found) == {}
    assert len(found) > 40


def test_a_clean_target_passes_everything_for_the_shipped_release(
    connection: Connection, shipped: Release
) -> None:
    found = checked(connection, shipped)
    assert {item.name for item in found.values() if item.status is Status.FAIL} == set()
    assert not set(bad(found)) & {check.name for check in PRE}


def test_the_prechecks_take_no_time(connection: Connection, release: Release) -> None:
    begun = time.monotonic()
    checked(connection, release)
    assert time.monotonic() - begun < 20


def test_what_fails_says_what_to_do(connection: Connection, release: Release) -> None:
    connection.execute("CREATE TABLE surprise (id serial)")
    made = planned(connection, identified_on(connection), release)
    connection.execute("DROP TABLE surprise; CREATE TABLE another (id serial)")
    with as_plain_role(connection):
        found = checked(connection, release, made, in_recovery=True, server_version=120020)
    failed = [item for item in found.values() if item.status is Status.FAIL]
    assert len(failed) >= 5
    assert [item.name for item in failed if not item.remedy] == []


def test_nothing_is_written(connection: Connection, release: Release) -> None:
    connection.execute("SET default_transaction_read_only = on")
    assert checked(connection, release)["writes allowed"].status is Status.FAIL


@pytest.mark.parametrize("check", PRE, ids=lambda check: check.path.stem)
def test_a_query_is_named_as_its_file(check: Check) -> None:
    _, _, name = check.path.stem.partition("_")
    assert check.name.replace(" ", "_") == name
    assert check.remedy.endswith(".")


def test_a_release_brings_checks_of_its_own(connection: Connection, tmp_path: Path) -> None:
    release = release_of(tmp_path, {"0001_a": "CREATE TABLE a ()"})
    directory = release.root / "checks" / "pre"
    directory.mkdir(parents=True)
    (directory / "stock.sql").write_text(
        "-- Why.\n-- name: stock\n-- severity: error\n-- expect: no rows\n-- remedy: Count it.\n"
        "SELECT 'short of 100 %' AS stock"
    )
    found = checked(connection, release)["stock"]
    assert (found.status, found.observed) == (Status.FAIL, "short of 100 %")


# --- how a check is run ---------------------------------------------------------------------------


def run_one(connection: Connection, sql: str, severity: Severity = Severity.ERROR) -> CheckResult:
    check = Check("one", "Why.", severity, "no rows", "Mend it.", sql, Path("one.sql"))
    (result,) = query_checks.run_checks(connection, [check], {"wanted": 3})
    return result


def test_a_check_takes_parameters_and_doubled_percent_signs(connection: Connection) -> None:
    found = run_one(connection, "SELECT %(wanted)s %% 2 AS rest")
    assert (found.status, found.observed) == (Status.FAIL, "1")


def test_a_check_without_parameters_keeps_its_percent_signs(connection: Connection) -> None:
    assert run_one(connection, "SELECT 3 % 2 AS rest").observed == "1"


def test_what_the_role_may_not_look_at_is_not_measured(connection: Connection) -> None:
    with as_plain_role(connection):
        found = run_one(connection, "SELECT * FROM pg_authid")
    assert (found.status, "42501" in found.observed) == (Status.NOT_MEASURED, True)
    assert "pg_monitor" in found.remedy


def test_a_row_that_is_hidden_is_not_measured_and_one_that_is_seen_counts(
    connection: Connection,
) -> None:
    hidden = "SELECT NULL AS seen, 'hidden' AS not_measured"
    found = run_one(connection, hidden)
    assert (found.status, found.observed) == (Status.NOT_MEASURED, "hidden")
    found = run_one(connection, f"SELECT 'seen', NULL::text AS not_measured UNION ALL {hidden}")
    assert (found.status, found.observed) == (Status.FAIL, "seen; hidden")


def test_information_never_fails_nor_passes_unseen(connection: Connection) -> None:
    assert run_one(connection, "SELECT 1", Severity.INFO).status is Status.PASS
    broken = run_one(connection, "SELECT * FROM nowhere", Severity.INFO)
    assert (broken.status, "42P01" in broken.observed) == (Status.NOT_MEASURED, True)


# --- server ---------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("role", "times"), [("", 3), ("SET ROLE pg_monitor", 4)])
def test_a_disk_that_does_not_hold_what_a_rehearsal_copies_warns(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, role: str, times: int
) -> None:
    size: int = connection.value("SELECT pg_database_size(current_database())")
    connection.execute(role or "RESET ROLE")
    for free, status in ((times * size, Status.PASS), (times * size - 1, Status.WARN)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert prechecks.check_rehearsal_disk(connection, tmp_path).status is status


def test_a_database_that_is_not_utf8_warns(
    connection: Connection, target: Database, release: Release
) -> None:
    name = f"{target.dbname}_latin"
    connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with target.on(name).connect() as latin:
            found = checked(latin, release)
    finally:
        target.drop(name)
    assert found["server encoding"].status is Status.WARN


@pytest.mark.parametrize(
    ("name", "setting", "status"),
    [
        ("writes allowed", "default_transaction_read_only = on", Status.FAIL),
        ("search path", "search_path = nowhere", Status.FAIL),
        ("search path", "search_path = ''", Status.FAIL),
        ("timeouts from outside", "idle_in_transaction_session_timeout = '1min'", Status.WARN),
        ("timeouts from outside", "transaction_timeout = '1min'", Status.WARN),
        ("timeouts from outside", "statement_timeout = '1min'", Status.WARN),
        ("timeouts from outside", "lock_timeout = '1min'", Status.WARN),
        ("memory settings", "work_mem = '7MB'", Status.PASS),
    ],
)
def test_a_setting_of_the_database_is_seen(
    connection: Connection, target: Database, release: Release, name: str, setting: str, status: str
) -> None:
    connection.execute("CREATE SCHEMA other")
    connection.execute(f"ALTER DATABASE {target.dbname} SET {setting}")
    with target.connect() as session:
        found = checked(session, release)[name]
    assert found.status is status
    assert setting.split(" = ", maxsplit=1)[0] in found.observed


def test_a_path_that_leads_to_a_schema_that_is_there_is_no_matter(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE SCHEMA other; SET search_path = other, public")
    release = release_of(tmp_path, {"0001_a": "CREATE TABLE other.a ()"})
    assert checked(connection, release)["search path"].status is Status.PASS


def test_a_limit_of_temporary_files_warns(connection: Connection, tmp_path: Path) -> None:
    connection.execute("CREATE TABLE users AS SELECT generate_series(1, 2000) AS id")
    connection.execute("ANALYZE users; SET temp_file_limit = '8kB'")
    found = checked(connection, of_users(tmp_path))["temporary files"]
    assert (found.status, "public.users is" in found.observed) == (Status.WARN, True)


def test_old_transaction_ids_warn(
    connection: Connection, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prechecks, "_TRANSACTION_IDS", 0)
    assert checked(connection, release)["transaction ids"].status is Status.WARN


# --- schema ---------------------------------------------------------------------------------------


def test_a_schema_that_changed_since_the_plan_fails(
    connection: Connection, release: Release
) -> None:
    made = planned(connection, identified_on(connection), release)
    connection.execute("CREATE TABLE surprise ()")
    assert checked(connection, release, made)["schema as planned"].status is Status.FAIL


def test_a_run_that_has_begun_is_not_held_against_it(
    connection: Connection, release: Release
) -> None:
    made = planned(connection, identified_on(connection), release)
    connection.execute("CREATE TABLE a ()")
    ledger.record_baseline(connection, Connection.execute, release.migrations[0])
    assert checked(connection, release, made)["schema as planned"].status is Status.PASS


# --- variables ------------------------------------------------------------------------------------


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
