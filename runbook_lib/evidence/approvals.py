"""Answer the release document's checklists from what was seen, and read the approvals."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import ConfigError, GateError
from runbook_lib.evidence.records import Approval, CheckResult, Status
from runbook_lib.policy import Policy
from runbook_lib.release.model import Criterion, Role

FILE = "approvals.toml"


@dataclass(frozen=True)
class Answer:
    """Hold one line of a checklist and what answers it."""

    section: str
    text: str
    status: Status
    seen: str


@dataclass(frozen=True)
class Approvals:
    """Hold what people said about one plan: the typed confirmation and who approved."""

    plan: str
    confirm: str
    given: tuple[Approval, ...]


def read_approvals(directory: Path) -> Approvals:
    """Read ``approvals.toml`` of a run; raises ConfigError for a malformed one."""
    path = directory / FILE
    if not path.is_file():
        return Approvals("", "", ())
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        given = tuple(Approval(**item) for item in data.get("approval", ()))
        if not all(isinstance(item.at, datetime) for item in given):
            raise TypeError("'at' is not a date with a time")
    except (tomllib.TOMLDecodeError, TypeError) as error:
        message = f"The approvals cannot be read: {error}."
        raise ConfigError(message, path=path, remedy=f"Instead, {_FORM}") from error
    return Approvals(str(data.get("plan", "")), str(data.get("confirm", "")), given)


_FORM = (
    'write plan = "<plan digest>", confirm = "<database name>" and, for each role, '
    '[[approval]] with role = "...", name = "..." and at = 2026-01-31T09:00:00Z.'
)


def check_approvals(directory: Path, policy: Policy, plan_digest: str, dbname: str) -> None:
    """Refuse to go on without the approvals and the confirmation that the policy asks for.

    They are bound to the plan's digest: one changed byte voids them. Raises GateError that names
    everything that is missing.
    """
    if not policy.approvals and not policy.confirm:
        return
    approvals = read_approvals(directory)
    present = {item.role for item in approvals.given if item.name.strip()}
    missing = [f"the approval of the {role}" for role in policy.approvals if role not in present]
    if policy.confirm and approvals.confirm != dbname:
        missing.append("the typed confirmation of the database's name")
    if approvals.plan != plan_digest:
        missing.append("the digest of this plan")
    if missing:
        message = f"{FILE} of this run lacks {', '.join(missing)}."
        remedy = f"Give them in 30_rehearsal.ipynb, or: {_FORM} The plan digest is {plan_digest}."
        raise GateError(message, remedy=remedy)


def approvals_text(plan_digest: str, dbname: str, given: Iterable[Approval]) -> str:
    """Return the text of ``approvals.toml``."""
    lines = [f"plan = {_quoted(plan_digest)}", f"confirm = {_quoted(dbname)}", ""]
    for item in given:
        lines += [
            "[[approval]]",
            f"role = {_quoted(item.role)}",
            f"name = {_quoted(item.name)}",
            f"at = {item.at.isoformat(timespec='seconds')}",
            "",
        ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)


def answer(criteria: Iterable[Criterion], checks: Mapping[str, CheckResult]) -> tuple[Answer, ...]:
    """Answer each criterion from its check; what only a person can say is said to be so."""
    answers = []
    for item in criteria:
        result = checks.get(item.check)
        if result is None:
            seen = "for a person to say"
            answers.append(Answer(item.section, item.text, Status.NOT_MEASURED, seen))
        else:
            seen = f"{item.check}: {result.observed}"
            answers.append(Answer(item.section, item.text, result.status, seen))
    return tuple(answers)


def roles(roles_wanted: Iterable[Role], given: Iterable[Approval]) -> list[dict[str, Any]]:
    """Return one row per role of the document: who approved, and when."""
    by_role = {item.role: item for item in given}
    rows = []
    for role in roles_wanted:
        found = by_role.get(role.name)
        rows.append(
            {
                "group": role.group,
                "role": role.name,
                "status": Status.PASS if found else Status.NOT_MEASURED,
                "approved by": found.name if found else "nobody yet",
                "at": f"{found.at:%Y-%m-%d %H:%M %Z}" if found else "",
            }
        )
    return rows
