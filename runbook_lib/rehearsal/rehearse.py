"""Rehearse the plan on the restored backup: restore, prove, apply, observe, take back."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from runbook_lib.backup.archive import swap
from runbook_lib.backup.files import read_snapshot
from runbook_lib.checks.query_checks import run_checks
from runbook_lib.checks.verify import Absent
from runbook_lib.evidence.journal import Listener
from runbook_lib.evidence.records import (
    Backup,
    Loss,
    StatementRun,
    Status,
    Taken,
    WayBack,
)
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import Finding, Severity
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import (
    Connection,
    Database,
)
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.rehearsal import outward
from runbook_lib.rehearsal.losses import Pristine
from runbook_lib.rehearsal.observe import Probe
from runbook_lib.rehearsal.trial import Recording, Trial
from runbook_lib.rehearsal.ways import Ways
from runbook_lib.rehearsal.world import FULL, World, open_world
from runbook_lib.rollback.reprint import as_printed

_READERS = 2
_SHOWN = 3
_MEGABYTE = 1024 * 1024
_BESIDE, _KEPT = "runbook_restored", "runbook_kept"
_SIZE = "SELECT pg_catalog.pg_database_size(current_database())"


@dataclass(frozen=True)
class Rehearsal:
    """Hold what a rehearsal saw; times in seconds, ``growth`` of the database in bytes.

    ``schema_differs`` names where the restored schema is not the one that the backup recorded.
    ``same_rows`` and ``same_contents`` are None where the rows were not restored. ``taken_back``
    says that after the rollback by restoring the schema was that of the backup; ``ways`` are the
    ways back that were carried out, no revert where statements failed. ``losses`` is what older
    tables lost, None where rows were not restored, ``sampled`` those of which not every row was
    compared, ``taken`` what each transaction did to them. ``absent`` is what reading wrongly takes
    to be there afterwards. ``differs`` says where the rehearsal's
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
    absent: Absent

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
    found = (*outward.softened(seen.findings, run.release), *outward.unproven(run.release))
    return replace(seen, findings=(*world.findings, *found))


@dataclass(frozen=True)
class Rehearser:
    """Rehearse the plan of a run in a world of its own; ``emit`` is told each event."""

    run: Run
    backup: Backup
    world: World
    emit: Listener

    def rehearse(self, restore_seconds: float) -> Rehearsal:
        """Do all of it; the backup is restored already, and took so many seconds."""
        copy, recording = self.world.copy, Recording()
        begin = time.perf_counter()
        pristine = Pristine.of(self.world.restorer.place, copy)
        counted = pristine if self._with_rows else None
        compare_seconds = time.perf_counter() - begin
        with ThreadPoolExecutor(_READERS) as helpers:
            restoring = helpers.submit(self.world.restorer.schema_beside, _BESIDE)
            schema = _snapshot(copy, settings=True)
            started = schema, pristine, restore_seconds
            ways = Ways(self.run, self.backup, self.world, self.emit, *started)
            contents = _contents(copy, helpers) if self._with_rows else None
            before = self._prepare(copy)
            counter = counted.counter(recording.count) if counted else None
            trial = Trial(self.run, copy, self.emit, counter, Probe(), recording)
            tried = trial.carry_out(self.run.plan.steps)
            begin = time.perf_counter()
            losses, sampled = self._lost(counted) if counted else (None, ())
            compare_seconds += time.perf_counter() - begin
            ways.keep_applied()
            after = helpers.submit(_snapshot, copy)
            found, growth = self._looked_at(copy, before, whole=tried.whole)
            reached = after.result().fingerprint
            taken_back = [ways.revert()] if tried.whole else []
            taken_back += ways.restored()
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
        return Rehearsal(
            data=self.run.policy.rehearsal.data,
            restore_seconds=restore_seconds,
            apply_seconds=sum(tried.seconds.values()),
            compare_seconds=compare_seconds,
            rollback_seconds=rollback_seconds,
            schema_differs=_differing(recorded, schema),
            same_rows=same_rows,
            same_contents=same_contents,
            taken_back=not _differing(recorded, back),
            ways=tuple(taken_back),
            fingerprint_after=reached,
            growth=growth,
            step_seconds=tried.seconds,
            runs=tried.runs,
            findings=(*tried.findings, *found),
            differs=tuple(self.world.differs),
            losses=losses,
            sampled=sampled,
            taken=tuple(recording.taken.values()),
            absent=tried.absent,
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

    def _prepare(self, copy: Database) -> int:
        """Let nothing of the ledger block the copy; return its size in bytes."""
        with copy.runner_session() as connection:
            size: int = connection.value(_SIZE)
            ledger.resolve_failed(connection, Sender(self.emit, "rehearsal: ledger").change)
        return size

    def _lost(self, pristine: Pristine) -> tuple[tuple[Loss, ...], tuple[str, ...]]:
        """Count what older tables lost, and name those compared by a sample."""
        return pristine.losses(self.run.policy.rehearsal.compare_whole * _MEGABYTE)

    def _looked_at(self, copy: Database, before: int, *, whole: bool) -> tuple[list[Finding], int]:
        """Return the checks that do not hold after the release, and by how much it grew."""
        with copy.connect() as session:  # the checks find names as the files do
            found = list(_checks_failed(self.run, session)) if whole else []
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
