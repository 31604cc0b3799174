"""A sign-off stands as what was measured and what people said make it, and no better."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.config.policies import SigningOff
from runbook_lib.errors import ConfigError
from runbook_lib.evidence.answers import (
    FILE,
    Answer,
    Answers,
    Asked,
    Said,
    answers_text,
    read_answers,
)
from runbook_lib.evidence.approvals import Approval
from runbook_lib.evidence.records import CheckResult, Metric, Status
from runbook_lib.evidence.signoff import Measured, Standing, check_sections, criteria, stand
from runbook_lib.release.model import Criterion, Release, Role

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
TABLES = Criterion("Success", "All tables created", "tables")
METRICS = Criterion("Performance", "Metrics in range", "", ("cpu", "p95"))
HEALTH = Criterion("Application", "Health checks pass", "")
SEAT = Criterion("Review", "Lead", "")
RELEASE = Release(
    "shop",
    "Shop",
    Path(),
    (),
    {},
    criteria=(TABLES, METRICS, HEALTH, SEAT),
    roles=(Role("DBA", "Technical"), Role("Lead", "Technical")),
)
APPROVED = (Approval("DBA", "Ann Onym", AT),)
SIGNED = (Approval("Lead", "Bo Oster", AT),)


def check(status: Status) -> CheckResult:
    return CheckResult("tables", status, "95 tables", "= 95")


def metric(name: str, value: float | None) -> Metric:
    status = Status.NOT_MEASURED if value is None else Status.WARN if value > 80 else Status.PASS
    return Metric(name, "database", value, 80.0, "%", status, "look at the APM")


def seen(tables: Status = Status.PASS, cpu: float = 3.0, p95: float | None = 9.0) -> Measured:
    metrics = {"cpu": metric("cpu", cpu), "p95": metric("p95", p95)}
    return Measured({"tables": check(tables)}, metrics)


def said(item: Criterion, answer: Said = "yes") -> Answer:
    return Answer(item.text, answer, "Cy Prus", AT, item.section)


def standing(measured: Measured, *answers: Answer, policy: SigningOff | None = None) -> Standing:
    given = Answers("d1e5", answers, SIGNED)
    return stand(RELEASE, policy or SigningOff(), measured, given, APPROVED)


def statuses(found: Standing) -> list[str]:
    return [line.status.value for line in found.lines]


@pytest.mark.parametrize(
    ("measured", "answers", "expected"),
    [
        (seen(), (), "pass pass open"),
        (seen(), (said(HEALTH),), "pass pass pass"),
        (seen(), (said(HEALTH, "not applicable"),), "pass pass pass"),
        (seen(), (said(HEALTH, "no"),), "pass pass fail"),
        (seen(cpu=99.0), (said(HEALTH),), "pass open pass"),
        (seen(p95=None), (said(HEALTH),), "pass open pass"),
        (seen(p95=None), (said(HEALTH), said(METRICS)), "pass pass pass"),
        (seen(cpu=99.0), (said(METRICS, "no"),), "pass fail open"),
        (seen(tables=Status.FAIL), (said(TABLES), said(HEALTH)), "fail pass pass"),
        (seen(tables=Status.WARN), (said(HEALTH),), "open pass pass"),
        (seen(tables=Status.NOT_MEASURED), (said(TABLES),), "pass pass open"),
        (Measured({}, {}), (), "open open open"),
    ],
)
def test_what_was_measured_answers_itself_and_people_answer_the_rest(
    measured: Measured, answers: tuple[Answer, ...], expected: str
) -> None:
    found = standing(measured, *answers)
    assert " ".join(line.status.value.replace(" ", "-") for line in found.lines) == expected
    assert found.signed == (expected == "pass pass pass")


def test_what_a_metric_showed_stands_beside_what_a_person_is_asked() -> None:
    (_, line, _) = standing(seen(p95=None)).lines
    assert line.observed == "cpu: 3.0 %, alert above 80; p95: look at the APM"


def test_a_criterion_that_is_a_role_is_answered_by_its_approval() -> None:
    assert [item.text for item in criteria(RELEASE)] == [TABLES.text, METRICS.text, HEALTH.text]
    found = standing(seen(), said(HEALTH))
    seats = [(seat.role, seat.approval, seat.before) for seat in found.seats]
    assert seats == [("DBA", APPROVED[0], True), ("Lead", SIGNED[0], False)]


def test_without_an_approval_of_each_role_a_run_is_not_signed_off() -> None:
    answers = Answers("d1e5", (said(HEALTH),))
    found = stand(RELEASE, SigningOff(), seen(), answers, APPROVED)
    assert (found.signed, found.left, found.missing) == (False, "1 approval", ["Lead"])


def test_what_is_open_is_counted() -> None:
    found = stand(RELEASE, SigningOff(), Measured({}, {}), Answers(), ())
    assert found.left == "3 criteria, 2 approvals"


def test_a_policy_asks_for_some_sections_and_other_roles() -> None:
    policy = SigningOff(sections=("Application",), roles=("Lead", "Owner"))
    found = standing(Measured({}, {}), said(HEALTH), policy=policy)
    assert statuses(found) == ["not measured", "not measured", "pass"]
    assert (found.left, found.missing) == ("1 approval", ["Owner"])


def test_a_policy_that_asks_for_a_section_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"names 'Aplication'") as caught:
        check_sections(RELEASE, SigningOff(sections=("Aplication",)))
    assert caught.value.remedy == "Did you mean 'Application'?"
    check_sections(replace(RELEASE, criteria=()), SigningOff(sections=("Aplication",)))


def test_answers_come_back_as_they_were_written(tmp_path: Path) -> None:
    odd = replace(said(HEALTH, "no"), who='Ann "A" Ü\x7f', note="two\nlines \\", link="https://x")
    given = Answers("d1e5", (odd, said(METRICS)), SIGNED)
    (tmp_path / FILE).write_text(answers_text(given), encoding="utf-8")
    asked = Asked("d1e5", RELEASE.criteria, ("DBA", "Lead"), APPROVED)
    assert read_answers(tmp_path, asked) == given


def test_without_a_file_nothing_is_answered(tmp_path: Path) -> None:
    assert read_answers(tmp_path, Asked("d1e5", (), (), ())) == Answers("d1e5")
