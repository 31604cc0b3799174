"""The acts of the rehearsal: try the plan, list what was found, forecast the target."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from typing import Any

from runbook_lib.checks.query_checks import run_checks
from runbook_lib.checks.review import worst_first
from runbook_lib.errors import GateError, ReleaseError, RunbookError
from runbook_lib.evidence.directory import Journal
from runbook_lib.evidence.records import Backup, Outcome, StatementRun, Status
from runbook_lib.evidence.run import REHEARSAL, Run
from runbook_lib.findings import Finding, Severity
from runbook_lib.formatting import duration, minutes, size
from runbook_lib.migrate.execute import Applier
from runbook_lib.notebook.show import Chart, Progress, Table
from runbook_lib.notebook.work import (
    Recorder,
    carry_out,
    chart_steps,
    count_statements,
    findings_table,
)
from runbook_lib.parser import transactions
from runbook_lib.parser.statement import Migration, Split, Statement, StepKind
from runbook_lib.postgres import process
from runbook_lib.postgres.catalog import Snapshot
from runbook_lib.postgres.connection import CleanSession, Connection, Database, names
from runbook_lib.postgres.targets import rehearsal_server
from runbook_lib.rehearsal.failures import Unreadable
from runbook_lib.rehearsal.holds import held_long, holds
from runbook_lib.rehearsal.observe import Probe
from runbook_lib.rehearsal.rehearse import FULL, Recording, Rehearsal, Rehearser
from runbook_lib.rollback.revert import diagnose, revert

_ROLES = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"
_REVERT = "a revert returns there, too"
_SHOWN = 30
_NAME_BYTES = 40  # of the 63 a name may have; the rest says what the database is for


def rehearse(run: Run) -> Table:
    """Restore the backup, carry the plan out there, take it back, and show what came of it."""
    made = run.backup()
    if made is None:
        raise GateError("There is no backup to rehearse on.", remedy="Run 20_backup.ipynb first.")
    total = sum(count_statements(run, step) for step in run.plan.steps)
    steps = {step.name: step for step in run.plan.steps}
    with run.database.connect() as connection:
        roles = sorted(names(connection.rows(_ROLES), "rolname"))
    with Progress("Rehearsal", total) as progress, ExitStack() as stack:
        progress.at("restoring the backup")
        probe = Probe()
        journal = Journal(run.directory.path / "rehearsal.jsonl", repeatable=True)
        recorder = Recorder(journal, progress)

        kept: list[CleanSession] = []  # of the one copy, from the first step on

        def carry(copy: Database, name: str, watcher: Recording, go_on: bool) -> None:
            if not kept:
                kept.append(stack.enter_context(closing(CleanSession(copy))))
            applier = Applier(copy, run.policy, watcher, probe, go_on=go_on, sessions=kept[0])
            mended = replace(run, release=_mended(run)) if go_on else run
            carry_out(mended, applier, steps[name], lambda: watcher.rows)

        rehearser = Rehearser(
            server=rehearsal_server(run.environment, run.root, run.target.major),
            name=f"rehearsal_{run.target.dbname.encode()[:_NAME_BYTES].decode(errors='ignore')}",
            major=run.target.major,
            backup=made,
            data=run.policy.rehearsal_data,
            roles=roles,
            run=process.run,
        )

        def check(connection: Connection) -> Iterator[Finding]:
            yield from _checks_failed(run, connection)

        def back(copy: Database, before: Snapshot) -> str:
            progress.at("reverting the release")
            return _reverted(run, copy, before)

        files = _statements(run), _unreadable(run)
        seen = rehearser.rehearse(list(steps), *files, recorder, carry, check, back)
    seen = replace(seen, runs=tuple(_on_target(item, run.plan.splits) for item in seen.runs))
    found = _all_findings(run, seen, made)
    passed = seen.proven and not any(item.blocks for item in found)
    _record(run, seen, made, found, passed=passed)
    return _outcomes(run, seen, made, found)


def _reverted(run: Run, copy: Database, before: Snapshot) -> str:
    """Take the release back by a revert; return why that is not possible, empty where it is."""
    applied = [
        run.release.migration(step.name) for step in run.plan.steps if step.kind is StepKind.APPLY
    ]
    with copy.connect() as connection:
        seen = diagnose(connection, before, None, applied)
    if not seen.revertible:
        return f"no statement takes back what it changes: {', '.join(seen.stuck[:3])}"
    alone = replace(run.policy, concurrent_indexes=False)  # nobody else is there
    try:
        revert(copy, alone, seen, seen.data, lambda _: None)
    except RunbookError as error:
        return error.message
    return ""


def _on_target(seen: StatementRun, splits: Mapping[str, Split]) -> StatementRun:
    """Return what a statement does on the target, where a concurrent build stops no writes."""
    if seen.observed is None or seen.number not in splits.get(seen.step, Split()).concurrent:
        return seen
    return replace(seen, observed=replace(seen.observed, locks={}))


def _checks_failed(run: Run, connection: Connection) -> Iterator[Finding]:
    """Yield the release's own checks that do not hold after the release."""
    files = {item.name: item.path for item in run.release.checks}
    for result in run_checks(connection, run.release.checks):
        if result.status is Status.FAIL:
            yield Finding(
                phase="rehearsal",
                rule="check-failed",
                severity=Severity.ERROR,
                path=str(files[result.name].relative_to(run.release.root.parent)),
                line=1,
                cause=f"After the release, {result.name}: {result.observed}; "
                f"expected {result.expected}.",
                effect="The verification of the target would fail.",
                remedy=result.remedy,
            )


def _mended(run: Run) -> Any:
    """Return the release without what keeps a file from being split into transactions."""
    return replace(run.release, migrations=tuple(_splittable(i) for i in run.release.migrations))


def _splittable(migration: Migration) -> Migration:
    try:
        transactions.units(migration.statements)
    except ReleaseError:
        kept = [item for item in migration.statements if item.transactional and not item.control]
        return replace(migration, statements=tuple(kept))
    return migration


def _statements(run: Run) -> list[Statement]:
    return [item for migration in run.release.migrations for item in migration.statements]


def _unreadable(run: Run) -> list[Unreadable]:
    """Return the parts of the pending files that could not be parsed, with their text."""
    found = []
    for migration in run.release.migrations:
        begins = sorted({item.line for item in migration.statements})
        lines: list[str] = []
        for item in run.release.defects:
            if item.statement and item.path == _path_of(run, migration):
                lines = lines or migration.path.read_text(errors="replace").splitlines()
                end = next((line for line in begins if line > item.line), len(lines) + 1)
                found.append(Unreadable(item.place, "\n".join(lines[item.statement - 1 : end - 1])))
    return found


def _path_of(run: Run, migration: Migration) -> str:
    return str(migration.path.relative_to(run.release.root.parent))


def _all_findings(run: Run, seen: Rehearsal, backup: Backup) -> tuple[Finding, ...]:
    """Join what reading and trying found.

    A finding with an SQLSTATE says that its statement will fail: the rehearsal knows better.
    """
    tried = {(item.path, item.number): item for item in seen.runs}
    read = []
    for item in run.reviewed() or ():
        ran = tried.get((item.path, item.number))
        if ran is not None and item.sqlstate and ran.outcome is Outcome.DONE:
            continue
        confirmed = ran is not None and item.sqlstate and ran.sqlstate == item.sqlstate
        read.append(replace(item, severity=Severity.ERROR) if confirmed else item)
    long = held_long(seen.runs, backup.rows, run.policy.writes_wait)
    return worst_first((*read, *seen.findings, *long))


def _record(
    run: Run, seen: Rehearsal, backup: Backup, found: Sequence[Finding], *, passed: bool
) -> None:
    verdict = "passed" if passed else "failed"
    content = {
        "verdict": verdict,
        "plan": run.plan.digest,
        "backup": {"path": backup.path.relative_to(run.root), "sha256": backup.sha256},
        **{key: value for key, value in asdict(seen).items() if key not in {"runs", "findings"}},
        "holds": [asdict(item) for item in holds(seen.runs)],
        "steps": _steps(run, seen),
        "observed": [_observed(item) for item in seen.runs if item.observed],
        "findings": found,
    }
    run.directory.write(REHEARSAL, content)
    blocking = [_sentence(item) for item in found if item.blocks]
    if not seen.proven:
        blocking.insert(0, "the backup or the rollback is not proven")
    run.record(passed, {"verdict": verdict, "failed": blocking})


def _sentence(finding: Finding) -> str:
    state = f" (SQLSTATE {finding.sqlstate})" if finding.sqlstate else ""
    return f"{finding.place}: {finding.cause}{state}"


def _observed(run: StatementRun) -> dict[str, Any]:
    seen = asdict(run.observed) if run.observed else {}
    return {"step": run.step, "path": run.path, "line": run.line, "label": run.label, **seen}


def _steps(run: Run, seen: Rehearsal) -> list[dict[str, Any]]:
    known, splits = holds(seen.runs), run.plan.splits
    rows = []
    for name, seconds in seen.step_seconds.items():
        mine = [item.observed for item in seen.runs if item.step == name and item.observed]
        hold = next((item for item in known if item.step == name), None)
        turned = splits.get(name, Split()).concurrent
        again = sum(x.seconds for x in seen.runs if x.step == name and x.number in turned)
        rows.append(
            {
                "step": name,
                "seconds": seconds + again,  # a concurrent build reads its table twice
                "wal": sum(item.wal for item in mine),
                "growth": sum(item.growth for item in mine),
                "temporary": sum(item.temporary for item in mine),
                "scanned": sum(item.scanned for item in mine),
                "longest lock": f"{hold.table} {hold.mode}" if hold else "",
                "lock seconds": hold.seconds if hold else 0.0,
            }
        )
    return rows


def _outcomes(run: Run, seen: Rehearsal, backup: Backup, found: Sequence[Finding]) -> Table:
    total = f"{sum(backup.rows.values()):,} rows"
    without = "not possible: the policy restores the schema alone"
    blocking = sum(item.blocks for item in found)
    failed = sum(item.outcome is Outcome.FAILED for item in seen.runs)
    applied = f"{failed} statements failed" if failed else duration(seen.apply_seconds)
    rows = [
        _outcome("the backup restores", True, duration(seen.restore_seconds)),
        _outcome("its schema is the source's", seen.same_schema, backup.schema_fingerprint[:12]),
        _outcome("its row counts are the source's", seen.same_rows, total),
        _outcome("its contents are the source's", seen.same_contents, "checksum of every table"),
        _outcome("the plan applies", not failed, applied),
        _outcome("nothing blocks the migration", not blocking, f"{len(found)} findings"),
        _outcome(
            "the rollback returns to the start", seen.taken_back, duration(seen.rollback_seconds)
        ),
        _outcome(_REVERT, *_revert_words(seen)),
    ]
    for row in rows:
        if row["status"] == Status.NOT_MEASURED.value and row["what"] != _REVERT:
            row["observed"] = without
    passed = seen.proven and not blocking
    return Table("Rehearsed on the restored backup" if passed else "The rehearsal failed", rows)


def _revert_words(seen: Rehearsal) -> tuple[bool | None, str]:
    if seen.reverted is None:
        return None, "not tried, for statements failed"
    return (None if seen.reverted else True), seen.reverted or "in one transaction"


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
    found = [Finding.from_record(item) for item in _verdict(run)["findings"]]
    return findings_table("Found by reading, looking and trying", found)


def show_observations(run: Run) -> Table:
    """Show where the server did something else than reading predicted."""
    rows = [
        {"place": f"{item['path']}:{item['line']}", "statement": item["label"], "observed": text}
        for item in _verdict(run)["observed"]
        for text in item["differs"]
    ]
    count = len(_verdict(run)["observed"])
    more = f" (the first {_SHOWN} are shown)" if len(rows) > _SHOWN else ""
    caption = f"{count} statements were observed; {len(rows)} differences from what was predicted"
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
    twice = ", index builds that become concurrent counted twice" if run.plan.splits else ""
    method = (
        f"as measured on all of the target's rows{twice}"
        if seen["data"] == FULL
        else "on an empty schema: times and sizes say nothing of the target"
    )
    grown = f"the database grows by {size(max(seen['growth'], 0))}"
    return Table(f"Forecast, {method}; {grown}", rows)


def chart_rehearsal(run: Run) -> Chart:
    """Draw how long the statements of each step took in the rehearsal."""
    journal = Journal(run.directory.path / "rehearsal.jsonl")
    return chart_steps(run, journal, "Rehearsed on today's data, the statements take {total}")
