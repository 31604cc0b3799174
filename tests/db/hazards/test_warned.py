"""What scans, rewrites or locks beyond what a statement names is warned of; the harmless is not."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.checks.review import RULES
from runbook_lib.findings import Severity
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import Facts, find_hazards
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection, Database
from tests.support.releases import migration_of

WARNED = tomllib.loads((Path(__file__).parents[2] / "data/statements/warned.toml").read_text())


@pytest.fixture(scope="module")
def session(shared: Database) -> Iterator[Connection]:
    with shared.connect() as session:
        session.execute(WARNED["setup"])
        yield session


def facts_after(session: Connection, before: str) -> Facts:
    session.execute("BEGIN")
    if before:
        session.execute(before)
    facts = catalog.read_facts(session, 17)
    session.execute("ROLLBACK")
    return facts


@pytest.mark.parametrize("name", WARNED["case"])
def test_a_hazard_is_warned_of_and_its_locks_on_other_tables_are_predicted(
    name: str, session: Connection, tmp_path: Path
) -> None:
    case = WARNED["case"][name]
    facts = facts_after(session, case.get("before", ""))
    migration = migration_of(tmp_path, case["sql"])
    found = {item.rule for item in find_hazards([migration], facts, (), RULES)}
    assert case["rule"] in found
    locks = predict(migration.statements[-1], facts).locks
    words = {item.relation.qualified: item.mode.words for item in locks}
    assert case.get("locks", {}).items() <= words.items()


@pytest.mark.parametrize("name", WARNED["quiet"])
def test_what_hurts_nobody_is_not_warned_of(name: str, session: Connection, tmp_path: Path) -> None:
    migration = migration_of(tmp_path, WARNED["quiet"][name])
    found = find_hazards([migration], facts_after(session, ""), (), RULES)
    assert [item.cause for item in found if item.severity is not Severity.INFO] == []
