"""A forge can read the findings, and shows each on the line of the file that it has."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runbook_lib.checks.sarif import as_sarif
from runbook_lib.findings import Finding, Severity
from runbook_lib.release.model import Release
from tests.support.releases import release_of

FOUND = Finding(
    "reading",
    "check-validated",
    Severity.WARNING,
    "release/0001 a/migration.sql",
    2,
    "Every row of t (5 rows) is checked.",
    "Waits.",
    "Validate later.",
    was="ALTER TABLE t ADD CHECK (n > 0)",
    safe=(("ALTER TABLE t ADD CHECK (n > 0) NOT VALID",),),
)
_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"],
    "properties": {
        "id": {"type": "string"},
        "shortDescription": _TEXT,
        "fullDescription": _TEXT,
        "help": _TEXT,
        "helpUri": {"type": "string"},
        "defaultConfiguration": {"type": "object", "properties": {"level": _LEVEL}},
    },
    "additionalProperties": False,
}
_LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {
                        "uri": {"type": "string", "pattern": r"^[^/\\ ][^\\ ]*$"},
                        "uriBaseId": {"type": "string"},
                    },
                    "additionalProperties": False,
                },
                "region": {
                    "type": "object",
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        }
    },
}
_RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": _LEVEL,
        "message": _TEXT,
        "locations": {"type": "array", "minItems": 1, "items": _LOCATION},
        "properties": {"type": "object"},
        "suppressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kind"],
                "properties": {
                    "kind": {"enum": ["inSource", "external"]},
                    "justification": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
# Of the schema of SARIF 2.1.0, as OASIS has it, what is used here.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "version", "rules"],
                                "properties": {"rules": {"type": "array", "items": _RULE}},
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": _RESULT},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_of(tmp_path / "repository" / "db", {"0001 a": "SELECT 1"})


def written(release: Release, *findings: Finding) -> dict[str, Any]:
    log = as_sarif(findings, release, "1.0", release.root.parent.parent)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    return {"rules": run["tool"]["driver"]["rules"], "results": run["results"]}


def test_a_finding_is_a_result_with_its_rule_its_line_and_the_safe_form(release: Release) -> None:
    log = written(release, FOUND, replace(FOUND, rule="drops-rows", severity=Severity.ERROR))
    first, second = log["results"]
    assert [rule["id"] for rule in log["rules"]] == ["check-validated", "drops-rows"]
    assert log["rules"][0]["helpUri"] == "docs/rules/check-validated.md"
    assert (first["level"], first["ruleIndex"]) == ("warning", 0)
    assert (second["level"], second["ruleIndex"]) == ("error", 1)
    assert "+ ALTER TABLE t ADD CHECK (n > 0) NOT VALID;" in first["message"]["text"]
    place = first["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 2}
    assert place["artifactLocation"]["uri"] == "db/release/0001%20a/migration.sql"


def test_paths_begin_at_the_repository_of_the_release(release: Release) -> None:
    (release.root.parent / ".git").mkdir()
    (result,) = written(release, FOUND)["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "release/0001%20a/migration.sql"


def test_what_is_accepted_is_suppressed_with_the_reason(release: Release) -> None:
    (result,) = written(release, replace(FOUND, accepted="closed at night"))["results"]
    assert result["suppressions"] == [{"kind": "external", "justification": "closed at night"}]


@pytest.mark.parametrize(("path", "line"), [("release", 0), ("gone.sql", 7)])
def test_what_is_of_no_file_is_shown_on_the_release(release: Release, path: str, line: int) -> None:
    (result,) = written(release, replace(FOUND, path=path, line=line))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "db/release"
