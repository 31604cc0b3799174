"""What a person fills in is handed over as it was typed, and what cannot be is said beside it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runbook_lib.errors import ConfigError
from runbook_lib.evidence.answers import Answer, Line, Seat
from runbook_lib.evidence.approvals import Approval
from runbook_lib.evidence.records import Status
from runbook_lib.evidence.signoff import Standing
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.signoff_form import Filled, SignOffForm, Word

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
OPEN = Line("Application", "Health checks pass", Status.OPEN, "for a person to say", False)
GIVEN = Answer("Users told", "yes", "Ann Onym", AT, "Before", "by mail")
TOLD = Line("Before", "Users told", Status.PASS, "for a person to say", False, GIVEN)
TABLES = Line("Success", "All tables created", Status.PASS, "tables: 95", True)
EARLY = Seat("Review", "DBA", Status.PASS, Approval("DBA", "Ann Onym", AT), before=True)
LEAD = Seat("Review", "Lead", Status.OPEN)
HEALTH, USERS = ("Application", "Health checks pass"), ("Before", "Users told")


class Desk:
    """Hold a form and what it handed over."""

    def __init__(self) -> None:
        self.filled: list[Filled] = []
        self.form = SignOffForm(Standing((OPEN, TOLD, TABLES), (EARLY, LEAD)), self.save)

    def save(self, filled: Filled) -> list[Table]:
        self.filled.append(filled)
        return [Table("verdict", []), Table("approvals", [])]

    def press(self, who: str = "Cy Prus") -> str:
        self.form.who.value = who
        self.form.button.click()
        return str(self.form.said.value)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_was_measured_or_approved_before_is_not_asked(desk: Desk) -> None:
    assert list(desk.form.rows) == [HEALTH, USERS]
    assert list(desk.form.names) == ["Lead"]


def test_only_what_a_person_changed_is_that_persons_word(desk: Desk) -> None:
    desk.form.rows[HEALTH].answer.value = "yes"
    desk.form.rows[HEALTH].note.value = " all green "
    desk.form.names["Lead"].value = "Bo Oster"
    assert desk.press() == "Recorded. <p><strong>approvals</strong></p>"
    desk.form.rows[USERS].answer.value = "no"
    desk.press("Di Dactic")
    first, second = desk.filled
    assert first == Filled("Cy Prus", {HEALTH: Word("yes", "all green")}, {"Lead": "Bo Oster"})
    assert second == replace(first, who="Di Dactic", words={USERS: Word("no", "by mail")})


def test_answers_of_nobody_are_not_taken(desk: Desk) -> None:
    desk.form.rows[HEALTH].answer.value = "yes"
    assert "Type your name" in desk.press(" ")
    assert desk.filled == []


def test_a_note_without_an_answer_is_not_dropped_in_silence(desk: Desk) -> None:
    desk.form.rows[HEALTH].note.value = "slow"
    assert "&#x27;Health checks pass&#x27; has a note or a link, and no answer" in desk.press()
    assert desk.filled == []


def test_what_is_refused_is_said_beside_the_button_and_acts_on_no_screen(desk: Desk) -> None:
    def refuse(filled: Filled) -> list[Table]:
        raise ConfigError(f"{filled.who} approves twice.")

    form = SignOffForm(Standing((), (LEAD,)), refuse)
    form.who.value = "<script>alert(1)</script>"
    form.button.click()
    assert form.said.value.startswith("<strong>Not recorded.</strong> ")
    assert "<script>" not in form.said.value
