"""Read and check the approvals of a run."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from runbook_lib.config.policies import Policy
from runbook_lib.config.setting import Setting, Text
from runbook_lib.config.toml import read_document, validated
from runbook_lib.errors import ConfigError, GateError

FILE = "approvals.toml"
_SLACK = timedelta(minutes=5)  # between two clocks


_FORM = (
    'write plan = "<plan digest>", confirm = "<database name>" and, for each role, '
    '[[approval]] with role = "...", name = "..." and at = 2026-01-31T09:00:00Z.'
)


@dataclass(frozen=True)
class Approval:
    """Hold one person's word for one plan."""

    role: Text
    name: Annotated[str, Setting("the person's name")]
    at: Annotated[datetime, Setting("when it was given")]


@dataclass(frozen=True)
class Approvals:
    """Hold what people said about one plan: the typed confirmation and who approved."""

    plan: Annotated[str, Setting("the digest of the plan")] = ""
    confirm: Annotated[str, Setting("the name of the target's database")] = ""
    approval: tuple[Approval, ...] = ()


def read_approvals(directory: Path) -> Approvals:
    """Read ``approvals.toml`` of a run; raises ConfigError for a malformed one."""
    path = directory / FILE
    if not path.exists():
        return Approvals()
    document = read_document(path, ConfigError)
    return validated(Approvals, document, document.data)


def check_approvals(
    directory: Path, policy: Policy, plan_digest: str, dbname: str, changed: Sequence[str] = ()
) -> None:
    """Refuse to go on without the approvals and the confirmation that the policy asks for.

    They are bound to the plan's digest: one changed byte voids them, and ``changed`` says what it
    was. Raises GateError that names everything that is missing.
    """
    if not policy.approvals.roles and not policy.approvals.confirm:
        return
    approvals = read_approvals(directory)
    for _, trouble in doubts(approvals.approval, policy.approvals.roles):
        message = f"{FILE} of this run cannot be right: {trouble}."
        raise GateError(message, remedy="Correct it, or give the approvals in 30_rehearsal.ipynb.")
    present = {item.role for item in approvals.approval if item.name.strip()}
    missing = [
        f"the approval of the {role}" for role in policy.approvals.roles if role not in present
    ]
    if policy.approvals.confirm and approvals.confirm != dbname:
        missing.append("the typed confirmation of the database's name")
    if approvals.plan != plan_digest:
        missing.append(f"the digest of this plan{''.join(f'; {why}' for why in changed)}")
    if missing:
        message = f"{FILE} of this run lacks {', '.join(missing)}."
        remedy = f"Give them in 30_rehearsal.ipynb, or: {_FORM} The plan digest is {plan_digest}."
        raise GateError(message, remedy=remedy)


def doubts(given: Iterable[Approval], asked: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield what no honest list of approvals holds: a role has one person, a person one role.

    ``asked`` are the roles that the policy asks for; each doubt comes with its place in the list.
    """
    roles, names = dict[str, str](), dict[str, str]()
    for place, item in enumerate(given):
        name = " ".join(item.name.split()).casefold()
        if item.role not in asked:
            yield place, f"no role of the policy is called {item.role}"
        if item.role in roles:
            yield place, f"the role {item.role} stands there twice"
        if name and name in names:
            yield place, f"{item.name} approves as {names[name]} and as {item.role}"
        if still_to_come(item.at):
            yield place, f"the approval of the {item.role} is of {minute(item.at)}, still to come"
        roles[item.role] = name
        names.setdefault(name, item.role)


def still_to_come(at: datetime) -> bool:
    """Tell whether a moment lies ahead, by more than two clocks differ."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) > datetime.now(UTC) + _SLACK


def minute(at: datetime) -> str:
    """Write a moment to the minute."""
    return f"{at:%Y-%m-%d %H:%M %Z}".strip()


def approvals_text(plan_digest: str, dbname: str, given: Iterable[Approval]) -> str:
    """Return the text of ``approvals.toml``."""
    lines = [f"plan = {quoted(plan_digest)}", f"confirm = {quoted(dbname)}", ""]
    return "\n".join([*lines, *approval_lines(given)])


def approval_lines(given: Iterable[Approval]) -> Iterator[str]:
    """Yield the lines of a table ``[[approval]]`` for each."""
    for item in given:
        yield "[[approval]]"
        yield f"role = {quoted(item.role)}"
        yield f"name = {quoted(item.name)}"
        yield f"at = {item.at.isoformat(timespec='seconds')}"
        yield ""


def quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
