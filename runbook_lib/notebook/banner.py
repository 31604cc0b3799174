"""Show at the head of a page what it works on: the target in its colour, and how it stands."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.config.policies import Policy
from runbook_lib.evidence import approvals
from runbook_lib.evidence.at_work import running_anywhere
from runbook_lib.evidence.plans import changed
from runbook_lib.evidence.run import PHASES, Run, phase_named
from runbook_lib.notebook.show import DIGEST_SHOWN, Table, shown

_STYLE = (
    "background-color: {}; color: #ffffff; padding: 0.5em 0.8em; font-weight: 600; "
    "font-size: 1.1em; border-radius: 4px;"
)


@dataclass(frozen=True)
class Colour:
    """Hold the colour of an environment, and in words what gives it: how much its policy asks."""

    words: str
    ground: str


def colour_of(policy: Policy) -> Colour:
    """Return the colour of a policy: red where a person has to approve, amber for a rehearsal."""
    if policy.approvals.roles or policy.approvals.confirm:
        return Colour("approvals", "#a40e26")
    if policy.rehearsal.required:
        return Colour("rehearsal", "#7d4e00")
    return Colour("free", "#116329")


class OpenedRun(Run):
    """Show itself at the head of a notebook: what it works on, and where the run stands."""

    def __repr__(self) -> str:
        return _Head(self, len(self.pending())).text

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        head = _Head(self, len(self.pending()))  # the server is asked once for both
        return {"text/plain": head.text, "text/html": head.html}


@dataclass(frozen=True)
class _Head:
    """Hold what the head of a page says of a run, of which so many steps are left."""

    run: Run
    left: int

    @property
    def text(self) -> str:
        return f"{' | '.join(map(shown, self._banner()))}\n{self._table()!r}"

    @property
    def html(self) -> str:
        first, *more = (html.escape(shown(line)) for line in self._banner())
        style = _STYLE.format(colour_of(self.run.policy).ground)
        lines = "".join(f'<br><span style="font-weight: 400;">{line}</span>' for line in more)
        return f'<div style="{style}">{first}{lines}</div>{self._table()._repr_html_()}'

    def _banner(self) -> Iterator[str]:
        """Yield the lines that nobody may overlook."""
        target = self.run.target
        yield f"{self.run.environment.name.upper()}: {target.dbname} at {target.host}"
        yield ", ".join(filter(None, (self._phase(), self._step(), self.run.ended)))
        for directory, standing in running_anywhere(self.run.root):
            said = f"{standing.title}: {standing.summary(datetime.now(UTC))}"
            yield f"Running now on {directory.parent.name}, run {directory.name}: {said}"

    def _phase(self) -> str:
        names, name = [phase.name for phase in PHASES], self.run.phase
        part = f"Phase {names.index(name) + 1} of {len(PHASES)}: " if name in names else ""
        return f"{part}{phase_named(name)}"

    def _step(self) -> str:
        steps = len(self.run.plan.steps)
        if not self.left:
            return "every step is done" if steps else "no migration is pending"
        return f"step {steps - self.left + 1} of {steps} is next"

    def _table(self) -> Table:
        """Say what this notebook works on, and where the run stands."""
        run = self.run
        rows = [
            ("environment", run.environment.name),
            ("target", f"{run.target.dbname} on PostgreSQL {run.target.version}"),
            ("release", f"{run.release.title} ({len(run.release.migrations)} migrations)"),
            ("plan", f"{run.plan.digest[:DIGEST_SHOWN]}, {self._left()}"),
            ("gates", ", ".join(self._gates())),
            ("stands", run.position()),
            ("evidence", str(run.directory.path.relative_to(run.root))),
        ]
        if not run.looked() and (why := changed(run)):
            rows.insert(4, ("it is a new plan", "; ".join(why)))
        return Table(self._phase(), [{"run": name, "value": value} for name, value in rows])

    def _left(self) -> str:
        steps = len(self.run.plan.steps)
        return f"{self.left} of {steps} steps to do" if self.left else f"all {steps} steps are done"

    def _gates(self) -> Iterator[str]:
        """Yield what the migration waits for, and whether it is there for this plan."""
        run, policy = self.run, self.run.policy
        yield f"prechecks {'passed' if run.passed('prechecks') else 'not passed'}"
        yield f"backup {'taken' if run.backup() else 'not taken'}"
        if (verdict := run.verdict()) is not None:
            yield f"rehearsal {verdict['verdict']}"
        elif policy.rehearsal.required:
            yield "rehearsal not done"
        if policy.approvals.roles:
            given = approvals.read_approvals(run.directory.path)
            count = len(given.approval) if given.plan == run.plan.digest else 0
            yield f"{count} of {len(policy.approvals.roles)} approvals"
