"""The act of approving: shown, taken in JupyterLab, read from a file when headless."""

from datetime import UTC, datetime

from runbook_lib.evidence.approvals import FILE, Approvals, approvals_text, read_approvals
from runbook_lib.evidence.records import Approval, Status
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.show import Table, approval_form

_SHORT = 12  # of a digest's 64 digits


def approve(run: Run) -> Table:
    """Show which approvals and confirmation the policy asks for; in JupyterLab, take them.

    Headless, they are read from ``approvals.toml`` in the run directory.
    """
    policy, dbname = run.policy, run.target.dbname
    if not policy.approvals and not policy.confirm:
        return Table(f"No approval is asked for on {run.environment.name}", [])
    before = _valid_approvals(run)

    def save(confirm: str, names: dict[str, str]) -> Table:
        now = datetime.now(UTC)
        known = {item.role: item for item in before.given}
        approvals = [
            known[role]
            if role in known and known[role].name == name
            else Approval(role, name.strip(), now)
            for role, name in names.items()
            if name.strip()
        ]
        text = approvals_text(run.plan.digest, confirm, approvals)
        run.directory.write_text(FILE, text)
        return _approvals(run)

    given = {item.role: item.name for item in before.given}
    names = {role: given.get(role, "") for role in policy.approvals}
    approval_form(names, dbname, before.confirm, save)
    return _approvals(run)


def _valid_approvals(run: Run) -> Approvals:
    """Return what was given for exactly this plan."""
    found = read_approvals(run.directory.path)
    return found if found.plan == run.plan.digest else Approvals("", "", ())


def _approvals(run: Run) -> Table:
    found = _valid_approvals(run)
    given = {item.role: f"{item.name}, {item.at:%Y-%m-%d %H:%M %Z}" for item in found.given}
    wanted = {role: given.get(role, "") for role in run.policy.approvals}
    if run.policy.confirm:
        typed = found.confirm if found.confirm == run.target.dbname else ""
        wanted["typed confirmation"] = typed
    missing = sum(not value for value in wanted.values())
    rows = [
        {"approval": name, "status": (Status.PASS if value else Status.WARN).value, "given": value}
        for name, value in wanted.items()
    ]
    state = f"{missing} missing" if missing else "complete"
    return Table(f"Approvals for the plan {run.plan.digest[:_SHORT]}: {state}", rows)
