"""Read and check what people answered to the checklists of a release."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from runbook_lib.config.setting import Setting, Text
from runbook_lib.config.toml import Document, read_document, validated
from runbook_lib.errors import ConfigError
from runbook_lib.evidence.approvals import FILE as APPROVALS
from runbook_lib.evidence.approvals import (
    Approval,
    approval_lines,
    doubts,
    minute,
    quoted,
    still_to_come,
)
from runbook_lib.evidence.records import Status
from runbook_lib.release.model import Criterion

FILE = "answers.toml"
_ROLES = f"Correct it: each role is one person's, here and in {APPROVALS} together."
Said = Literal["yes", "no", "not applicable"]


@dataclass(frozen=True)
class Answer:
    """Hold what one person says of one criterion; ``section`` tells two of the same words apart."""

    criterion: Annotated[Text, Setting("the criterion, in the words of the release")]
    answer: Annotated[Said, Setting("whether it holds")]
    who: Annotated[Text, Setting("who says so")]
    at: Annotated[datetime, Setting("when it was said")]
    section: Annotated[str, Setting("the section of the criterion")] = ""
    note: Annotated[str, Setting("what there is to say about it")] = ""
    link: Annotated[str, Setting("where it can be seen")] = ""

    def __str__(self) -> str:
        return f"{self.answer}, {self.who}, {minute(self.at)}"


@dataclass(frozen=True)
class Answers:
    """Hold what people said at the end of one plan: answers, and who approves."""

    plan: Annotated[str, Setting("the digest of the plan")] = ""
    answer: tuple[Answer, ...] = ()
    approval: tuple[Approval, ...] = ()


@dataclass(frozen=True)
class Asked:
    """Hold what the answers of a run are held against.

    ``approved`` is what was approved before the migration: it counts at the end as well.
    """

    plan: str
    criteria: Sequence[Criterion]
    roles: Sequence[str]
    approved: Sequence[Approval]


@dataclass(frozen=True)
class Line:
    """Hold one criterion: what was observed, and what a person said where that is not enough."""

    section: str
    text: str
    status: Status
    observed: str
    measured: bool
    answer: Answer | None = None


@dataclass(frozen=True)
class Seat:
    """Hold one role that approves the release, and who did; ``before``: the plan, not its end."""

    group: str
    role: str
    status: Status
    approval: Approval | None = None
    before: bool = False


def read_answers(directory: Path, asked: Asked) -> Answers:
    """Read ``answers.toml`` of a run, which need not be there; each answer with its section.

    Raises ConfigError with file and line for one that cannot be right.
    """
    path = directory / FILE
    if not path.exists():
        return Answers(asked.plan)
    document = read_document(path, ConfigError)
    found = validated(Answers, document, document.data)
    if found.plan != asked.plan:
        message = f'plan = "{found.plan}" is not the digest of this run\'s plan, {asked.plan}.'
        remedy = "Answers are for one plan: look at this one, then write its digest."
        raise document.mistake(("plan",), message, remedy)
    answers = tuple(
        _placed(document, at, item, asked.criteria) for at, item in enumerate(found.answer)
    )
    _refuse_twice(document, answers)
    check_roles(found.approval, asked, document)
    return replace(found, answer=answers)


def _placed(document: Document, at: int, answer: Answer, criteria: Sequence[Criterion]) -> Answer:
    """Return an answer with the section of its criterion, which has to be one of the release."""
    here = [item for item in criteria if item.text == answer.criterion]
    if not here:
        message = f"The release has no criterion '{answer.criterion}'."
        remedy = meant(answer.criterion, [item.text for item in criteria])
        raise document.mistake(("answer", at, "criterion"), message, remedy)
    sections = [item.section for item in here if answer.section in {"", item.section}]
    if not sections:
        message = f"'{answer.criterion}' is not in the section '{answer.section}'."
        remedy = meant(answer.section, [item.section for item in here])
        raise document.mistake(("answer", at, "section"), message, remedy)
    if len(sections) > 1:
        message = f"'{answer.criterion}' stands in several sections: {', '.join(sections)}."
        raise document.mistake(("answer", at, "criterion"), message, "Name the section as well.")
    if still_to_come(answer.at):
        message = f"The answer to '{answer.criterion}' is of {minute(answer.at)}, still to come."
        raise document.mistake(("answer", at, "at"), message, "Write when it was given.")
    return replace(answer, section=sections[0])


def meant(name: str, known: Sequence[str]) -> str:
    """Say which of the known names a misspelt one is close to, else which there are."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else f"Use one of: {'; '.join(known)}."


def _refuse_twice(document: Document, answers: Iterable[Answer]) -> None:
    seen = set[tuple[str, str]]()
    for at, item in enumerate(answers):
        if (item.section, item.criterion) in seen:
            message = f"'{item.criterion}' is answered twice."
            raise document.mistake(("answer", at, "criterion"), message, "Leave one answer.")
        seen.add((item.section, item.criterion))


def check_roles(given: Sequence[Approval], asked: Asked, document: Document | None = None) -> None:
    """Refuse approvals of which one person has two roles, or that nobody asks for.

    Raises ConfigError, with the line where they come from a file.
    """
    known = {*asked.roles, *(item.role for item in asked.approved)}
    for place, trouble in doubts([*asked.approved, *given], known):
        at, message = place - len(asked.approved), f"{trouble[0].upper()}{trouble[1:]}."
        misspelt = at >= 0 and given[at].role not in known
        remedy = meant(given[at].role, asked.roles) if misspelt else _ROLES
        if document is None or at < 0:
            raise ConfigError(message, path=None if at >= 0 else APPROVALS, remedy=remedy)
        raise document.mistake(("approval", at), message, remedy)


def answers_text(answers: Answers) -> str:
    """Return the text of ``answers.toml``."""
    lines = [f"plan = {quoted(answers.plan)}", ""]
    for item in answers.answer:
        lines += ["[[answer]]", f"section = {quoted(item.section)}"]
        lines += [f"criterion = {quoted(item.criterion)}", f"answer = {quoted(item.answer)}"]
        lines += [f"who = {quoted(item.who)}", f"at = {item.at.isoformat(timespec='seconds')}"]
        told = (("note", item.note), ("link", item.link))
        lines += [*(f"{key} = {quoted(text)}" for key, text in told if text), ""]
    return "\n".join([*lines, *approval_lines(answers.approval)])
