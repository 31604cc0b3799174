"""Say where the sign-off of a run stands: what was measured, what people said, what is open."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.config.policies import SigningOff
from runbook_lib.errors import ConfigError
from runbook_lib.evidence.answers import Answer, Answers, Asked, Line, Seat, meant, read_answers
from runbook_lib.evidence.approvals import Approval, read_approvals
from runbook_lib.evidence.records import CheckResult, Metric, Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.schemas import Checked, SignedOff, Watched, read_record
from runbook_lib.release.model import Criterion, Release, Role

_PERSON = "for a person to say"
_OF_METRIC = {Status.PASS: Status.PASS, Status.WARN: Status.OPEN}


@dataclass(frozen=True)
class Standing:
    """Hold each criterion and each role of a sign-off as they stand."""

    lines: tuple[Line, ...]
    seats: tuple[Seat, ...]

    @property
    def failed(self) -> list[str]:
        """Name the criteria that do not hold."""
        return [_failure(line) for line in self.lines if line.status is Status.FAIL]

    @property
    def open_lines(self) -> list[Line]:
        """Return the criteria that the policy asks for and that nothing and nobody answered."""
        return [line for line in self.lines if line.status is Status.OPEN]

    @property
    def missing(self) -> list[str]:
        """Name the roles whose approval is missing."""
        return [seat.role for seat in self.seats if seat.status is Status.OPEN]

    @property
    def signed(self) -> bool:
        """Tell whether the run is signed off."""
        return not (self.failed or self.open_lines or self.missing)

    @property
    def left(self) -> str:
        """Say how much is open, empty where nothing is."""
        lines = counted(len(self.open_lines), "criterion", "criteria")
        roles = counted(len(self.missing), "approval", "approvals")
        return ", ".join(filter(None, (lines, roles)))


def counted(number: int, one: str, many: str) -> str:
    """Write a number with its noun, nothing for none."""
    return f"{number} {one if number == 1 else many}" if number else ""


def read_standing(run: Run) -> Standing:
    """Read where the sign-off of a run stands: by its record, once it is signed off.

    Raises ConfigError for answers that cannot be right.
    """
    if run.passed("signoff") and (found := read_record(run.directory, "80_signoff", SignedOff)):
        return Standing(found.criteria, found.approvals)
    answers = read_answers(run.directory.path, asked_of(run))
    verified = read_record(run.directory, "60_verify", Checked)
    watched = read_record(run.directory, "70_monitor", Watched) if run.passed("monitor") else None
    measured = Measured(
        {item.name: item for item in verified.checks} if verified else {},
        {item.name: item for item in watched.metrics} if watched else {},
    )
    return stand(run.release, run.policy.signoff, measured, answers, _approved(run))


def asked_of(run: Run) -> Asked:
    """Return what the answers of a run are held against."""
    release, policy = run.release, run.policy.signoff
    check_sections(release, policy)
    roles = [role.name for role in _roles(release, policy)]
    return Asked(run.plan.digest, criteria(release), roles, _approved(run))


def check_sections(release: Release, policy: SigningOff) -> None:
    """Refuse a policy that asks for a section which the release's checklists do not have."""
    there = list(dict.fromkeys(item.section for item in release.criteria))
    for name in policy.sections if there else ():
        if name not in there:
            message = f"policy.signoff.sections names '{name}', which the release does not have."
            raise ConfigError(message, path="environments.toml", remedy=meant(name, there))


def _approved(run: Run) -> tuple[Approval, ...]:
    """Return the approvals that were given for exactly this plan, before it was carried out."""
    found = read_approvals(run.directory.path)
    return found.approval if found.plan == run.plan.digest else ()


@dataclass(frozen=True)
class Measured:
    """Hold what 60_verify and 70_monitor observed, by name."""

    checks: Mapping[str, CheckResult]
    metrics: Mapping[str, Metric]


def stand(
    release: Release,
    policy: SigningOff,
    measured: Measured,
    answers: Answers,
    approved: Sequence[Approval],
) -> Standing:
    """Hold what is asked for against what was measured and said."""
    said = {(item.section, item.criterion): item for item in answers.answer}
    early = {item.role: item for item in approved}
    late = {item.role: item for item in answers.approval}
    lines = (
        _line(item, policy, measured, said.get((item.section, item.text)))
        for item in criteria(release)
    )
    seats = (
        _seat(role, early.get(role.name), late.get(role.name)) for role in _roles(release, policy)
    )
    return Standing(tuple(lines), tuple(seats))


def criteria(release: Release) -> tuple[Criterion, ...]:
    """Return the lines of the checklists but for those that only ask for a role's approval."""
    roles = {role.name for role in release.roles}
    return tuple(item for item in release.criteria if item.text not in roles)


def _roles(release: Release, policy: SigningOff) -> tuple[Role, ...]:
    """Return who approves at the end: the roles of the policy, else those of the release."""
    groups = {role.name: role for role in release.roles}
    return tuple(groups.get(name, Role(name, "")) for name in policy.roles) or release.roles


def _line(item: Criterion, policy: SigningOff, measured: Measured, answer: Answer | None) -> Line:
    seen = tuple(_seen(item, measured))
    status, observed = _worst([found for found, _ in seen]), "; ".join(text for _, text in seen)
    if status in {Status.PASS, Status.FAIL}:
        return Line(item.section, item.text, status, observed, True, answer)
    required = not policy.sections or item.section in policy.sections
    unanswered = Status.OPEN if required else Status.NOT_MEASURED
    said = (Status.FAIL if answer.answer == "no" else Status.PASS) if answer else unanswered
    return Line(item.section, item.text, said, observed or _PERSON, False, answer)


def _worst(seen: Sequence[Status]) -> Status:
    """Return pass where all is well, fail where something is not, else that a person has to say."""
    if Status.FAIL in seen:
        return Status.FAIL
    return Status.PASS if seen and set(seen) == {Status.PASS} else Status.OPEN


def _seen(item: Criterion, measured: Measured) -> Iterator[tuple[Status, str]]:
    """Yield what was observed of a criterion, and whether that answers it."""
    if item.check:
        check = measured.checks.get(item.check)
        told = check.observed if check else "not among the checks of 60_verify"
        yield check.status if check else Status.OPEN, f"{item.check}: {told}"
    for name in item.metrics:
        metric = measured.metrics.get(name)
        found = _OF_METRIC.get(metric.status, Status.OPEN) if metric else Status.OPEN
        yield found, f"{name}: {_figure(metric)}"


def _figure(metric: Metric | None) -> str:
    if metric is None:
        return "not measured by 70_monitor"
    if metric.value is None:
        return metric.source
    limit = "" if metric.above is None else f", alert above {metric.above:g}"
    return f"{metric.value:,.1f} {metric.unit}{limit}"


def _seat(role: Role, early: Approval | None, late: Approval | None) -> Seat:
    given = early or late
    status = Status.PASS if given else Status.OPEN
    return Seat(role.group, role.name, status, given, early is not None)


def _failure(line: Line) -> str:
    return f"{line.text}: {line.observed if line.measured or not line.answer else line.answer}"
