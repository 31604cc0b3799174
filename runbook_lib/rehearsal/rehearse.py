"""Rehearse the plan on the restored backup: restore, prove, apply, observe, take back."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace

from runbook_lib.backup.archive import swap
from runbook_lib.backup.files import read_snapshot
from runbook_lib.checks.query_checks import run_checks
from runbook_lib.errors import GateError, ReleaseError, RunbookError, StatementError
from runbook_lib.evidence.journal import LEDGER_ROW, Event, Listener, to_all
from runbook_lib.evidence.records import (
    Backup,
    Loss,
    Outcome,
    StatementRun,
    Status,
    Taken,
    WayBack,
)
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import Finding, Severity, remedy
from runbook_lib.migrate.apply import carry_out
from runbook_lib.migrate.execute import Applier
from runbook_lib.parser.statement import Statement
from runbook_lib.parser.transactions import transactions_of
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import (
    CleanSession,
    Connection,
    Database,
)
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.rehearsal import outward
from runbook_lib.rehearsal.failures import Failure, Unreadable, follow
from runbook_lib.rehearsal.losses import Pristine
from runbook_lib.rehearsal.observe import Probe
from runbook_lib.rehearsal.ways import Ways
from runbook_lib.rehearsal.world import FULL, World, open_world
from runbook_lib.release.model import Migration, Release
from runbook_lib.release.plan import Step
from runbook_lib.rollback.reprint import as_printed

_READERS = 2
_SHOWN = 3
_MEGABYTE = 1024 * 1024
_BESIDE, _KEPT = "runbook_restored", "runbook_kept"
_SIZE = "SELECT pg_catalog.pg_database_size(current_database())"

Files = Mapping[tuple[str, int], Statement]
"""The statements of the release by path and place."""


@dataclass
class Recording:
    """Keep the last run of each statement, unfinished ledger rows, and what transactions took."""

    runs: dict[tuple[str, str, int, int], StatementRun] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    taken: dict[tuple[str, int, str], Taken] = field(default_factory=dict)

    def keep(self, event: Event) -> None:
        """Keep a run in place of an earlier try; the second try goes on from a row."""
        if event.run is not None:
            run = event.run
            self.runs[run.step, run.path, run.number, run.transaction] = run
        elif event.name == LEDGER_ROW:
            self.rows.add(event.content["id"])

    def count(self, found: Iterable[Taken]) -> None:
        """Keep what a transaction did to older tables."""
        self.taken |= {(item.step, item.transaction, item.table): item for item in found}

    def of(self, step: str) -> list[StatementRun]:
        """Return the runs of one step."""
        return [run for run in self.runs.values() if run.step == step]

    def forget(self, wanted: Callable[[StatementRun], bool]) -> None:
        """Forget the runs that are told to be wanted."""
        for key, run in list(self.runs.items()):
            if wanted(run):
                del self.runs[key]


@dataclass(frozen=True)
class Rehearsal:
    """Hold what a rehearsal saw; times in seconds, ``growth`` of the database in bytes.

    ``schema_differs`` names where the restored schema is not the one that the backup recorded.
    ``same_rows`` and ``same_contents`` are None where the rows were not restored. ``taken_back``
    says that after the rollback by restoring the schema was that of the backup; ``ways`` are the
    ways back that were carried out, no revert where statements failed. ``losses`` is what older
    tables lost, None where rows were not restored, ``sampled`` those of which not every row was
    compared, ``taken`` what each transaction did to them. ``differs`` says where the rehearsal's
    server could not be made like the target's.
    """

    data: str
    restore_seconds: float
    apply_seconds: float
    compare_seconds: float
    rollback_seconds: float
    schema_differs: tuple[str, ...]
    same_rows: bool | None
    same_contents: bool | None
    taken_back: bool
    ways: tuple[WayBack, ...]
    fingerprint_after: str
    growth: int
    step_seconds: Mapping[str, float]
    runs: tuple[StatementRun, ...]
    findings: tuple[Finding, ...]
    differs: tuple[str, ...]
    losses: tuple[Loss, ...] | None
    sampled: tuple[str, ...]
    taken: tuple[Taken, ...]

    @property
    def same_schema(self) -> bool:
        """Tell whether the restored schema is the one that the backup recorded."""
        return not self.schema_differs

    @property
    def proven(self) -> bool:
        """Tell whether the backup restored to what it was taken of, and the rollback did again."""
        same = self.same_schema and self.same_rows is not False and self.same_contents is not False
        return same and self.taken_back

    @property
    def unproven(self) -> int:
        """Return how many statements it could not try."""
        return sum(item.rule == outward.UNPROVEN for item in self.findings)

    @property
    def passed(self) -> bool:
        """Tell whether all of it was proven and nothing found that stops the release."""
        return self.proven and not any(item.blocks for item in self.findings)


def rehearse(run: Run, backup: Backup, emit: Listener) -> Rehearsal:
    """Restore the backup, compare it, carry the plan out on it, and take that back both ways.

    A statement that fails is a finding, and the next one is tried: one rehearsal lists all. What
    takes the release back is a revert, and the same archive restored once more beside the work: its
    schema alone, for its rows were compared before.
    """
    begin = time.perf_counter()
    inside = replace(run, release=outward.without(run.release))
    with open_world(run, backup, Sender(emit, "rehearsal: restore")) as world:
        seen = Rehearser(inside, backup, world, emit).rehearse(time.perf_counter() - begin)
    found = (*map(outward.softened, seen.findings), *outward.unproven(run.release))
    return replace(seen, findings=(*world.findings, *found))


@dataclass(frozen=True)
class Rehearser:
    """Rehearse the plan of a run in a world of its own; ``emit`` is told each event."""

    run: Run
    backup: Backup
    world: World
    emit: Listener
    probe: Probe = field(default_factory=Probe)
    recording: Recording = field(default_factory=Recording)

    @property
    def _statements(self) -> dict[tuple[str, int], Statement]:
        items = (x for migration in self.run.release.migrations for x in migration.statements)
        return {(item.path, item.number): item for item in items}

    def rehearse(self, restore_seconds: float) -> Rehearsal:
        """Do all of it; the backup is restored already, and took so many seconds."""
        files, copy = self._statements, self.world.copy
        begin = time.perf_counter()
        pristine = Pristine.of(self.world.restorer.place, copy)
        counted = pristine if self._with_rows else None
        compare_seconds = time.perf_counter() - begin
        with ThreadPoolExecutor(_READERS) as helpers:
            restoring = helpers.submit(self.world.restorer.schema_beside, _BESIDE)
            schema = _snapshot(copy, settings=True)
            ways = Ways(self.run, self.backup, self.world, self.emit, schema, pristine)
            contents = _contents(copy, helpers) if self._with_rows else None
            before = self._prepare(copy)
            took, refused, lost = self._apply(copy, files, counted)
            begin = time.perf_counter()
            losses, sampled = self._lost(counted) if counted else (None, ())
            compare_seconds += time.perf_counter() - begin
            ways.keep_applied()
            after = helpers.submit(_snapshot, copy)
            found, growth = self._looked_at(copy, before)
            reached = after.result().fingerprint
            tried = [ways.revert()] if self._whole else []
            tried += ways.restored()
            pristine.drop()
            restoring.result()
            begin = time.perf_counter()
            swap(self.world.maintained, _BESIDE, _KEPT)
            back = _snapshot(copy)
            rollback_seconds = time.perf_counter() - begin
            recorded = self._recorded(copy, schema, back)
        same_rows = same_contents = None
        if contents is not None:
            rows, checksums = snapshot.rows_and_checksums(contents)
            same_rows, same_contents = rows == self.backup.rows, checksums == self.backup.checksums
        runs = tuple(self.recording.runs.values())
        return Rehearsal(
            data=self.run.policy.rehearsal.data,
            restore_seconds=restore_seconds,
            apply_seconds=sum(took.values()),
            compare_seconds=compare_seconds,
            rollback_seconds=rollback_seconds,
            schema_differs=_differing(recorded, schema),
            same_rows=same_rows,
            same_contents=same_contents,
            taken_back=not _differing(recorded, back),
            ways=tuple(tried),
            fingerprint_after=reached,
            growth=growth,
            step_seconds=took,
            runs=runs,
            findings=(*follow(_failures(runs, files), lost), *refused, *found),
            differs=tuple(self.world.differs),
            losses=losses,
            sampled=sampled,
            taken=tuple(self.recording.taken.values()),
        )

    def _recorded(self, restored: Database, *found: Snapshot) -> Snapshot:
        """Return the schema that the backup recorded, as the rehearsal's server prints it.

        What was restored was ``found`` so; where that is equal, nothing has to be sent.
        """
        schema = read_snapshot(self.backup)
        if schema.fingerprint != self.backup.schema_fingerprint:
            return Snapshot({})
        if all(item.fingerprint == schema.fingerprint for item in found):
            return schema
        send = Sender(self.emit, "rehearsal: compare").change
        with restored.runner_session() as connection:
            now = snapshot.take_snapshot(connection, settings=True)
            return as_printed(connection, schema, now, send)

    @property
    def _with_rows(self) -> bool:
        return self.run.policy.rehearsal.data == FULL

    @property
    def _whole(self) -> bool:
        """Tell whether every statement was carried out."""
        return not any(run.outcome is Outcome.FAILED for run in self.recording.runs.values())

    def _prepare(self, copy: Database) -> int:
        """Let nothing of the ledger block the copy; return its size in bytes."""
        with copy.runner_session() as connection:
            size: int = connection.value(_SIZE)
            ledger.resolve_failed(connection, Sender(self.emit, "rehearsal: ledger").change)
        return size

    def _apply(
        self, copy: Database, files: Files, pristine: Pristine | None
    ) -> tuple[dict[str, float], list[Finding], list[Unreadable]]:
        """Carry every step out; return the seconds of each, what was refused, what was not run."""
        took, found = dict[str, float](), list[Finding]()
        lost = list(_unreadable(self.run))
        counter = pristine.counter(self.recording.count) if pristine else None
        applier = Applier(copy, self.run.policy, self._emit, self.probe, counter=counter)
        with closing(CleanSession(copy)) as sessions:
            for step in self.run.plan.steps:
                begin = time.perf_counter()
                refused = list(self._try(replace(applier, sessions=sessions), step))
                found += refused
                lost += [Unreadable(item.place, self._texts(step, files)) for item in refused]
                took[step.name] = time.perf_counter() - begin
        return took, found, lost

    @property
    def _emit(self) -> Listener:
        return to_all(self.recording.keep, self.emit)

    def _try(self, applier: Applier, step: Step) -> Iterator[Finding]:
        """Carry a step out as on the target; where that fails, once more, going on after it."""
        try:
            self._carry_out(applier, step)
        except StatementError:
            mine = lambda run: run.step == step.name and run.outcome is Outcome.FAILED  # noqa: E731
            self.recording.forget(mine)
        except (GateError, ReleaseError) as error:
            yield _refused(step.name, error)
            return
        else:
            return
        try:
            self._carry_out(replace(applier, go_on=True), step)
        except RunbookError as error:  # the commit failed, or something that nothing can pass over
            said_by = error.message
            self.recording.forget(lambda run: run.error == said_by)
            yield _refused(step.name, error)

    def _carry_out(self, applier: Applier, step: Step) -> None:
        run = self.run
        if applier.go_on:
            run = replace(run, release=_mended(run.release))
        carry_out(run, applier, step, lambda: self.recording.rows)

    def _lost(self, pristine: Pristine) -> tuple[tuple[Loss, ...], tuple[str, ...]]:
        """Count what older tables lost, and name those compared by a sample."""
        return pristine.losses(self.run.policy.rehearsal.compare_whole * _MEGABYTE)

    def _texts(self, step: Step, files: Files) -> str:
        """Return the SQL of a step that was rolled back as a whole: what it made is not there."""
        mine = (files.get((run.path, run.number)) for run in self.recording.of(step.name))
        return "\n".join(item.sql for item in mine if item is not None)

    def _looked_at(self, copy: Database, before: int) -> tuple[list[Finding], int]:
        """Return the checks that do not hold after the release, and by how much it grew."""
        with copy.connect() as session:  # the checks find names as the files do
            found = list(_checks_failed(self.run, session)) if self._whole else []
            return found, session.value(_SIZE) - before


def _differing(recorded: Snapshot, found: Snapshot) -> tuple[str, ...]:
    return tuple(str(item) for item in snapshot.difference(recorded, found)[:_SHOWN])


def _snapshot(database: Database, *, settings: bool = False) -> Snapshot:
    with database.runner_session() as connection:
        return snapshot.take_snapshot(connection, settings=settings)


def _contents(restored: Database, helpers: ThreadPoolExecutor) -> dict[str, snapshot.Contents]:
    """Read every row; the tables are dealt out to as many sessions, the largest first."""
    with restored.runner_session() as connection:
        tables = snapshot.tables_by_size(connection)

    def read(mine: Sequence[tuple[str, str]]) -> dict[str, snapshot.Contents]:
        with restored.runner_session() as connection:
            return snapshot.read_contents(connection, mine)

    shares = [tables[place::_READERS] for place in range(_READERS)]
    return {name: found for part in helpers.map(read, shares) for name, found in part.items()}


def _refused(step: str, error: RunbookError) -> Finding:
    return Finding(
        phase="rehearsal",
        rule="file-failed" if isinstance(error, StatementError) else "refused",
        severity=Severity.ERROR,
        path=error.path or step,
        line=error.line or 1,
        cause=error.message,
        effect="The file is rolled back as a whole.",
        remedy=error.remedy or remedy(error.sqlstate or ""),
        sqlstate=error.sqlstate or "",
    )


def _failures(runs: Iterable[StatementRun], files: Files) -> Iterator[Failure]:
    for run in runs:
        if run.outcome is Outcome.FAILED:
            yield Failure(run, files.get((run.path, run.number)))


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


def _mended(release: Release) -> Release:
    """Return the release without what keeps a file from being split into transactions."""
    return replace(release, migrations=tuple(_splittable(item) for item in release.migrations))


def _splittable(migration: Migration) -> Migration:
    try:
        transactions_of(migration.statements)
    except ReleaseError:
        kept = [item for item in migration.statements if item.transactional and not item.control]
        return replace(migration, statements=tuple(kept))
    return migration


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
                yield Unreadable(item.place, text)


def _path_of(run: Run, migration: Migration) -> str:
    return str(migration.path.relative_to(run.release.root.parent))
