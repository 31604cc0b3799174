"""Write findings as SARIF 2.1.0, by which a forge shows each on its line (OASIS, SARIF 2.1.0)."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runbook_lib.checks.review import RULES, page_of
from runbook_lib.findings import Finding, Severity
from runbook_lib.hazards.data_loss import EFFECTS
from runbook_lib.release.model import Release

FINDINGS = "findings.sarif"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_PAGES = "docs/rules"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_sarif(
    findings: Iterable[Finding], release: Release, version: str, outside: Path
) -> dict[str, Any]:
    """Return findings as one SARIF log.

    Paths begin at the repository that the release is in, or at ``outside`` where it is in none.
    """
    kept = list(findings)
    names = list(dict.fromkeys(item.rule for item in kept))
    root = _repository(release.root, outside)
    driver = {
        "name": "migration-runbook",
        "version": version,
        "rules": [_rule(name, kept) for name in names],
    }
    results = [_result(item, names.index(item.rule), release, root) for item in kept]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _repository(release: Path, outside: Path) -> Path:
    repositories = (path for path in (release, *release.parents) if (path / ".git").exists())
    otherwise = outside if release.is_relative_to(outside) else release.parent
    return next(repositories, otherwise)


def _rule(name: str, findings: Iterable[Finding]) -> dict[str, Any]:
    first = next(item for item in findings if item.rule == name)
    rule = RULES.get(name)
    said = {
        "id": name,
        "shortDescription": {"text": rule.condition if rule else name.replace("-", " ")},
        "fullDescription": {"text": rule.effect if rule else EFFECTS.get(name, first.effect)},
        "help": {"text": rule.remedy if rule else first.remedy},
        "defaultConfiguration": {"level": _LEVELS[rule.severity if rule else first.severity]},
    }
    page = page_of(name, _PAGES)
    return {**said, "helpUri": page} if page else said


def _result(item: Finding, index: int, release: Release, root: Path) -> dict[str, Any]:
    said = f"{item.cause} {item.effect} {item.remedy}"
    safely = f"\n\nSafely:\n{item.diff}" if item.diff else ""
    found: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": index,
        "level": _LEVELS[item.severity],
        "message": {"text": f"{said}{safely}"},
        "locations": [{"physicalLocation": _place(item, release, root)}],
        "properties": {"phase": item.phase, "sqlstate": item.sqlstate, "follows": item.follows},
    }
    if item.accepted:
        found["suppressions"] = [{"kind": "external", "justification": item.accepted}]
    return found


def _place(item: Finding, release: Release, root: Path) -> dict[str, Any]:
    path = next(_files(item.path, release), release.root)
    within = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    return {
        "artifactLocation": {"uri": quote(within.as_posix()), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": max(item.line, 1)},
    }


def _files(path: str, release: Release) -> Iterator[Path]:
    """Yield the file that a finding names, which begins with the name of its release."""
    for root in (release.root.parent, release.root):
        if (root / path).is_file():
            yield root / path
