"""Carry a plan out on a copy, statement by statement, and go on behind what fails."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from runbook_lib.checks.verify import Absent, find_absent
from runbook_lib.errors import GateError, ReleaseError, RunbookError, SqlState, StatementError
from runbook_lib.evidence.journal import LEDGER_ROW, Event, Listener, to_all
from runbook_lib.evidence.records import Outcome, StatementRun, Taken
from runbook_lib.evidence.run import Run
from runbook_lib.findings import Finding, Severity, remedy
from runbook_lib.migrate.apply import carry_out
from runbook_lib.migrate.execute import Applier, HeldRunner
from runbook_lib.migrate.row_counts import RowCounter
from runbook_lib.parser.transactions import transactions_of
from runbook_lib.postgres.connection import CleanSession, Database
from runbook_lib.rehearsal.failures import Failure, Unreadable, follow
from runbook_lib.rehearsal.observe import Probe
from runbook_lib.release.model import Migration, Release
from runbook_lib.release.plan import Step, StepKind


@dataclass
class Recording:
    """Keep the last run of each statement, unfinished ledger rows, and what transactions took."""

    runs: dict[tuple[str, str, int, int], StatementRun] = field(default_factory=dict)
    rows: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    taken: dict[tuple[str, int, str], Taken] = field(default_factory=dict)

    def keep(self, event: Event) -> None:
        """Keep a run in place of an earlier try; the second try goes on from a row."""
        if event.run is not None:
            run = event.run
            self.runs[run.step, run.path, run.number, run.transaction] = run
        elif event.name == LEDGER_ROW:
            self.rows[event.content["id"]] = [{"event": event.name, **event.content}]

    def count(self, found: Iterable[Taken]) -> None:
        """Keep what a transaction did to older tables."""
        self.taken |= {(item.step, item.transaction, item.table): item for item in found}

    def forget(self, wanted: Callable[[StatementRun], bool]) -> None:
        """Forget the runs that are told to be wanted."""
        for key, run in list(self.runs.items()):
            if wanted(run):
                del self.runs[key]


@dataclass(frozen=True)
class Tried:
    """Hold what came of each statement: its run, what failed, and the seconds of each step.

    ``absent`` is what reading wrongly takes to be there afterwards, nothing where one failed.
    """

    runs: tuple[StatementRun, ...]
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float]
    absent: Absent

    @property
    def whole(self) -> bool:
        """Tell whether every statement was carried out."""
        return not any(run.outcome is Outcome.FAILED for run in self.runs)


@dataclass(frozen=True)
class Trial:
    """Carry steps of a run's plan out on a copy; ``emit`` is told each event.

    What statements do is observed, and what is in their way is listed, where there is a ``probe``.
    """

    run: Run
    copy: Database
    emit: Listener
    counter: RowCounter | None = None
    probe: Probe | None = None
    recording: Recording = field(default_factory=Recording)

    def carry_out(self, steps: Iterable[Step]) -> Tried:
        """Try every statement: one that fails is set aside, and the next one tried."""
        took, refused = dict[str, float](), list[Finding]()
        lost = list(_unreadable(self.run))
        emit = to_all(self.recording.keep, self.emit)
        applier = Applier(self.copy, self.run.policy, emit, self.probe, counter=self.counter)
        with HeldRunner() as held, closing(CleanSession(self.copy)) as sessions:
            applier = replace(applier, sessions=sessions, held=held)
            for step in steps:
                begin = time.perf_counter()
                for item, text in self._try(applier, step):
                    refused.append(item)
                    lost.append(Unreadable(step.name, item.place, text))
                took[step.name] = time.perf_counter() - begin
        runs = tuple(self.recording.runs.values())
        failed = tuple(follow(self._failures(runs), lost, list(took)))
        absent = {} if failed or refused else self._absent()
        return Tried(runs, (*failed, *refused), took, absent)

    def _absent(self) -> Absent:
        with self.copy.runner_session() as connection:
            return find_absent(self.copy, connection, self.run.release)

    def _try(self, applier: Applier, step: Step) -> Iterator[tuple[Finding, str]]:
        """Carry a step out as on the target; where that fails, once more, going on after it.

        Yields what is refused, with the SQL that is therefore not carried out.
        """
        try:
            self._step(applier, step)
        except StatementError:
            mine = lambda run: run.step == step.name and run.outcome is Outcome.FAILED  # noqa: E731
            self.recording.forget(mine)
        except GateError as error:
            yield _refused(step.name, error), self._texts(step)
            return
        except ReleaseError:  # told below, one for each statement
            pass
        else:
            return
        faults = list[tuple[ReleaseError, str]]()
        release = _mended(self.run.release, step, faults)
        yield from ((_refused(step.name, error), text) for error, text in faults)
        try:
            self._step(replace(applier, go_on=True), step, release)
        except RunbookError as error:  # the commit failed, or something that nothing can pass over
            said_by = error.message
            self.recording.forget(lambda run: run.error == said_by)
            yield _refused(step.name, error), self._texts(step)

    def _step(self, applier: Applier, step: Step, release: Release | None = None) -> None:
        run = replace(self.run, release=release or self.run.release)
        carry_out(run, applier, step, lambda: self.recording.rows)

    def _texts(self, step: Step) -> str:
        """Return the SQL of a step that was rolled back as a whole: what it made is not there."""
        if step.kind is not StepKind.APPLY:
            return ""
        return "\n".join(item.sql for item in self.run.release.migration(step.name).statements)

    def _failures(self, runs: Sequence[StatementRun]) -> Iterator[Failure]:
        known = {(item.path, item.number): item for item in self.run.release.statements}
        for run in runs:
            if run.outcome is Outcome.FAILED:
                place = run.path, run.number
                why = self.probe.whys.get(place, "") if self.probe else ""
                yield Failure(run, known.get(place), why)


def _refused(step: str, error: RunbookError) -> Finding:
    return Finding(
        phase="rehearsal",
        rule="file-failed" if isinstance(error, StatementError) else "refused",
        severity=Severity.ERROR,
        path=error.path or step,
        line=error.line or 1,
        cause=error.message,
        effect="The file cannot be applied."
        if isinstance(error, ReleaseError)
        else "The file is rolled back as a whole.",
        remedy=error.remedy or remedy(error.sqlstate or ""),
        sqlstate=error.sqlstate or "",
    )


def _mended(release: Release, step: Step, faults: list[tuple[ReleaseError, str]]) -> Release:
    """Return the release without what keeps a step's file from being split into transactions.

    Each error joins ``faults``, with the SQL that is left out for it.
    """
    files = (_splittable(x, faults) if x.name == step.name else x for x in release.migrations)
    return replace(release, migrations=tuple(files))


def _splittable(migration: Migration, faults: list[tuple[ReleaseError, str]]) -> Migration:
    kept = list(migration.statements)
    while True:
        try:
            transactions_of(kept)
        except ReleaseError as error:
            inside = error.sqlstate == SqlState.ACTIVE_SQL_TRANSACTION
            here = (item for item in kept if item.line == error.line)
            bad = [item for item in here if (not item.transactional if inside else item.control)]
            if not bad:  # then no statement can be left out for it, and it would be told for ever
                raise
            faults.append((error, "\n".join(item.sql for item in bad)))
            kept = [item for item in kept if item not in bad]
        else:
            return replace(migration, statements=tuple(kept))


def _unreadable(run: Run) -> Iterator[Unreadable]:
    """Yield the parts of the pending files that could not be parsed, with their text."""
    for migration in run.release.migrations:
        begins = sorted({item.line for item in migration.statements})
        lines: list[str] = []
        for item in run.release.defects:
            if item.statement and item.path == _path_of(run, migration):
                lines = lines or migration.path.read_text(errors="replace").splitlines()
                end = next((line for line in begins if line > item.line), len(lines) + 1)
                text = "\n".join(lines[item.statement - 1 : end - 1])
                yield Unreadable(migration.name, item.place, text)


def _path_of(run: Run, migration: Migration) -> str:
    return str(migration.path.relative_to(run.release.root.parent))
