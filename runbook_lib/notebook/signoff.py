"""The acts of 80_signoff: the checklists answered from what was seen, and the seal."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runbook_lib.evidence import approvals
from runbook_lib.evidence.approvals import Approval
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.schemas import Checked, read_record
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.transcript import TRANSCRIPT
from runbook_lib.release.model import Criterion, Role


def answer_criteria(run: Run) -> Table:
    """Answer the release document's checklists from what was seen."""
    verified = read_record(run.directory, "60_verify", Checked)
    results = {item.name: item for item in verified.checks} if verified else {}
    answers = answer(run.release.criteria, results)
    failed = [item.text for item in answers if item.status is Status.FAIL]
    run.record(not failed, {"answers": answers, "failed": failed})
    rows = [{**asdict(item), "status": item.status.value} for item in answers]
    person = sum(item.status is Status.NOT_MEASURED for item in answers)
    caption = f"{len(answers)} criteria: {len(failed)} failed, {person} for a person to say"
    return Table(caption, rows)


def show_approvals(run: Run) -> Table:
    """Show the approvals that the release document asks for, and who gave them."""
    given = approvals.read_approvals(run.directory.path).approval
    rows = roles(run.release.roles, given)
    missing = sum(row["status"] is not Status.PASS for row in rows)
    shown = [{**row, "status": row["status"].value} for row in rows]
    return Table(f"Approvals: {len(rows) - missing} of {len(rows)} given", shown)


def seal_evidence(run: Run) -> Table:
    """Write the checksums of everything in the run directory, so that an edit is seen."""
    path = run.directory.seal()
    TRANSCRIPT.seal(run.directory)
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [{"file": line[66:], "SHA-256": line[:12]} for line in lines]
    return Table(f"{len(rows)} files sealed in {path.relative_to(run.root)}", rows)


@dataclass(frozen=True)
class Answer:
    """Hold one line of a checklist and what answers it."""

    section: str
    text: str
    status: Status
    seen: str


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
