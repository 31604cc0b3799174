"""The acts of 60_verify: what was declared beside what is there, and the checks."""

from runbook_lib.checks import query_checks
from runbook_lib.checks import verify as checks_verify
from runbook_lib.checks.verify import Comparison, analyze
from runbook_lib.evidence.journal import to_all
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.notebook.acts import one_writer
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table, checked
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.locks import bound_locks


def compare_objects(run: Run) -> Table:
    """Show what the release's SQL declares beside what the server has."""
    with run.database.runner_session() as connection:
        found = _compared(run, connection)
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
    return Table("What the migrations declare, and what the server has", rows)


def _compared(run: Run, connection: Connection) -> tuple[Comparison, ...]:
    return checks_verify.compare_objects(run.database, connection, run.release, run.absent())


@one_writer
def verify_target(run: Run) -> Table:
    """Refresh statistics, run every check, record the schema fingerprint, show worst first."""
    release = run.release
    with Progress("Verification", 3) as progress, run.database.runner_session() as connection:
        progress.at("ANALYZE")
        change = Sender(to_all(run.journal.emit, progress.follow), "60_verify").change
        analyzed = analyze(connection, release, change)
        progress.advance()
        progress.at("declared against found")
        compared = _compared(run, connection)
        progress.advance()
        progress.at("checks")
        with run.database.connect() as session:  # names are found as the files find them
            bound_locks(session, run.policy)
            results = query_checks.run_checks(session, release.checks)
        fingerprint = snapshot.take_snapshot(connection).fingerprint
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
    planner = CheckResult(
        "planner statistics", Status.PASS, f"{analyzed} tables analyzed", "gathered"
    )
    schema = CheckResult("schema fingerprint", Status.PASS, fingerprint[:12], "for information")
    content = {"schema_fingerprint": fingerprint}
    return checked(run, "Verification", [*objects, *results, planner, schema], content)
