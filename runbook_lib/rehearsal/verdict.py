"""Judge a rehearsal: what it proves, what it found, and what is recorded of it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from runbook_lib.checks.review import worst_first
from runbook_lib.evidence.records import Backup, Outcome, StatementRun
from runbook_lib.evidence.run import REHEARSAL, Run
from runbook_lib.findings import DRY_RUN, Finding, Severity
from runbook_lib.hazards.data_loss import LOSSES
from runbook_lib.hazards.rules import unused
from runbook_lib.rehearsal.allowance import Allowance
from runbook_lib.rehearsal.observe import held_locks, held_long
from runbook_lib.rehearsal.rehearse import Rehearsal


def all_findings(run: Run, seen: Rehearsal, backup: Backup) -> tuple[Finding, ...]:
    """Join what reading and trying found.

    A finding with an SQLSTATE says that its statement will fail: the rehearsal knows better, and
    better than a dry run, too.
    """
    tried = {(item.path, item.number): item for item in seen.runs}
    read = []
    for item in Allowance(run, seen, run.reviewed() or ()).findings():
        ran = tried.get((item.path, item.number))
        done = ran is not None and item.sqlstate and ran.outcome is Outcome.DONE
        if done or item.phase == DRY_RUN:
            continue
        confirmed = ran is not None and item.sqlstate and ran.sqlstate == item.sqlstate
        read.append(replace(item, severity=Severity.ERROR) if confirmed else item)
    long = held_long(seen.runs, backup.rows, run.policy.rehearsal.writes_wait)
    found = worst_first((*read, *seen.findings, *long))
    accepts = [item for item in run.acceptances() if item.rule in LOSSES] if run.measures else ()
    return (*found, *unused(accepts, found, LOSSES))


def record_verdict(
    run: Run, seen: Rehearsal, backup: Backup, found: Sequence[Finding], *, passed: bool
) -> None:
    """Write what was seen, and the phase's record with what keeps the release from the target."""
    verdict = "passed" if passed else "failed"
    content = {
        "verdict": verdict,
        "plan": run.plan.digest,
        "backup": {"path": backup.path.relative_to(run.root), "sha256": backup.sha256},
        **{key: value for key, value in asdict(seen).items() if key not in {"runs", "findings"}},
        "same_schema": seen.same_schema,
        "held_locks": [asdict(item) for item in held_locks(seen.runs)],
        "steps": _steps(seen),
        "observed": sum(item.observed is not None for item in seen.runs),  # the journal has them
        "unpredicted": list(_unpredicted(seen.runs)),
        "findings": found,
    }
    run.directory.write(REHEARSAL, content)
    blocking = [_sentence(item) for item in found if item.blocks]
    if not seen.proven:
        differs = "".join(f"; {item}" for item in seen.schema_differs)
        blocking.insert(0, f"the backup or the rollback is not proven{differs}")
    run.record(passed, {"verdict": verdict, "failed": blocking})


def _sentence(finding: Finding) -> str:
    state = f" (SQLSTATE {finding.sqlstate})" if finding.sqlstate else ""
    return f"{finding.place}: {finding.cause}{state}"


def _unpredicted(runs: Sequence[StatementRun]) -> Iterator[dict[str, Any]]:
    """Yield where the server did something else than reading predicted."""
    for run in runs:
        if run.observed and run.observed.differs:
            place = {"path": run.path, "line": run.line, "label": run.label}
            yield {**place, "differs": run.observed.differs}


def _steps(seen: Rehearsal) -> list[dict[str, Any]]:
    known = held_locks(seen.runs)
    rows = []
    for name, seconds in seen.step_seconds.items():
        mine = [item.observed for item in seen.runs if item.step == name and item.observed]
        held = next((item for item in known if item.step == name), None)
        rows.append(
            {
                "step": name,
                "seconds": seconds,
                "wal": sum(item.wal for item in mine),
                "growth": sum(item.growth for item in mine),
                "temporary": sum(item.temporary for item in mine),
                "scanned": sum(item.scanned for item in mine),
                "longest lock": f"{held.table} {held.mode}" if held else "",
                "lock seconds": held.seconds if held else 0.0,
            }
        )
    return rows
