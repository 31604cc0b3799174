"""A safe form ends where the statement would have, and keeps nobody waiting for long."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.checks.review import RULES
from runbook_lib.errors import StatementError
from runbook_lib.findings import Files, Finding
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import find_hazards
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import LockMode, Split, Statement
from runbook_lib.postgres import catalog, snapshot
from runbook_lib.postgres.connection import Connection
from tests.support.majors import server_of
from tests.support.observing import observed
from tests.support.releases import migration_of
from tests.support.servers import scratch_database

DATA = Path(__file__).parents[2] / "data"
SAFE = tomllib.loads((DATA / "statements" / "safe.toml").read_text(encoding="utf-8"))
NEWEST = 17
_ORDER = list(LockMode)
_LONG = _ORDER[: _ORDER.index(LockMode.SHARE_UPDATE_EXCLUSIVE) + 1]


def findings(
    connection: Connection,
    directory: Path,
    sql: str,
    split: Split | None = None,
    major: int = NEWEST,
) -> list[Finding]:
    migration = migration_of(directory, sql)
    facts = catalog.read_facts(connection, major)
    splits = {migration.name: split} if split else {}
    return list(find_hazards([migration], facts, (), RULES, splits))


def state(objects: Mapping[str, str], case: dict[str, Any]) -> dict[str, str]:
    """Return what has to be the same after both."""
    but = tuple(case.get("but", ())) or ("no such kind",)
    kept = {key: text for key, text in objects.items() if not key.startswith(but)}
    if not case.get("moves"):
        return kept
    return {
        key: text.split(" ", 1)[1] if key.startswith("column ") else text
        for key, text in kept.items()
    }


CASES = [pytest.param(case["rule"], name, id=name) for name, case in SAFE["case"].items()]


@pytest.mark.one_of_each("rule")
@pytest.mark.parametrize(("rule", "name"), CASES)
def test_a_safe_form_ends_in_the_same_schema_and_stops_nobody_for_long(
    rule: str, name: str, connection: Connection, tmp_path: Path
) -> None:
    assert SAFE["case"][name]["rule"] == rule
    ends_alike(connection, tmp_path, SAFE["case"][name], NEWEST)


@pytest.mark.slow
@pytest.mark.parametrize("major", [15, 18])
def test_so_it_does_on_other_versions(major: int, tmp_path: Path) -> None:
    with server_of(major, tmp_path) as server:
        for name, case in SAFE["case"].items():
            with (
                scratch_database(server, "safe") as database,
                database.connect() as connection,
            ):
                ends_alike(connection, tmp_path / name, case, major)


def ends_alike(connection: Connection, directory: Path, case: dict[str, Any], major: int) -> None:
    rule = case["rule"]
    connection.execute(SAFE["setup"])
    connection.execute(case.get("before", ""))
    read = findings(connection, directory, case["sql"], major=major)
    found = [item for item in read if item.rule == rule]
    assert found
    assert all(item.safe == found[0].safe for item in found)
    wanted = as_written(connection, case)
    first = case["sql"].split("; ")[:-1] if rule == "validated-at-once" else ()
    held = list(carried_out(connection, (tuple(first), *found[0].safe), major))
    assert not [x for x in held if not (case.get("stops_writes") and "ShareLock" in x)]
    if wanted is not None:
        ended = state(snapshot.take_snapshot(connection).objects, case)
        assert ended.items() ^ wanted[0].items() == set()
        assert rows(connection, case) == wanted[1]


def as_written(
    connection: Connection, case: dict[str, Any]
) -> tuple[dict[str, str], list[dict[str, Any]]] | None:
    """Return how the statement ends as it is written, on a database that it leaves as it was."""
    connection.execute("BEGIN")
    try:
        connection.execute(case["sql"])
    except StatementError as error:
        assert error.sqlstate == case["fails"]
        return None
    else:
        return state(snapshot.snapshot_here(connection).objects, case), rows(connection, case)
    finally:
        connection.execute("ROLLBACK")


def rows(connection: Connection, case: dict[str, Any]) -> list[dict[str, Any]]:
    return connection.rows(case["same"]) if "same" in case else []


def carried_out(connection: Connection, files: Files, major: int) -> Iterator[str]:
    """Run the files, and yield what scanned or rewrote a table while it kept others from it."""
    for file in files:
        text = ";\n".join(line for line in file if not line.startswith("--"))
        statements, defects = read_statements(text, "safe.sql")
        assert not defects
        whole = all(item.transactional for item in statements)
        if whole and statements:
            connection.execute("BEGIN")
        for statement in statements:
            yield from in_the_way(connection, statement, major)
        if whole and statements:
            connection.execute("COMMIT")


def in_the_way(connection: Connection, statement: Statement, major: int) -> Iterator[str]:
    if not statement.transactional:
        # What these lock while they run, other tests compare with what is predicted.
        effects = predict(statement, catalog.read_facts(connection, major))
        strong = {x.relation for x in effects.locks if x.mode not in _LONG}
        held = strong & {*effects.scans, *effects.rewrites}
        yield from (f"{statement.sql}: {table}" for table in held)
        connection.execute(statement.sql)
        return
    seen = observed(connection, statement)
    modes = {table: mode for table, mode in seen if mode not in {"scan", "rewrite"}}
    for table, done in seen:
        if done in {"scan", "rewrite"} and LockMode(modes.get(table, _ORDER[0])) not in _LONG:
            yield f"{statement.sql}: {done} of {table} under {modes[table]}"


SPLIT = [
    ("CREATE INDEX t_id ON t (id)", Split((1,), ())),
    ("ALTER TABLE t ADD CONSTRAINT to_o FOREIGN KEY (o_id) REFERENCES o", Split((), (1,))),
]


@pytest.mark.parametrize(("sql", "split"), SPLIT)
def test_what_only_the_plan_makes_harmless_is_said_to_be_done_by_it(
    sql: str, split: Split, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(SAFE["setup"])
    (bare,) = findings(connection, tmp_path / "bare", sql)
    (planned,) = findings(connection, tmp_path / "planned", sql, split)
    assert (bare.planned, planned.planned, planned.severity.value) == (False, True, "info")
    assert (planned.rule, planned.safe, planned.was) == (bare.rule, bare.safe, bare.was)


def examples() -> Sequence[str]:
    return sorted(path.parent.name for path in DATA.glob("hazards/*/safe.diff"))


@pytest.mark.parametrize("rule", examples())
def test_the_safe_form_of_an_example_is_what_the_pages_show(
    rule: str, connection: Connection, tmp_path: Path
) -> None:
    example = DATA / "hazards" / rule
    connection.execute((example / "setup.sql").read_text())
    found = findings(connection, tmp_path, (example / "bad.sql").read_text())
    shown = dict.fromkeys(x.diff for x in found if x.rule == rule and x.diff)
    assert "\n".join((*shown, "")) == (example / "safe.diff").read_text()


def test_every_rule_with_a_safe_form_shows_one() -> None:
    assert {name for name, rule in RULES.items() if rule.safe} == set(examples())


def test_a_safe_form_of_any_statement_parses(connection: Connection, tmp_path: Path) -> None:
    connection.execute((DATA / "statements" / "setup.sql").read_text())
    lines = (DATA / "statements" / "statements.sql").read_text().splitlines()
    facts = catalog.read_facts(connection, NEWEST)
    found: list[Finding] = []
    for number, line in enumerate(x for x in lines if x and not x.startswith("--")):
        found += find_hazards([migration_of(tmp_path / str(number), line)], facts, (), RULES)
    safe = [";\n".join(file) for item in found for file in item.safe]
    assert len(safe) > 100
    assert not [text for text in safe if read_statements(text, "safe.sql")[1]]
