"""The acts of 80_signoff: what was seen and what people say, the sign-off, and the seal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from runbook_lib.evidence.answers import (
    FILE,
    Answer,
    Answers,
    Line,
    Seat,
    answers_text,
    check_roles,
    read_answers,
)
from runbook_lib.evidence.approvals import Approval, minute
from runbook_lib.evidence.records import Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.signoff import Standing, asked_of, counted, read_standing
from runbook_lib.notebook.acts import check_act, one_writer
from runbook_lib.notebook.page import at_screen
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.signoff_form import Filled, SignOffForm
from runbook_lib.notebook.transcript import TRANSCRIPT


def answer_criteria(run: Run) -> Table:
    """Show each criterion of the release document beside what was observed and who answered."""
    lines = read_standing(run).lines
    measured = sum(line.measured for line in lines)
    people = sum(line.answer is not None and not line.measured for line in lines)
    caption = (
        f"{len(lines)} criteria: {measured} measured, {people} answered by people, "
        f"{len(lines) - measured - people} for a person to say"
    )
    return Table(caption, [_line_row(line) for line in lines])


def _line_row(line: Line) -> dict[str, Any]:
    said = line.answer
    return {
        "section": line.section,
        "criterion": line.text,
        "status": line.status.value,
        "observed": line.observed,
        "answer": str(said) if said else "",
        "note": "; ".join(filter(None, (said.note, said.link))) if said else "",
    }


def show_approvals(run: Run) -> Table:
    """Show the roles that approve the release, and who did: before it, or at its end."""
    seats = read_standing(run).seats
    given = sum(seat.approval is not None for seat in seats)
    return Table(f"Approvals: {given} of {len(seats)} given", [_seat_row(seat) for seat in seats])


def _seat_row(seat: Seat) -> dict[str, Any]:
    given = seat.approval
    return {
        "group": seat.group,
        "role": seat.role,
        "status": seat.status.value,
        "approved by": given.name if given else "nobody yet",
        "at": minute(given.at) if given else "",
    }


@one_writer
def sign_off(run: Run) -> Table | None:
    """Record where the sign-off stands; at a screen, take the answers and approvals besides.

    Headless, they are read from ``answers.toml`` in the run directory. What is signed off stays.
    At a screen the verdict is shown below the form, which replaces it, and not returned.
    """
    standing = read_standing(run)
    if run.passed("signoff"):
        return _verdict(standing)
    check_act(run, "signoff")
    _record(run, standing)
    if not at_screen():
        return _verdict(standing)
    SignOffForm(standing, lambda filled: take(run, filled)).show(_verdict(standing))
    return None


@one_writer
def take(run: Run, filled: Filled) -> Sequence[Table]:
    """Keep what a person filled in, record where the sign-off stands then, and return that."""
    check_act(run, "signoff")
    asked = asked_of(run)
    before, now = read_answers(run.directory.path, asked), datetime.now(UTC)
    approvals = tuple(_approvals(filled.names, before.approval, now))
    check_roles(approvals, asked)
    answers = Answers(asked.plan, tuple(_answers(filled, before, now)), approvals)
    run.directory.write_text(FILE, answers_text(answers))
    standing = read_standing(run)
    _record(run, standing)
    return _verdict(standing), answer_criteria(run), show_approvals(run)


def _answers(filled: Filled, before: Answers, now: datetime) -> Iterator[Answer]:
    """Yield the answers of before that nobody changed, then those that somebody gives now."""
    for item in before.answer:
        if (item.section, item.criterion) not in filled.words:
            yield item
    for (section, text), word in filled.words.items():
        if word.answer:
            said = word.answer, filled.who, now, section, word.note, word.link
            yield Answer(text, *said)


def _approvals(
    names: Mapping[str, str], before: tuple[Approval, ...], now: datetime
) -> Iterator[Approval]:
    """Yield each approval, with its time of before where the name is still the same."""
    known = {item.role: item for item in before}
    for role, name in names.items():
        if role in known and known[role].name == name:
            yield known[role]
        elif name:
            yield Approval(role, name, now)


def _record(run: Run, standing: Standing) -> None:
    content = {
        "criteria": standing.lines,
        "approvals": standing.seats,
        "open": [*(line.text for line in standing.open_lines), *standing.missing],
        "left": standing.left,
        "failed": standing.failed,
    }
    run.record(standing.signed, content, left_open=not standing.failed)


def _verdict(standing: Standing) -> Table:
    """Show what the sign-off still waits for, by section, or that it is done."""
    if standing.signed:
        holds = counted(len(standing.lines), "criterion holds", "criteria hold")
        names = (f"{seat.approval.name} ({seat.role})" for seat in standing.seats if seat.approval)
        said = "; ".join(filter(None, (holds, ", ".join(names))))
        return Table(f"Signed off: {said or 'the release asks for nothing'}", [])
    rows = [{"status": Status.FAIL.value, "section": "", "what": text} for text in standing.failed]
    for section, lines in groupby(standing.open_lines, lambda line: line.section):
        rows.append(_waiting(section, [line.text for line in lines]))
    if standing.missing:
        rows.append(_waiting("Approvals", standing.missing))
    failed = f"not signed off: {len(standing.failed)} failed" if standing.failed else ""
    return Table(f"Applied, {failed or f'sign-off open: {standing.left}'}", rows)


def _waiting(section: str, names: list[str]) -> dict[str, str]:
    return {"status": Status.OPEN.value, "section": section, "what": "; ".join(names)}


@one_writer
def seal_evidence(run: Run) -> Table:
    """Write the checksums of everything in the run directory, so that an edit is seen."""
    path = run.directory.seal()
    TRANSCRIPT.seal(run.directory)
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [{"file": line[66:], "SHA-256": line[:12]} for line in lines]
    return Table(f"{len(rows)} files sealed in {path.relative_to(run.root)}", rows)
