"""The evidence holds no secret, is whole or absent, survives a kill, and shows an edit."""

import hashlib
import html
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.approvals import Approval
from runbook_lib.evidence.directory import SUMS, RunDirectory
from runbook_lib.evidence.journal import LEDGER_ROW, Event, Journal, ended, started
from runbook_lib.evidence.records import Outcome, StatementRun
from runbook_lib.parser.statement import Statement
from runbook_lib.redaction import keep_secret
from tests.support.redactor import FORMS, SECRET

STATEMENT = Statement("0001_a/migration.sql", 7, "SELECT 1", "select", "select")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "dev", "shop")


def run_of(outcome: Outcome, line: int = 7) -> StatementRun:
    return StatementRun("0001_a", STATEMENT.path, line, "select", outcome, 0.5, NOON)


# --- secrets ------------------------------------------------------------------------------------


def test_no_file_of_a_run_holds_a_secret(directory: RunDirectory) -> None:
    keep_secret(SECRET)
    directory.write("record", {"note": [SECRET], "by": Approval("DBA", SECRET, NOON)})
    directory.write_text("report.md", f"`{SECRET}`")
    journal = Journal(directory.path / "journal.jsonl")
    journal.emit(started(SECRET, STATEMENT))
    notebook = directory.path / "10_prechecks.ipynb"
    notebook.write_text(json.dumps({"text": [SECRET, html.escape(SECRET)]}))
    directory.scrub(notebook)
    written = [path.read_text() for path in directory.path.rglob("*") if path.is_file()]
    assert len(written) == 4
    assert [form for form in FORMS.values() for text in written if form in text] == []


def test_a_scrubbed_notebook_is_still_json(directory: RunDirectory) -> None:
    keep_secret(SECRET)
    notebook = directory.path / "10_prechecks.ipynb"
    notebook.write_text(json.dumps({"text": f"{SECRET} and more"}))
    directory.scrub(notebook)
    assert json.loads(notebook.read_text()) == {"text": "*** and more"}


def test_keys_of_a_notebook_stay_and_a_text_of_many_lines_is_one(directory: RunDirectory) -> None:
    keep_secret("outputs-of-cells")
    notebook = directory.path / "10_prechecks.ipynb"
    source = ["ALTER ROLE app PASSWORD\n", "  'abc';\n", "-- outputs-of-cells"]
    notebook.write_text(json.dumps({"outputs-of-cells": 1, "source": source}))
    directory.scrub(notebook)
    assert json.loads(notebook.read_text()) == {
        "outputs-of-cells": 1,
        "source": ["ALTER ROLE app PASSWORD\n", "  '***';\n", "-- ***"],
    }


def test_a_notebook_without_secrets_keeps_its_bytes(directory: RunDirectory) -> None:
    notebook = directory.path / "10_prechecks.ipynb"
    notebook.write_text('{"b":1,"a":["x\\n"]}')
    directory.scrub(notebook)
    assert notebook.read_text() == '{"b":1,"a":["x\\n"]}'


def test_a_notebook_that_a_kill_cut_short_is_scrubbed_as_text(directory: RunDirectory) -> None:
    keep_secret(SECRET)
    notebook = directory.path / "10_prechecks.ipynb"
    notebook.write_text(json.dumps({"text": SECRET})[:-1])
    directory.scrub(notebook)
    assert notebook.read_text() == '{"text": "***"'


# --- records ------------------------------------------------------------------------------------


def test_a_record_comes_back_with_its_time(directory: RunDirectory) -> None:
    directory.write("record", {"path": Path("a/b"), "at": NOON, "set": {1}, "run": STATEMENT})
    found = directory.read("record")
    assert found is not None
    assert datetime.fromisoformat(found["recorded_at"]).tzinfo is not None
    assert (found["path"], found["set"], found["run"]["line"]) == ("a/b", [1], 7)


def test_a_record_that_was_never_written_is_none(directory: RunDirectory) -> None:
    assert directory.read("record") is None


@pytest.mark.parametrize("damage", ['{"half": ', "", "\x00\x00", "[1]"])
def test_a_damaged_record_is_refused(directory: RunDirectory, damage: str) -> None:
    (directory.path / "record.json").write_text(damage)
    with pytest.raises(EvidenceError, match=r"record\.json"):
        directory.read("record")


def test_a_record_is_written_whole_or_not_at_all(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write("record", {"first": True})
    before = (directory.path / "record.json").read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(EvidenceError, match="No space left"):
        directory.write("record", {"second": "x" * 100_000})
    assert (directory.path / "record.json").read_bytes() == before
    monkeypatch.undo()


def test_a_write_that_failed_leaves_nothing_besides(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(EvidenceError):
        directory.write("record", {"second": True})
    assert [path.name for path in directory.path.iterdir()] == []


def test_runs_are_listed_oldest_first_and_only_with_a_plan(tmp_path: Path) -> None:
    made = [RunDirectory.create(tmp_path, "dev", "shop")]
    while len(made) < 3:  # a name holds its millisecond
        found = RunDirectory(made[0].path.with_name(f"20990101_00000{len(made)}_000_shop"))
        found.path.mkdir()
        made.append(found)
    for item in made[:2]:
        item.write("plan", {})
    assert RunDirectory.all(tmp_path, "dev", "shop") == made[:2]


def test_the_runs_of_another_release_are_not_this_ones(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "dev", "web-shop").write("plan", {})
    assert RunDirectory.all(tmp_path, "dev", "shop") == []


# --- the journal --------------------------------------------------------------------------------


def test_a_last_line_that_a_kill_cut_short_is_passed_over(directory: RunDirectory) -> None:
    journal = Journal(directory.path / "journal.jsonl")
    journal.emit(started("0001_a", STATEMENT))
    journal.emit(ended(run_of(Outcome.DONE)))
    text = journal.path.read_text(encoding="utf-8")
    journal.path.write_text(text[:-20], encoding="utf-8")
    assert [line["event"] for line in journal.lines()] == ["started"]


def test_what_is_written_behind_a_cut_line_is_read(directory: RunDirectory) -> None:
    journal = Journal(directory.path / "journal.jsonl")
    journal.emit(started("0001_a", STATEMENT))
    with journal.path.open("a") as file:
        file.write('{"at": "2026-01-31", "eve')
    Journal(journal.path).emit(ended(run_of(Outcome.DONE)))  # of the next process
    assert [line["event"] for line in journal.lines()] == ["started", "ended"]


def test_a_journal_cut_inside_a_letter_is_read(directory: RunDirectory) -> None:
    journal = Journal(directory.path / "journal.jsonl")
    journal.emit(started("0001_a", STATEMENT))
    with journal.path.open("ab") as file:
        file.write('{"step": "ü'.encode()[:-1])
    assert [line["event"] for line in journal.lines()] == ["started"]


def test_a_journal_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert list(Journal(tmp_path / "journal.jsonl").lines()) == []


def test_the_last_end_of_a_statement_is_what_counts(directory: RunDirectory) -> None:
    journal = Journal(directory.path / "journal.jsonl")
    journal.emit(ended(run_of(Outcome.FAILED)))
    journal.emit(ended(run_of(Outcome.DONE, line=9)))
    journal.emit(ended(run_of(Outcome.DONE)))
    assert [(run["line"], run["outcome"]) for run in journal.runs()] == [(7, "done"), (9, "done")]


def test_lines_are_read_from_the_last_of_an_event_on(directory: RunDirectory) -> None:
    journal = Journal(directory.path / "journal.jsonl")
    assert journal.since("begun") == []
    for name, text in (("begun", "1"), ("x", "2"), ("begun", "3"), ("x", '"event": "begun"')):
        journal.emit(Event(name, "a step", {"text": text}))
    assert [line["text"] for line in journal.since("begun")] == ["3", '"event": "begun"']
    assert journal.since("never") == []


def test_the_ledger_rows_a_run_began_are_remembered(directory: RunDirectory) -> None:
    journal = Journal(directory.path / "journal.jsonl")
    journal.emit(Event(LEDGER_ROW, "0001_a", {"id": "id-1"}))
    journal.emit(Event(LEDGER_ROW, "0002_b", {"id": "id-2"}))
    assert set(journal.own_rows()) == {"id-1", "id-2"}


# --- the seal -----------------------------------------------------------------------------------


def broken(directory: RunDirectory) -> list[str]:
    """Return the files whose bytes are not what the seal says, as ``sha256sum -c`` does."""
    sums = (directory.path / SUMS).read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in sums)}
    return [
        name
        for name, digest in listed.items()
        if hashlib.sha256((directory.path / name).read_bytes()).hexdigest() != digest
    ]


def sealed(directory: RunDirectory) -> RunDirectory:
    directory.write("record", {"a": 1})
    (directory.path / "below").mkdir()
    (directory.path / "below" / "a b.ipynb").write_text("{}")
    directory.seal()
    return directory


def test_a_seal_covers_every_file(directory: RunDirectory) -> None:
    sums = (sealed(directory).path / SUMS).read_text()
    assert [line.split("  ", 1)[1] for line in sums.splitlines()] == [
        "below/a b.ipynb",
        "record.json",
    ]
    assert broken(directory) == []


def test_an_edit_breaks_the_seal(directory: RunDirectory) -> None:
    record = sealed(directory).path / "record.json"
    record.write_text(record.read_text().replace("1", "2", 1))
    assert broken(directory) == ["record.json"]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_sha256sum_agrees(directory: RunDirectory) -> None:
    argv = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
    done = subprocess.run(argv, cwd=sealed(directory).path, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_second_seal_does_not_cover_the_first(directory: RunDirectory) -> None:
    sealed(directory).seal()
    assert broken(directory) == []
