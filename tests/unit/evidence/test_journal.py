"""A journal says nothing twice, and is read as if it had."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.evidence.journal import (
    BEGAN,
    LEDGER_ROW,
    SENDING,
    SENT,
    Event,
    Journal,
    ended,
    started,
)
from runbook_lib.evidence.records import Observation, Outcome, StatementRun
from runbook_lib.parser.statement import Statement

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEP, SQL = "0001_a", "INSERT INTO ledger VALUES ($1)"
SEEN = Observation({"public.t": ("ShareLock",)}, ("public.t",), 5, 100, 8192)


OF_FORMATS_4 = """
{"at": "2026-01-31", "event": "started", "step": "a", "path": "p", "line": 1, "number": 1}
{"at": "2026-01-31", "event": "ended", "step": "a", "path": "p", "line": 4, "label": "select",
"outcome": "failed", "seconds": 1.0, "started_at": "2026-01-30", "transaction": 2, "statement": 1,
"number": 1, "sqlstate": "42601", "error": "Bad.", "observed": null}
""".replace(",\n", ", ")


def statement(number: int, path: str = "release/0001_a/migration.sql") -> Statement:
    return Statement(path, number * 3, "SELECT 1", "select", "select t", number=number)


def run_of(of: Statement, **more: Any) -> StatementRun:
    done = StatementRun(STEP, of.path, of.line, of.label, Outcome.DONE, 0.25, NOON)
    return replace(done, statement=of.line, number=of.number, **more)


FIRST, SECOND, ELSEWHERE = statement(1), statement(2), statement(1, "release/other.sql")
FAILED = run_of(SECOND, outcome=Outcome.FAILED, line=7, sqlstate="23505", error="Taken.")
JOURNALS = {
    "one after the other": [
        started(STEP, FIRST),
        ended(run_of(FIRST)),
        started(STEP, SECOND),
        ended(FAILED),
    ],
    "side by side": [
        started(STEP, FIRST),
        started(STEP, SECOND),
        ended(run_of(SECOND, transaction=4)),
        ended(run_of(FIRST, transaction=4)),
    ],
    "of two files": [
        started(STEP, FIRST),
        ended(run_of(FIRST)),
        started(STEP, ELSEWHERE),
        ended(run_of(ELSEWHERE)),
    ],
    "observed": [
        started(STEP, FIRST),
        ended(run_of(FIRST, observed=SEEN)),
        started(STEP, SECOND),
        ended(run_of(SECOND, observed=Observation(complete=False))),
    ],
    "not begun": [ended(run_of(FIRST)), ended(run_of(FIRST, outcome=Outcome.UNKNOWN))],
    "the runbook's own": [
        Event(SENDING, STEP, {"pid": 1, "sql": SQL}),
        Event(SENDING, STEP, {"pid": 2, "sql": "SELECT 2"}),
        Event(SENT, STEP, {"pid": 1, "sql": SQL, "outcome": Outcome.DONE, "rows": 1}),
        Event(SENT, STEP, {"pid": 2, "sql": "SELECT 2", "outcome": Outcome.DONE, "rows": 0}),
    ],
    "with what comes between": [
        Event(BEGAN, STEP, {"pid": 7}),
        started(STEP, FIRST),
        Event("waiting", STEP, {"blockers": [{"pid": 9}]}),
        ended(run_of(FIRST)),
        Event(LEDGER_ROW, STEP, {"id": "x"}),
    ],
}


def written(path: Path, events: Iterable[Event]) -> Journal:
    journal = Journal(path)
    for event in events:
        journal.emit(event)
    return journal


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Observation):
        return {name: plain(item) for name, item in vars(value).items()}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", JOURNALS)
def test_what_a_line_leaves_out_is_there_when_it_is_read(name: str, tmp_path: Path) -> None:
    journal = written(tmp_path / "journal.jsonl", JOURNALS[name])
    for event, line in zip(JOURNALS[name], journal.lines(), strict=True):
        wanted = plain({"step": event.step, "event": event.name, **event.content})
        assert line.keys() == wanted.keys() | {"at"}
        when = {key: str(line[key]) for key in ("at", "started_at") if key in line}
        assert line == {**wanted, **when}
        assert all(datetime.fromisoformat(text) for text in when.values())


def test_a_statement_began_when_its_beginning_was_written(tmp_path: Path) -> None:
    journal = written(tmp_path / "journal.jsonl", JOURNALS["one after the other"])
    first, end, *_ = journal.lines()
    assert end["started_at"] == first["at"]


def test_what_can_be_known_is_not_written(tmp_path: Path) -> None:
    journal = written(tmp_path / "journal.jsonl", JOURNALS["one after the other"])
    text = journal.path.read_text(encoding="utf-8")
    assert text.count(FIRST.path) == 1
    assert "null" not in text and '""' not in text


def test_from_an_event_on_a_journal_is_whole(tmp_path: Path) -> None:
    events = [started(STEP, FIRST), ended(run_of(FIRST)), Event(BEGAN, STEP, {"pid": 7})]
    journal = written(tmp_path / "journal.jsonl", [*events, started(STEP, SECOND)])
    assert [line.get("path") for line in journal.since(BEGAN)] == [None, SECOND.path]


def test_another_process_begins_with_all_there_is_to_say(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, [started(STEP, FIRST)])  # and is killed
    written(path, [started(STEP, ELSEWHERE), ended(run_of(ELSEWHERE))])
    assert [line["path"] for line in Journal(path).lines()] == [FIRST.path, *[ELSEWHERE.path] * 2]


def test_lines_that_say_it_all_are_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f"{OF_FORMATS_4}\n", encoding="utf-8")
    (_, line) = Journal(path).lines()
    assert (line["line"], line["started_at"], line["sqlstate"]) == (4, "2026-01-30", "42601")
