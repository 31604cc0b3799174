"""The acts before anything changes: brief, prechecks, backup, rehearsal."""

from dataclasses import asdict
from datetime import UTC, datetime

from runbook_lib import backup as backups
from runbook_lib import prechecks, rehearsal, shell, signoff
from runbook_lib.apply import Applier
from runbook_lib.archive import scratch_database
from runbook_lib.database import Database
from runbook_lib.display import Chart, Progress, Table, approval_form
from runbook_lib.errors import GateError
from runbook_lib.evidence import Journal
from runbook_lib.observed import Approval, Status
from runbook_lib.report import duration, size
from runbook_lib.run import Run
from runbook_lib.targets import embedded_server
from runbook_lib.work import Recorder, carry_out, chart_steps, checked, count_statements

_SHORT = 12  # of a digest's 64 digits


def show_release(run: Run) -> Table:
    """Show the release: one row per migration, as it is listed."""
    rows = [
        {
            "no.": item.declared.number or place,
            "migration": item.name,
            "purpose": item.declared.purpose,
            "risk": item.declared.risk,
            "estimate": item.declared.estimate,
            "tables": sum(created.kind == "table" for created in item.creates),
            "indexes": sum(created.kind == "index" for created in item.creates),
            "foreign keys": sum(len(statement.relations) for statement in item.statements),
            "statements": len(item.statements),
        }
        for place, item in enumerate(run.release.migrations, start=1)
    ]
    return Table(f"{run.release.title}: {len(rows)} migrations as listed", rows)


def show_plan(run: Run) -> Table:
    """Show the steps of the plan in the order they run, with the reason for each place."""
    listed = [item.name for item in run.release.migrations]
    rows = [
        {
            "step": place,
            "listed": str(listed.index(step.name) + 1) if step.name in listed else "",
            "what": step.kind.value,
            "name": step.name,
            "why": step.why,
        }
        for place, step in enumerate(run.plan.steps, start=1)
    ]
    moved = "; ".join(f"{item.migration} runs behind {item.behind}" for item in run.plan.moved)
    caption = f"The plan: {len(rows)} steps, {len(run.plan.applied)} migrations applied before"
    run.record(True, {"release": run.release.title, "steps": rows})
    return Table(f"{caption}. {moved or 'The listed order holds'}.", rows)


def check_target(run: Run) -> Table:
    """Look at the target, read only, and show everything found at once."""
    with Progress("Prechecks", 1), run.database.connect() as connection:
        results = prechecks.run_prechecks(
            connection, run.target, run.release, run.plan, run.policy, run.root
        )
    return checked(run, "Prechecks", results, {})


def take_backup(run: Run) -> Table:
    """Dump the database, read the dump back, and show what it holds; a run takes one backup."""
    made = run.backup()
    if made is None:
        if len(run.pending()) != len(run.plan.steps):
            message = "Steps of this plan are done already: a backup now would not be from before."
            raise GateError(message, remedy="Use the backup of the earlier run.")
        with Progress("Backup", 1):
            made = backups.take_backup(run.database, run.target, run.root / "backups", shell.run)
        content = {**asdict(made), "path": made.path.relative_to(run.root)}
        run.record(True, {"backup": content})
    rows = [
        ("file", f"{made.path.relative_to(run.root)} (mode 0600)"),
        ("size", size(made.size)),
        ("took", duration(made.seconds)),
        ("SHA-256", made.sha256),
        ("read back", f"{made.entries} entries by pg_restore --list"),
        ("taken with", made.tool),
        ("WAL position", made.lsn),
        ("schema fingerprint", made.schema_fingerprint[:_SHORT]),
        ("rows", f"{sum(made.rows.values()):,} in {len(made.rows)} tables"),
    ]
    caption = f"The backup of {made.dbname} is complete and readable"
    return Table(caption, [{"property": name, "value": value} for name, value in rows])


def rehearse(run: Run) -> Table:
    """Restore the backup into a scratch database, carry the plan out there, show what came."""
    made = run.backup()
    if made is None:
        raise GateError("There is no backup to rehearse on.", remedy="Run 20_backup.ipynb first.")
    total = sum(count_statements(run, step) for step in run.plan.steps)
    journal = Journal(run.directory.path / "rehearsal.jsonl")
    server = embedded_server(run.root)
    with Progress("Rehearsal", total) as progress:
        recorder = Recorder(journal, progress)
        progress.at("restoring the backup")

        def carry_plan_out(database: Database) -> None:
            applier = Applier(database, run.policy, recorder)
            for step in run.plan.steps:
                carry_out(run, applier, step)

        with scratch_database(server, f"rehearsal_{run.target.dbname}") as scratch:
            seen = rehearsal.rehearse(scratch, run.target.major, made, shell.run, carry_plan_out)
    run.record(seen.passed, {"rehearsal": asdict(seen), "error": seen.failure})
    applied = seen.failure or duration(seen.apply_seconds)
    rows = [
        _outcome("the backup restores", True, duration(seen.restore_seconds)),
        _outcome("its schema is the source's", seen.same_schema, made.schema_fingerprint[:_SHORT]),
        _outcome("its rows are the source's", seen.same_rows, f"{sum(made.rows.values()):,} rows"),
        _outcome("the plan applies", not seen.failure, applied),
    ]
    caption = "Rehearsed on the restored backup" if seen.passed else "The rehearsal failed"
    return Table(caption, rows)


def _outcome(name: str, good: bool, observed: str) -> dict[str, str]:
    status = Status.PASS if good else Status.FAIL
    return {"what": name, "status": status.value, "observed": observed}


def chart_rehearsal(run: Run) -> Chart:
    """Draw how long the statements of each step took in the rehearsal."""
    journal = Journal(run.directory.path / "rehearsal.jsonl")
    return chart_steps(run, journal, "Rehearsed on today's data, the statements take {total}")


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
        text = signoff.approvals_text(run.plan.digest, confirm, approvals)
        run.directory.write_text(signoff.FILE, text)
        return _approvals(run)

    given = {item.role: item.name for item in before.given}
    names = {role: given.get(role, "") for role in policy.approvals}
    approval_form(names, dbname, before.confirm, save)
    return _approvals(run)


def _valid_approvals(run: Run) -> signoff.Approvals:
    """Return what was given for exactly this plan."""
    found = signoff.read_approvals(run.directory.path)
    return found if found.plan == run.plan.digest else signoff.Approvals("", "", ())


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
