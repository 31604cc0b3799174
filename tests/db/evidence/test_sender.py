"""What changes a target passes the sender, which notes it before and after."""

import ast
from pathlib import Path
from typing import Any

import pytest

import runbook_lib
from runbook_lib.errors import OutcomeUnknownError, SqlState, StatementError, TargetError, ToolError
from runbook_lib.evidence.journal import Event, Journal, to_all
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import process
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier

LIBRARY = Path(runbook_lib.__file__).parent


@pytest.fixture
def sender(journal: Journal) -> Sender:
    return Sender(journal.emit, "a step")


def noted(journal: Journal, *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(line.get(key) for key in ("event", *keys)) for line in journal.lines()]


def test_a_statement_is_noted_before_and_after(
    sender: Sender, connection: Connection, journal: Journal
) -> None:
    create = SQL("CREATE TABLE {} AS SELECT {} AS a").format(Identifier("t x"), 7)
    assert sender.change(connection, create) == 1
    text = 'CREATE TABLE "t x" AS SELECT 7 AS a'
    assert noted(journal, "step", "sql", "outcome", "rows") == [
        ("sending", "a step", text, None, None),
        ("sent", "a step", text, "done", 1),
    ]
    assert {line["pid"] for line in journal.lines()} == {connection.pid}
    assert connection.value('SELECT a FROM "t x"') == 7


def test_what_parameters_hold_is_not_noted(
    sender: Sender, connection: Connection, journal: Journal
) -> None:
    sender.change(connection, "SELECT %(word)s::text", {"word": "a row of somebody's"})
    assert "somebody" not in journal.path.read_text()


def test_a_statement_that_fails_is_noted_with_its_state(
    sender: Sender, connection: Connection, journal: Journal
) -> None:
    with pytest.raises(StatementError):
        sender.change(connection, "SELECT 1 FROM nowhere")
    assert noted(journal, "outcome", "sqlstate")[1] == ("sent", "failed", SqlState.UNDEFINED_TABLE)


def test_a_statement_whose_session_is_lost_has_an_unknown_end(
    sender: Sender, connection: Connection, target: Database, journal: Journal
) -> None:
    with target.connect() as other:
        other.rows("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": connection.pid})
    with pytest.raises(TargetError):
        sender.change(connection, "CREATE TABLE t ()")
    assert noted(journal, "outcome") == [("sending", None), ("sent", "unknown")]


def test_a_commit_is_noted_before_and_after(
    sender: Sender, connection: Connection, journal: Journal
) -> None:
    with sender.transaction(connection):
        sender.change(connection, "CREATE TABLE t ()")
    assert [line["event"] for line in journal.lines()] == [
        "sending",
        "sent",
        "committing",
        "committed",
    ]


def test_a_commit_whose_answer_is_lost_is_unknown(
    connection: Connection, target: Database, journal: Journal
) -> None:
    def cut(event: Event) -> None:
        if event.name == "committing":
            with target.connect() as other:
                other.rows("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": connection.pid})

    sender = Sender(to_all(journal.emit, cut), "a step")
    with (
        pytest.raises(OutcomeUnknownError, match="lost during COMMIT"),
        sender.transaction(connection),
    ):
        sender.change(connection, "CREATE TABLE t ()")
    assert "committed" not in {line["event"] for line in journal.lines()}


def test_a_program_is_noted_with_its_words_digests_and_end(
    sender: Sender, journal: Journal
) -> None:
    runner = sender.runner(process.run, backup="0" * 64)
    runner(["sh", "-c", "exit 0"])
    with pytest.raises(ToolError):
        runner(["sh", "-c", "exit 3"])
    lines = list(journal.lines())
    assert [(line["event"], line["argv"][-1], line.get("exit")) for line in lines] == [
        ("program", "exit 0", None),
        ("exited", "exit 0", 0),
        ("program", "exit 3", None),
        ("exited", "exit 3", 3),
    ]
    assert lines[0]["digests"]["backup"] == "0" * 64
    assert len(lines[0]["digests"]["program"]) == 64
    assert "exit status 3" in lines[3]["error"]


# --- no other way ---------------------------------------------------------------------------------

# Sessions and transactions are set up as they are; the copy of a rehearsal, and its roles, are of
# a server of its own.
BEGINNINGS = ("SET ", "RESET ", "SAVEPOINT", "RELEASE ", "ROLLBACK", "BEGIN", "COMMIT", "DISCARD")
OTHERS = {
    "migrate/execute.py": 1,  # the SET statements of a file, in the session that goes on with it
    "migrate/index_builds.py": 2,  # the same; a lock that is let go of at once
    "migrate/write_probe.py": 1,  # a lock that INSERT takes, and nothing written
    "rollback/carry_forward.py": 2,  # a temporary copy
    "rehearsal/server.py": 5,
    "rehearsal/outward.py": 1,
    "rehearsal/world.py": 9,
    "rehearsal/restore.py": 9,
    "rehearsal/losses.py": 5,
    "rehearsal/compare.py": 3,
    "rehearsal/ways.py": 3,
    "rehearsal/violations.py": 3,
    "evidence/sender.py": 2,  # here
}


def executed(path: Path) -> list[str]:
    """Return the beginning of each statement that a module executes by itself."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if called and node.func.attr == "execute" and node.args:  # type: ignore[attr-defined]
            texts = [
                item.value
                for item in ast.walk(node.args[0])  # type: ignore[attr-defined]
                if isinstance(item, ast.Constant) and isinstance(item.value, str)
            ]
            found.append(texts[0] if texts else "")
    return found


def test_nothing_else_sends_what_changes_a_target() -> None:
    found = {}
    for path in sorted(LIBRARY.glob("*/*.py")):
        name = str(path.relative_to(LIBRARY))
        own = [text for text in executed(path) if not text.startswith(BEGINNINGS)]
        if own and not name.startswith("postgres/"):
            found[name] = len(own)
    assert found == OTHERS
