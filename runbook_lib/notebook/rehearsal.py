"""The acts of 30_rehearsal: try the plan, list what was found, forecast, approve."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from runbook_lib.errors import GateError
from runbook_lib.evidence.approvals import FILE, Approval, Approvals, approvals_text, read_approvals
from runbook_lib.evidence.journal import Journal, to_all
from runbook_lib.evidence.records import Backup, Outcome, Status
from runbook_lib.evidence.run import REHEARSAL, Run
from runbook_lib.evidence.schemas import typed
from runbook_lib.findings import Finding
from runbook_lib.formatting import duration, minutes, size
from runbook_lib.hazards.data_loss import LOSSES
from runbook_lib.migrate.apply import count_statements
from runbook_lib.notebook import page
from runbook_lib.notebook.acts import check_act, one_writer
from runbook_lib.notebook.charts import Chart, chart_steps
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import (
    DIGEST_SHOWN,
    Table,
    approval_form,
    findings_table,
    rule_pages,
)
from runbook_lib.rehearsal import rehearse as rehearsal
from runbook_lib.rehearsal.allowance import describe
from runbook_lib.rehearsal.rehearse import Rehearsal
from runbook_lib.rehearsal.verdict import all_findings, record_verdict
from runbook_lib.rehearsal.world import FULL
from runbook_lib.rollback.attempt import REVERT

_OF_ROWS = ("row counts equal the source's", "contents equal the source's")
_WAY = "rollback by {} ends there too"
_SHOWN = 30
_WARNED = {"status": Status.WARN.value}
_NAMED = 4


@one_writer
def rehearse(run: Run) -> Table:
    """Restore the backup, carry the plan out there, take it back, and show what came of it."""
    check_act(run, "rehearsal")
    made = run.backup()
    if made is None:
        raise GateError("There is no backup to rehearse on.", remedy="Run 20_backup.ipynb first.")
    total = sum(count_statements(run, step) for step in run.plan.steps)
    journal = Journal(run.directory.path / "rehearsal.jsonl", repeatable=True)
    with Progress("Rehearsal", total) as progress:
        progress.at("restoring the backup")
        seen = rehearsal.rehearse(run, made, to_all(journal.emit, progress.follow))
    found = all_findings(run, seen, made)
    passed = seen.proven and not any(item.blocks for item in found)
    record_verdict(run, seen, made, found, passed=passed)
    return _outcomes(run, seen, made, found)


def _outcomes(run: Run, seen: Rehearsal, backup: Backup, found: Sequence[Finding]) -> Table:
    total = f"{sum(backup.rows.values()):,} rows"
    schema = "; ".join(seen.schema_differs) or backup.schema_fingerprint[:12]
    without = "not possible: the policy restores the schema alone"
    blocking = sum(item.blocks for item in found)
    failed = sum(item.outcome is Outcome.FAILED for item in seen.runs)
    applied = f"{failed} statements failed" if failed else duration(seen.apply_seconds)
    rows = [
        _outcome("the backup restores", True, duration(seen.restore_seconds)),
        _outcome("the schema equals the source's", seen.same_schema, schema),
        _outcome("row counts equal the source's", seen.same_rows, total),
        _outcome("contents equal the source's", seen.same_contents, "checksum of every table"),
        _outcome("every migration applies", not failed, applied),
        _kept(seen, found),
        _outcome("nothing blocks the migration", not blocking, f"{len(found)} findings"),
        _outcome(
            "the rollback ends as it was before", seen.taken_back, duration(seen.rollback_seconds)
        ),
        *_ways(seen),
        _likeness(seen),
        _completeness(seen),
    ]
    for row in rows:
        if row["status"] == Status.NOT_MEASURED.value and row["what"] in _OF_ROWS:
            row["observed"] = without
    passed = seen.proven and not blocking
    return Table("Rehearsed on the restored backup" if passed else "The rehearsal failed", rows)


def _kept(seen: Rehearsal, found: Sequence[Finding]) -> dict[str, str]:
    """Say what the release takes from what was there: it is additive where that is nothing."""
    name = "existing objects and rows are kept"
    part = f"; one of 64 rows compared of {', '.join(seen.sampled)}" if seen.sampled else ""
    if not seen.losses:
        kept = None if seen.losses is None else True
        return _outcome(name, kept, f"the release is additive{part}")
    blocks = any(item.blocks for item in found if item.rule in LOSSES)
    more = f"; and {len(seen.losses) - _NAMED} more" if seen.losses[_NAMED:] else ""
    told = "; ".join(map(describe, seen.losses[:_NAMED]))
    return {**_outcome(name, not blocks, told + more + part), **({} if blocks else _WARNED)}


def _ways(seen: Rehearsal) -> Iterator[dict[str, str]]:
    """Say of each way back what came of it: what is not proven is never proposed."""
    for item in seen.ways:
        stays = ", ".join(f"{name}={count}" for name, count in item.stays.items())
        left = f"stays as the release left it: {stays}" if stays else ""
        why = item.failed or item.unproven or left
        row = _outcome(_WAY.format(item.way), None if why else True, why or "as it will be run")
        yield row | ({"status": Status.WARN.value} if left else {})
    if all(item.way != REVERT for item in seen.ways):
        yield _outcome(_WAY.format(REVERT), None, "not tried, because statements failed")


def _likeness(seen: Rehearsal) -> dict[str, str]:
    """Say where the server of the rehearsal is not the target's: there it proves nothing."""
    more = (
        f"; and {len(seen.differs) - _NAMED} more, in the record" if seen.differs[_NAMED:] else ""
    )
    status = Status.WARN if seen.differs else Status.PASS
    observed = "; ".join(seen.differs[:_NAMED]) + more
    return {
        "what": "its server is set up like the target's",
        "status": status.value,
        "observed": observed or "roles, rights, settings, encoding, locale",
    }


def _completeness(seen: Rehearsal) -> dict[str, str]:
    """Say how many statements could not be tried: a rehearsal reaches nothing outside."""
    row = _outcome("every statement was tried", True, "no statement reaches outside the database")
    if seen.unproven:
        row["status"] = Status.WARN.value
        row["observed"] = f"{seen.unproven} reach outside and are not proven: the findings say why"
    return row


def _outcome(name: str, good: bool | None, observed: str) -> dict[str, str]:
    status = Status.NOT_MEASURED if good is None else Status.PASS if good else Status.FAIL
    return {"what": name, "status": status.value, "observed": observed}


def _verdict(run: Run) -> dict[str, Any]:
    found = run.verdict()
    if found is None:
        raise GateError("This plan was not rehearsed.", remedy="Run the cell above first.")
    return found


def show_findings(run: Run) -> Table:
    """Show everything that reading, looking and trying found, worst first."""
    path = run.directory.path / f"{REHEARSAL}.json"
    found = typed(tuple[Finding, ...], _verdict(run)["findings"], path)
    return findings_table("Found by reading, looking and trying", found, rule_pages(run))


def show_observations(run: Run) -> Table:
    """Show where the server did something else than reading predicted."""
    rows = [
        {"place": f"{item['path']}:{item['line']}", "statement": item["label"], "observed": text}
        for item in _verdict(run)["unpredicted"]
        for text in item["differs"]
    ]
    count = _verdict(run)["observed"]
    more = f" (the first {_SHOWN} are shown)" if len(rows) > _SHOWN else ""
    caption = (
        f"{count} statements were observed; {len(rows)} did other than reading the SQL predicted"
    )
    return Table(f"{caption}{more}", rows[:_SHOWN])


def forecast(run: Run) -> Table:
    """Forecast the target from the rehearsal, beside the release document's estimates."""
    seen = _verdict(run)
    declared = {item.name: item.declared for item in run.release.migrations}
    rows = []
    for item in seen["steps"]:
        known = declared[item["step"]].estimate_minutes if item["step"] in declared else None
        held = f"{item['longest lock']}, {duration(item['lock seconds'])}"
        rows.append(
            {
                "step": item["step"],
                "forecast": duration(item["seconds"]),
                "estimated": minutes((known[0] * 60, known[1] * 60)) if known else "",
                "longest lock that stops writes": held if item["longest lock"] else "none",
                "WAL": size(item["wal"]),
                "rows scanned": item["scanned"],
                "temporary files": size(item["temporary"]),
            }
        )
    method = (
        "as measured on all of the target's rows"
        if seen["data"] == FULL
        else "on an empty schema: times and sizes tell nothing about the target"
    )
    grown = f"the database grows by {size(max(seen['growth'], 0))}"
    return Table(f"Forecast, {method}; {grown}", rows)


def chart_rehearsal(run: Run) -> Chart | Table:
    """Draw how long the statements of each step took in the rehearsal."""
    journal = Journal(run.directory.path / "rehearsal.jsonl")
    return chart_steps(run, journal, "Rehearsed on today's data, the statements take {total}")


def approve(run: Run) -> Table:
    """Show which approvals and confirmation the policy asks for; at a screen, take them.

    Headless, they are read from ``approvals.toml`` in the run directory.
    """
    policy, dbname = run.policy, run.target.dbname
    if not policy.approvals.roles and not policy.approvals.confirm:
        return Table(f"No approval is asked for on {run.environment.name}", [])
    before = _valid_approvals(run)

    def save(confirm: str, names: dict[str, str]) -> Table:
        now = datetime.now(UTC)
        known = {item.role: item for item in before.approval}
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

    given = {item.role: item.name for item in before.approval}
    names = {role: given.get(role, "") for role in policy.approvals.roles}
    if page.at_screen():
        approval_form(names, dbname, before.confirm, save)
    return _approvals(run)


def _valid_approvals(run: Run) -> Approvals:
    """Return what was given for exactly this plan."""
    found = read_approvals(run.directory.path)
    return found if found.plan == run.plan.digest else Approvals()


def _approvals(run: Run) -> Table:
    found = _valid_approvals(run)
    given = {item.role: f"{item.name}, {item.at:%Y-%m-%d %H:%M %Z}" for item in found.approval}
    wanted = {role: given.get(role, "") for role in run.policy.approvals.roles}
    if run.policy.approvals.confirm:
        typed = found.confirm if found.confirm == run.target.dbname else ""
        wanted["typed confirmation"] = typed
    missing = sum(not value for value in wanted.values())
    rows = [
        {"approval": name, "status": (Status.PASS if value else Status.WARN).value, "given": value}
        for name, value in wanted.items()
    ]
    state = f"{missing} missing" if missing else "complete"
    return Table(f"Approvals for the plan {run.plan.digest[:DIGEST_SHOWN]}: {state}", rows)
