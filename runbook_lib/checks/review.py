"""Read the release against the target: every finding at once, before anything is tried."""

import hashlib
from codecs import BOM_UTF8
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runbook_lib.errors import GateError, ReleaseError
from runbook_lib.evidence.halves import Half, refuse_changed, way_back
from runbook_lib.findings import Finding, Severity
from runbook_lib.formatting import natural
from runbook_lib.hazards import rules
from runbook_lib.hazards.compatibility import HABITS
from runbook_lib.hazards.data_loss import LOSSES, find_losses
from runbook_lib.hazards.locks import LOCKS
from runbook_lib.hazards.server_wide import SERVER
from runbook_lib.parser.parse import fingerprint
from runbook_lib.parser.transactions import transactions_of
from runbook_lib.postgres import catalog, ledger
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.ledger import LedgerRow
from runbook_lib.release.model import Migration, Release
from runbook_lib.release.plan import Plan, StepKind

_ENDINGS = "only its line endings, final newline or byte order mark differ"
_COMMENTS = "only its comments and white space differ"
HARMLESS = {_ENDINGS, _COMMENTS}

_COUNTED = "The rehearsal counts what is lost, and decides."
_ORDER = list(Severity)
RULES = {**LOCKS, **HABITS, **SERVER}
_KNOWN = frozenset({*RULES, *LOSSES})


def page_of(rule: str, pages: str) -> str:
    """Return the page of a rule under ``pages``, empty where it has none."""
    if not pages or rule not in _KNOWN:
        return ""
    return f"{pages}/{rule}.md" if rule in RULES else f"{pages}/README.md#losses"


def review(
    connection: Connection,
    release: Release,
    plan: Plan,
    own_rows: Mapping[str, Sequence[Mapping[str, Any]]],
    fingerprints: Mapping[str, str],
    made_by: Callable[[str], str],
    *,
    measured: bool = False,
) -> tuple[Finding, ...]:
    """Return what is wrong with the files, the order, the ledger, and what would hurt.

    What reading takes for a loss only warns where a rehearsal is going to count it: ``measured``.
    ``own_rows`` are unfinished ledger rows that this run may go on from, by id, each with its
    file's lines of the journal; ``made_by`` says which run made another's, empty for none.
    ``fingerprints`` are the parse fingerprints of files applied earlier, by checksum, as evidence
    recorded them.
    """
    rows = ledger.read(connection)
    done = ledger.applied(rows)
    facts, accepts = catalog.read_facts(connection, plan.target.major), release.accepts
    names = [step.name for step in plan.steps if step.kind is StepKind.APPLY]
    pending = [release.migration(name) for name in names if name not in done]
    losses = find_losses(pending, facts, accepts)
    if measured:
        losses = tuple(map(_to_be_counted, losses))
    found = (
        *release.defects,
        *plan.defects,
        *ledger_findings(release, plan.order, rows, own_rows, fingerprints, made_by),
        *_changed_halves(release, plan, rows, own_rows),
        *rules.find_hazards(pending, facts, accepts, RULES, plan.splits),
        *losses,
    )
    if measured:  # what is accepted can be found by the rehearsal alone
        accepts = tuple(item for item in accepts if item.rule not in LOSSES)
    unused = rules.unused(accepts, found, _KNOWN) if pending else ()
    return worst_first((*found, *unused))


def _to_be_counted(item: Finding) -> Finding:
    if item.severity is not Severity.ERROR:
        return item
    return replace(item, severity=Severity.WARNING, effect=f"{item.effect} {_COUNTED}")


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: those that block on top, each group by place; one that is said twice once."""
    once: dict[tuple[tuple[str, int], str], Finding] = {}
    for item in findings:
        said = item.sqlstate if item.severity is Severity.ERROR and item.sqlstate else item.cause
        first = once.setdefault((item.of_statement, said), item)
        if item.follows and not first.follows:
            once[item.of_statement, said] = replace(first, follows=item.follows, remedy=item.remedy)
    return tuple(
        sorted(
            once.values(),
            key=lambda item: (
                not item.blocks,
                _ORDER.index(item.severity),
                natural(item.path),
                item.line,
            ),
        )
    )


def ledger_findings(
    release: Release,
    order: Sequence[str],
    rows: Iterable[LedgerRow],
    own_rows: Container[str],
    fingerprints: Mapping[str, str],
    made_by: Callable[[str], str],
) -> Iterator[Finding]:
    """Yield where the ledger and the files do not agree (PostgreSQL keeps no such record)."""
    kept = list(rows)
    done = {row.name: row for row in kept if row.finished}
    listed = {item.name: item for item in release.migrations}
    for name, row in done.items():
        if name in listed and listed[name].checksum != row.checksum:
            yield _edited(listed[name], row, fingerprints)
        elif name not in listed:
            cause = f"The ledger calls {name} applied, and the release has no such file."
            remedy = "Find out which release brought it, or restore the file that was deleted."
            yield _found("applied-unknown", Severity.WARNING, release.name, cause, remedy)
    for row in kept:
        if row.failed and row.id not in own_rows:
            path = _path(listed[row.name]) if row.name in listed else release.name
            found = _unresolved(row, made_by(row.id))
            yield _found("failed-row-blocks", Severity.ERROR, path, *found)
    last = max((at for at, name in enumerate(order) if name in done), default=-1)
    for name in order[: last + 1]:
        if name not in done:
            cause = f"{name} is not applied, and {order[last]}, which comes after it, is."
            remedy = "Make sure that the later file did not count on it."
            yield _found("slips-in", Severity.WARNING, _path(listed[name]), cause, remedy)


def _unresolved(row: LedgerRow, run: str) -> tuple[str, str]:
    """Return what an unfinished row of another run, or of nobody known, means, and what to do."""
    log = (row.logs or "no log").strip().splitlines()[0]
    if run:
        cause = f"The run {run} left {row.name} unfinished, with {row.applied_steps} of its "
        cause += f"transactions committed: {log}"
        remedy = (
            f"Go on with that run, with its release and environment, or there {way_back(row.name)}."
        )
        return cause, remedy
    cause = f"An earlier try of {row.name} failed and was not resolved: {log}"
    return cause, f"Clear up, then: npx prisma migrate resolve --rolled-back {row.name}."


def _changed_halves(
    release: Release,
    plan: Plan,
    rows: Iterable[LedgerRow],
    own_rows: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Iterator[Finding]:
    """Yield where a file of which a part is in no longer says what is in."""
    splits = {step.name: step.split for step in plan.steps if step.kind is StepKind.APPLY}
    for row in rows:
        if not row.failed or row.id not in own_rows or row.name not in splits:
            continue
        migration = release.migration(row.name)
        try:
            pieces = transactions_of(migration.statements, splits[row.name])
            refuse_changed(Half.of(own_rows[row.id]), migration, pieces, row.applied_steps)
        except ReleaseError:
            continue  # a finding of the files themselves
        except GateError as error:
            known = error.path or release.name, error.message, error.remedy
            yield replace(_found("half-changed", Severity.ERROR, *known), line=error.line or 1)


def _found(rule: str, severity: Severity, path: str, cause: str, remedy: str) -> Finding:
    effect = "The target is not what the files say."
    return Finding("looking", rule, severity, path, 1, cause, effect, remedy)


def _path(migration: Migration) -> str:
    first = next(iter(migration.statements), None)
    return first.path if first else f"{migration.path.parent.name}/{migration.path.name}"


def _edited(migration: Migration, row: LedgerRow, fingerprints: Mapping[str, str]) -> Finding:
    how = how_it_differs(migration, row.checksum, fingerprints)
    cause = f"The file was edited after {row.name} was applied at {row.started_at:%Y-%m-%d %H:%M}: "
    cause += f"{how} (applied {row.checksum[:12]}, now {migration.checksum[:12]})."
    remedy = "Restore the file that was applied, and write the change as a new migration."
    severity = Severity.WARNING if how in HARMLESS else Severity.ERROR
    return _found("edited-after-applied", severity, _path(migration), cause, remedy)


def how_it_differs(migration: Migration, checksum: str, fingerprints: Mapping[str, str]) -> str:
    """Say how a file differs from the one whose checksum the ledger has.

    The ledger keeps a digest of the bytes alone: the file is digested with the other line ends, and
    its parse fingerprint is compared with the one recorded when it was applied, where it was.
    """
    data = migration.path.read_bytes().removeprefix(BOM_UTF8).replace(b"\r\n", b"\n")
    for text in (data, data.rstrip(b"\n"), data.rstrip(b"\n") + b"\n"):
        for ended in (text, text.replace(b"\n", b"\r\n")):
            for begun in (ended, BOM_UTF8 + ended):
                if hashlib.sha256(begun).hexdigest() == checksum:
                    return _ENDINGS
    if checksum not in fingerprints:
        return "its bytes differ, and no evidence of the run that applied it is here"
    if fingerprints[checksum] == fingerprint(data.decode(errors="replace")):
        return _COMMENTS
    return "its statements differ"
