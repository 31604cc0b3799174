"""The acts after the migration: verification, monitoring, sign-off."""

from dataclasses import asdict

from runbook_lib.checks import query_checks, verify
from runbook_lib.evidence import approvals
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.show import Progress, Table, worst_first
from runbook_lib.notebook.work import checked
from runbook_lib.performance import monitor
from runbook_lib.postgres import catalog


def compare_objects(run: Run) -> Table:
    """Show what the release's SQL declares beside what the server has."""
    with run.database.connect() as connection:
        found = verify.compare_objects(run.database.engine(), connection, run.release)
    rows = [
        {
            "objects": item.kind,
            "declared": item.declared,
            "found": item.found,
            "status": item.status.value,
            "missing": ", ".join(item.missing[:10]),
        }
        for item in found
    ]
    return Table("Declared in the SQL against found on the server", rows)


def verify_target(run: Run) -> Table:
    """Refresh statistics, run every check, record the schema fingerprint, show worst first."""
    release = run.release
    with Progress("Verification", 3) as progress, run.database.connect() as connection:
        progress.at("ANALYZE")
        analyzed = verify.analyze(connection, release)
        progress.advance()
        progress.at("declared against found")
        compared = verify.compare_objects(run.database.engine(), connection, release)
        progress.advance()
        progress.at("checks")
        results = query_checks.run_checks(connection, release.checks)
        fingerprint = catalog.take_snapshot(connection).fingerprint
    objects = tuple(
        CheckResult(
            f"declared {item.kind}",
            item.status,
            f"{item.found} found",
            f"{item.declared} declared",
            f"missing: {', '.join(item.missing)}" if item.missing else "",
        )
        for item in compared
    )
    planner = CheckResult("planner statistics", Status.PASS, f"{analyzed} tables", "ANALYZE done")
    schema = CheckResult("schema fingerprint", Status.PASS, fingerprint[:12], "recorded")
    content = {"schema_fingerprint": fingerprint}
    return checked(run, "Verification", [*objects, *results, planner, schema], content)


def watch_metrics(run: Run) -> Table:
    """Measure the target's health against the release's thresholds; say what cannot be seen."""
    with Progress("Monitoring", 1), run.database.connect() as connection:
        found = monitor.measure(
            connection, run.target, run.release.thresholds, run.policy.monitor_samples
        )
    over = [item.name for item in found if item.status is Status.WARN]
    run.record(True, {"metrics": found, "over": over})
    rows = [
        {
            "scope": item.scope,
            "metric": item.name,
            "status": item.status.value,
            "value": item.value,
            "unit": item.unit,
            "alert above": item.above,
            "source": item.source,
        }
        for item in found
    ]
    unseen = sum(item.value is None for item in found)
    caption = f"{len(found)} metrics: {len(over)} over their threshold, {unseen} not measured"
    return Table(caption, worst_first(rows))


def answer_criteria(run: Run) -> Table:
    """Answer the release document's checklists from what was seen."""
    verified = run.recorded("verify") or {}
    results = {
        item["name"]: CheckResult(**{**item, "status": Status(item["status"])})
        for item in verified.get("checks", ())
    }
    answers = approvals.answer(run.release.criteria, results)
    failed = [item.text for item in answers if item.status is Status.FAIL]
    run.record(not failed, {"answers": answers, "failed": failed})
    rows = [{**asdict(item), "status": item.status.value} for item in answers]
    person = sum(item.status is Status.NOT_MEASURED for item in answers)
    caption = f"{len(answers)} criteria: {len(failed)} failed, {person} for a person to say"
    return Table(caption, rows)


def show_approvals(run: Run) -> Table:
    """Show the approvals that the release document asks for, and who gave them."""
    given = approvals.read_approvals(run.directory.path).given
    rows = approvals.roles(run.release.roles, given)
    missing = sum(row["status"] is not Status.PASS for row in rows)
    shown = [{**row, "status": row["status"].value} for row in rows]
    return Table(f"Approvals: {len(rows) - missing} of {len(rows)} given", shown)


def seal_evidence(run: Run) -> Table:
    """Write the checksums of everything in the run directory, so that an edit is seen."""
    path = run.directory.seal()
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [{"file": line[66:], "SHA-256": line[:12]} for line in lines]
    return Table(f"{len(rows)} files sealed in {path.relative_to(run.root)}", rows)
