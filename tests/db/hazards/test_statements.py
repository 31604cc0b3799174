"""What reading and the target's catalogs predict of a statement is what the server does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import Facts
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection
from tests.support.majors import server_of
from tests.support.observing import STRONG, TABLES, Seen, observed

DATA = Path(__file__).parents[2] / "data" / "statements"
NEWEST = 17  # the major that every statement is written for
UNKNOWN = "; -- unknown: "


def statements() -> list[tuple[str, str]]:
    """Return each statement with the reason why it is not known what it does, mostly none."""
    lines = (DATA / "statements.sql").read_text().splitlines()
    split = (line.partition(UNKNOWN) for line in lines if line and not line.startswith("--"))
    return [(sql.rstrip(";"), reason) for sql, _, reason in split]


def predicted(statement: Statement, facts: Facts, there: set[str]) -> Seen:
    effects = predict(statement, facts)
    found = {(item.relation.qualified, item.mode.value) for item in effects.locks}
    found = {item for item in found if item[1] in STRONG}
    found |= {(item.qualified, "rewrite") for item in effects.rewrites}
    found |= {(item.qualified, "scan") for item in effects.scans}
    return {item for item in found if item[0] in there}


@pytest.mark.slow
@pytest.mark.parametrize("major", [15, 17, 18])
def test_what_is_predicted_of_each_statement_is_what_the_server_does(
    major: int, tmp_path: Path
) -> None:
    with server_of(major, tmp_path) as database, database.connect() as connection:
        connection.execute((DATA / "setup.sql").read_text())
        wrong = list(differences(connection, catalog.read_facts(connection, major)))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(statements())}", *wrong])


def differences(connection: Connection, facts: Facts) -> Iterator[str]:
    """Yield where a server does something else than predicted; each is rolled back."""
    there = {row["name"] for row in connection.rows(TABLES)}
    for sql, reason in statements():
        ((statement,), _) = read_statements(sql, "one.sql")
        connection.execute("BEGIN")
        try:
            done = observed(connection, statement)
        except StatementError as error:
            if error.sqlstate != SqlState.SYNTAX_ERROR or facts.server_major >= NEWEST:
                yield f"{sql}: {error}"
            continue
        finally:
            connection.execute("ROLLBACK")
        said = predicted(statement, facts, there)
        if (said == done) == bool(reason):
            yield f"{sql}: predicted alone {said - done}, done alone {done - said}"
