"""A record is read back as what was written, or refused where it was edited or is another's."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.schemas import (
    RECORDS,
    Accepted,
    Checked,
    Review,
    read_record,
    schemas,
    write_schemas,
)
from runbook_lib.findings import Finding, Severity
from runbook_lib.postgres.snapshot import Change, Setting, Snapshot
from runbook_lib.release.model import Acceptance
from tests.support.projects import REPOSITORY

FOUND = Finding("reading", "rule", Severity.ERROR, "0001/migration.sql", 3, "why", "what", "how")
WHEN = datetime(2026, 1, 31, 9, tzinfo=UTC)
ACCEPTED = Acceptance("rule", "why", "0001", "t", 3, "N. N.", WHEN, "release.toml", 7)
RESULT = CheckResult("rows", Status.WARN, "3", "= 0", "look")
HEAD: dict[str, Any] = {"status": "passed", "plan": "d1e5"}
SCHEMA = Snapshot(
    {"table a": "x"}, {"pg_class/1/0": "table a"}, {"pg_class/1/0 acl": Setting("b", "")}
)
LATER = Snapshot({"table b": "x"}, {"pg_class/1/0": "table b"}, {}, ("user mappings",))


def review() -> Review:
    return Review(**HEAD, findings=(FOUND,))


@pytest.mark.parametrize(
    "content",
    [
        review(),
        Accepted(**HEAD, accepts=(ACCEPTED,)),
        Checked(**HEAD, failed=("rows",), checks=(RESULT,), schema_fingerprint="f"),
        Change.between("schema_before_1", SCHEMA, LATER),
    ],
    ids=lambda content: type(content).__name__,
)
def test_a_record_comes_back_as_it_was_written(content: Any, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write("record", content)
    found = read_record(directory, "record", type(content))
    assert found == content
    if isinstance(found, Change):
        after = found.onto(SCHEMA)  # two schemas are equal without the rest
        assert (after, after.addresses, after.settings, after.unseen) == (
            LATER,
            LATER.addresses,
            LATER.settings,
            LATER.unseen,
        )


def test_a_record_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_record(RunDirectory(tmp_path), "record", Review) is None


def change(finding: dict[str, Any], **values: Any) -> None:
    finding.update(values)


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another word": lambda record: record.update(status="done"),
    "a key is missing": lambda record: record.pop("plan"),
    "a key too many": lambda record: record.update(approved=True),
    "a number as a text": lambda record: record["findings"][0].update(line="3"),
    "a text as a number": lambda record: record["findings"][0].update(cause=3),
    "true as a number": lambda record: record["findings"][0].update(line=True),
    "an unknown severity": lambda record: record["findings"][0].update(severity="mild"),
    "an unknown key inside": lambda record: record["findings"][0].update(colour="red"),
    "a table as a list": lambda record: record.update(findings={}),
    "nothing as a text": lambda record: record["findings"][0].update(effect=None),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_record_is_refused_in_one_sentence_with_its_path(
    edit: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> None:
    directory, path = RunDirectory(tmp_path), tmp_path / "10_review.json"
    directory.write("10_review", review())
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(EvidenceError, match="The record was edited, or another version") as caught:
        read_record(directory, "10_review", Review)
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)


# --- the schemas --------------------------------------------------------------------------------


def test_the_published_schemas_are_those_of_the_types(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    published = {path.name: path.read_text() for path in (REPOSITORY / "docs/schemas").iterdir()}
    assert published == {path.name: path.read_text() for path in tmp_path.iterdir()}, "make docs"


def test_every_record_has_a_schema_that_asks_for_its_time() -> None:
    found = schemas()
    assert set(RECORDS) < set(found)
    for name in RECORDS:
        assert "recorded_at" in found[name]["required"], name
