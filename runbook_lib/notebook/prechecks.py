"""The acts before anything changes: brief, prechecks, backup."""

from dataclasses import asdict
from typing import Any

from runbook_lib.backup import dump
from runbook_lib.checks import review
from runbook_lib.checks.prechecks import run_prechecks
from runbook_lib.errors import GateError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.records import CheckResult, Status
from runbook_lib.evidence.run import REVIEW, Run
from runbook_lib.formatting import duration, size
from runbook_lib.notebook.show import Progress, Table
from runbook_lib.notebook.work import checked, findings_table
from runbook_lib.parser.statement import LockMode, Split, StepKind
from runbook_lib.parser.transactions import as_planned
from runbook_lib.postgres import catalog, process

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
            "why": "; ".join(filter(None, [step.why, _split_words(step.split)])),
        }
        for place, step in enumerate(run.plan.steps, start=1)
    ]
    moved = "; ".join(f"{item.migration} runs behind {item.behind}" for item in run.plan.moved)
    caption = f"The plan: {len(rows)} steps, {len(run.plan.applied)} migrations applied before"
    run.record(True, {"release": run.release.title, "steps": rows})
    return Table(f"{caption}. {moved or 'The listed order holds'}.", rows)


def _split_words(split: Split) -> str:
    builds, keys = len(split.concurrent), len(split.apart)
    words = [f"{builds} indexes CONCURRENTLY"] if builds else []
    words += [f"{keys} foreign keys, each alone"] if keys else []
    return f"outside its transaction: {', '.join(words)}" if words else ""


def review_release(run: Run) -> Table:
    """Read the release against the target, and show every finding at once, worst first."""
    with run.database.connect() as connection:
        found = review.review(
            connection, run.release, run.plan, run.journal.own_rows(), _fingerprints(run)
        )
    blocking = any(item.blocks for item in found)
    run.record(not blocking, {"findings": found}, REVIEW)
    return findings_table("Read against the target", found)


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
    with run.database.connect() as connection:
        facts = catalog.read_facts(connection, run.target.major)
    order = list(LockMode)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for step in (item for item in run.pending() if item.kind is StepKind.APPLY):
        for statement in as_planned(run.release.migration(step.name).statements, step.split):
            for lock in statement.locks:
                table = f"{lock.relation.schema}.{lock.relation.name}"
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
                        "rewritten": "yes" if lock.relation in statement.rewrites else "",
                        "first at line": statement.line,
                    }
    shown = sorted(rows.values(), key=lambda row: (-order.index(row["mode"]), -row["rows"]))
    for row in shown:
        del row["mode"]
    caption = f"{len(shown)} locks on tables of the target stop its traffic while they are held"
    return Table(caption if shown else "No lock on a table of the target stops its traffic", shown)


def check_target(run: Run) -> Table:
    """Look at the target, read only, and show everything found at once."""
    with Progress("Prechecks", 1), run.database.connect() as connection:
        results = run_prechecks(connection, run.target, run.release, run.plan, run.policy, run.root)
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


def take_backup(run: Run) -> Table:
    """Dump the database, read the dump back, and show what it holds; a run takes one backup."""
    made = run.backup()
    if made is None:
        if len(run.pending()) != len(run.plan.steps):
            message = "Steps of this plan are done already: a backup now would not be from before."
            raise GateError(message, remedy="Use the backup of the earlier run.")
        with Progress("Backup", 1) as progress:
            made = dump.take_backup(
                run.database,
                run.target,
                run.root / "backups",
                process.run,
                run.policy,
                progress.at,
            )
        content = {**asdict(made), "path": made.path.relative_to(run.root)}
        run.record(True, {"backup": content})
    rows = [
        ("directory", f"{made.path.relative_to(run.root)} (mode 0700, its files 0600)"),
        ("size", f"{size(made.size)} of a database of {size(made.database_size)}"),
        ("took", duration(made.seconds)),
        ("SHA-256 of manifest", made.sha256),
        ("read back", f"{made.entries} entries by pg_restore --list"),
        ("taken with", f"{made.tool}, {made.format} format, {made.compression}, jobs: {made.jobs}"),
        ("WAL position", made.lsn),
        ("restore point", made.restore_point and f"{made.path.name} at {made.restore_point}"),
        ("schema fingerprint", made.schema_fingerprint[:_SHORT]),
        ("rows", f"{sum(made.rows.values()):,} in {len(made.rows)} tables"),
        ("roles and tablespaces", made.without_globals or "globals.sql, without passwords"),
        ("copied to", made.copied_to and f"{made.copied_to}, read back"),
        ("removed, older", ", ".join(made.removed)),
    ]
    rows = [(name, value) for name, value in rows if value]
    caption = f"The backup of {made.dbname} is complete and readable"
    return Table(caption, [{"property": name, "value": value} for name, value in rows])
