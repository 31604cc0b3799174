"""The acts of 10_prechecks: what reading the files finds, and what the target says."""

import json
from dataclasses import replace
from typing import Any

from runbook_lib.checks import review
from runbook_lib.checks.beside import check_swap, try_beside
from runbook_lib.checks.prechecks import check_rehearsal_disk, run_prechecks
from runbook_lib.checks.sarif import FINDINGS, as_sarif
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.halves import made_by
from runbook_lib.evidence.journal import Journal, to_all
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.run import ACCEPTANCES, REVIEW, Run
from runbook_lib.evidence.schemas import this_version
from runbook_lib.evidence.sender import Sender
from runbook_lib.hazards.reach import predict
from runbook_lib.migrate.apply import count_statements
from runbook_lib.notebook.acts import one_writer
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table, checked, findings_table, rule_pages
from runbook_lib.parser.statement import LockMode
from runbook_lib.parser.transactions import as_planned
from runbook_lib.postgres import catalog
from runbook_lib.redaction import redact_values
from runbook_lib.rehearsal.dry_run import DryRun, dry_run
from runbook_lib.rehearsal.lacking import check_rehearsal_server
from runbook_lib.rehearsal.world import FULL
from runbook_lib.release.plan import StepKind


@one_writer
def review_release(run: Run) -> Table:
    """Read the release, try it on the target's schema, and show all that was found, worst first."""
    accepts = run.acceptances()
    run.record(True, {"accepts": accepts}, ACCEPTANCES)
    release = replace(run.release, accepts=accepts)
    with run.database.runner_session() as connection:
        found = review.review(
            connection,
            release,
            run.plan,
            run.journal.own_rows(),
            _fingerprints(run),
            lambda row: made_by(run.root, row),
            measured=run.measures,
        )
    tried = _dry_run(run)
    found = review.worst_first((*tried.settle(found), *tried.findings))
    blocking = any(item.blocks for item in found)
    run.record(not blocking, {"findings": found, "absent": tried.absent}, REVIEW)
    log = as_sarif(found, run.release, this_version().product, run.root)
    text = json.dumps(redact_values(log), indent=2, ensure_ascii=False)
    run.directory.write_text(FINDINGS, f"{text}\n")
    title = "Read against the target, and tried on its schema"
    return findings_table(title, found, rule_pages(run))


def _dry_run(run: Run) -> DryRun:
    if not (pending := [x for x in run.pending() if x.kind is not StepKind.DEMO_ROWS]):
        return DryRun()
    journal = Journal(run.directory.path / "dry_run.jsonl", repeatable=True)
    total = sum(count_statements(run, step) for step in pending)
    with Progress("Dry run", total) as progress:
        progress.at("restoring the schema")
        return dry_run(run, pending, to_all(journal.emit, progress.follow))


def _fingerprints(run: Run) -> dict[str, str]:
    """Return the parse fingerprints of the files that earlier runs applied, by checksum."""
    known: dict[str, str] = {}
    for directory in RunDirectory.all(run.root, run.environment.name, run.release.name):
        for record in directory.steps():
            if "fingerprint" in record:
                known[record["checksum"]] = record["fingerprint"]
    return known


def show_locks(run: Run) -> Table:
    """Show what the pending files lock of the tables that are there, strongest first."""
    with run.database.runner_session() as connection:
        facts = catalog.read_facts(connection, run.target.major)
    order = list(LockMode)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for step in (item for item in run.pending() if item.kind is StepKind.APPLY):
        for statement in as_planned(run.release.migration(step.name).statements, step.split):
            done = predict(statement, facts)
            for lock in done.locks:
                table = lock.relation.qualified
                known = rows.get((step.name, table))
                stronger = known is None or order.index(lock.mode) > order.index(known["mode"])
                if table in facts.tables and stronger and lock.mode.stops_writes:
                    rows[step.name, table] = {
                        "mode": lock.mode,
                        "migration": step.name,
                        "table": lock.relation.name,
                        "rows": facts.tables[table].rows,
                        "lock": lock.mode.words,
                        "waits": "reads and writes" if lock.mode.stops_reads else "writes",
                        "rewritten": "yes" if lock.relation in done.rewrites else "",
                        "first at line": statement.line,
                    }
    shown = sorted(rows.values(), key=lambda row: (-order.index(row["mode"]), -row["rows"]))
    for row in shown:
        del row["mode"]
    caption = f"{len(shown)} locks on existing tables stop traffic while they are held"
    return Table(caption if shown else "No lock on an existing table stops traffic", shown)


@one_writer
def check_target(run: Run) -> Table:
    """Look at the target and show everything found at once.

    That is read only, but for a database that is created beside and dropped again.
    """
    about = run.target, run.release, run.plan, run.policy, run.root
    with (
        Progress("Prechecks", 1),
        run.database.runner_session() as connection,
        run.database.connect() as session,
    ):
        results = [*run_prechecks(connection, session, *about), check_swap(connection)]
        if not run.environment.rehearsal_url_variable:
            if run.policy.rehearsal.data == FULL:
                results.append(check_rehearsal_disk(connection, run.root))
            results.append(check_rehearsal_server(run, connection))
    if run.pending():
        sender = Sender(run.journal.emit, "prechecks")
        results.append(try_beside(run.database, sender.change))
    return checked(run, "Prechecks", [*results, _reviewed(run)], {})


def _reviewed(run: Run) -> CheckResult:
    found = run.reviewed()
    if found is None:
        remedy = "run the cell that reviews the release"
        return CheckResult("release review", Status.FAIL, "not reviewed", "reviewed", remedy)
    blocking = sum(item.blocks for item in found)
    status = Status.FAIL if blocking else Status.PASS
    remedy = "mend what the review lists, or accept a hazard by name" if blocking else ""
    observed = f"{blocking} of {len(found)} findings block"
    return CheckResult("release review", status, observed, "none blocks", remedy)
