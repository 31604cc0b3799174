"""Baselines are proved as the target's role, in a world of their own that holds no objects yet."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from runbook_lib import open_run
from runbook_lib.release.plan import Plan, StepKind
from tests.support.cases import ENVIRONMENT, Case, at, project
from tests.support.servers import psql

pytestmark = pytest.mark.xdist_group("keeper")  # roles are of the whole server
ROLE = "keeper"


@pytest.fixture
def target(database: dict[str, str]) -> Iterator[dict[str, str]]:
    """Return a database of a role that is no superuser."""
    psql(database, f"CREATE ROLE {ROLE} LOGIN")
    psql(database, f"ALTER DATABASE {database['dbname']} OWNER TO {ROLE}")
    yield database
    psql(database, f"ALTER DATABASE {database['dbname']} OWNER TO postgres")
    psql(database, f"REASSIGN OWNED BY {ROLE} TO postgres")
    psql(database, f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def planned(
    target: Mapping[str, str], directory: Path, shared: Path, there: str, file: str
) -> Plan:
    """Open the run of a release of one file on a target that has something already."""
    psql({**target, "user": "postgres"}, there)
    case = Case(kind="", name="", ends="", dbname=target["dbname"])
    release = project(directory, case, shared) / "release"
    release.mkdir()
    (release / "001.sql").write_text(file)
    url = f"postgresql://{ROLE}@/{target['dbname']}?host={target['host']}"
    with at(directory, url):
        plan: Plan = open_run(ENVIRONMENT, str(release), "brief").plan
        return plan


def become(sql: str) -> str:
    return f"SET ROLE {ROLE}; {sql}; RESET ROLE;"


EQUAL = {
    "tables": ("", "CREATE TABLE item (id int PRIMARY KEY); CREATE INDEX i ON item (id)"),
    "what it is given to": ("", f"CREATE TABLE item (id int); ALTER TABLE item OWNER TO {ROLE}"),
    "a policy for a role": (
        "",
        f"CREATE TABLE item (id int); CREATE POLICY p ON item TO {ROLE} USING (true)",
    ),
    "a schema of somebody else": (
        f"CREATE SCHEMA shop; GRANT ALL ON SCHEMA shop TO {ROLE};"
        "COMMENT ON SCHEMA shop IS 'of an administrator'",
        "CREATE TABLE shop.item (id int PRIMARY KEY)",
    ),
    "the schema of its search_path": (
        f"CREATE SCHEMA shop; GRANT ALL ON SCHEMA shop TO {ROLE};"
        f"ALTER ROLE {ROLE} SET search_path = shop; SET search_path = shop",
        "CREATE TABLE item (id int PRIMARY KEY)",
    ),
    "an extension that only a superuser makes": (
        "CREATE EXTENSION pageinspect",
        "CREATE EXTENSION IF NOT EXISTS pageinspect; CREATE TABLE item (id int PRIMARY KEY)",
    ),
    "an extension that was there": (
        "CREATE SCHEMA more; CREATE EXTENSION citext SCHEMA more; "
        f"GRANT USAGE ON SCHEMA more TO {ROLE}",
        "CREATE TABLE item (name more.citext PRIMARY KEY)",
    ),
    "an extension of its own": (
        "",
        "CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE item (name citext PRIMARY KEY)",
    ),
}


@pytest.mark.parametrize("case", EQUAL)
def test_what_is_equal_is_a_baseline(
    case: str, target: dict[str, str], tmp_path: Path, shared_root: Path
) -> None:
    before, file = EQUAL[case]
    there = f"{before}; {become(file)}" if before else become(file)
    plan = planned(target, tmp_path, shared_root, there, file)
    assert [(step.kind, step.name) for step in plan.steps] == [(StepKind.BASELINE, "001")]
    assert (plan.defects, "found equal" in plan.steps[0].why) == ((), True)


REFUSED = {
    "it differs": ("CREATE TABLE item (id bigint)", "CREATE TABLE item (id int)", "bigint"),
    "it is another's": (
        "CREATE TABLE item (id int)",
        f"CREATE TABLE item (id int); ALTER TABLE item OWNER TO {ROLE}",
        f"'owned by postgres' instead of 'owned by {ROLE}'",
    ),
    "only a superuser could": (
        "CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE internal AS 'int4pl'; "
        "CREATE TABLE item (id int)",
        "CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE internal AS 'int4pl'; "
        "CREATE TABLE item (id int)",
        "[Pp]ermission denied for language internal",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_equal_or_not_to_be_built_is_a_finding(
    case: str, target: dict[str, str], tmp_path: Path, shared_root: Path
) -> None:
    there, file, says = REFUSED[case]
    plan = planned(target, tmp_path, shared_root, there, file)
    (finding,) = plan.defects
    assert finding.blocks
    assert re.search(says, finding.cause), finding.cause
