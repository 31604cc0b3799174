"""Rehearse the plan on the restored backup: restore, prove, apply, observe, take back."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.backup.archive import restore, swap
from runbook_lib.errors import GateError, ReleaseError, RunbookError, StatementError
from runbook_lib.evidence.journal import Watcher
from runbook_lib.evidence.records import Backup, Outcome, StatementRun
from runbook_lib.findings import Finding, Severity, remedy
from runbook_lib.parser.identifiers import quote
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database, names
from runbook_lib.postgres.process import Runner
from runbook_lib.rehearsal.failures import Failure, Unreadable, follow

FULL = "full"
_READERS = 2


@dataclass
class Recording:
    """Keep the last run of each statement and the unfinished ledger rows; pass everything on."""

    watcher: Watcher
    runs: dict[tuple[str, str, int, int], StatementRun] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)

    def started(self, step: str, statement: Statement) -> None:
        """Pass it on."""
        self.watcher.started(step, statement)

    def ended(self, run: StatementRun) -> None:
        """Keep it, in place of an earlier try."""
        self.runs[run.step, run.path, run.number, run.unit] = run
        self.watcher.ended(run)

    def ledger_row(self, step: str, row_id: str) -> None:
        """Keep it: the second try goes on from it."""
        self.rows.add(row_id)
        self.watcher.ledger_row(step, row_id)

    def event(self, name: str, step: str, **content: object) -> None:
        """Pass it on."""
        self.watcher.event(name, step, **content)

    def said(self, what: str) -> None:
        """Pass it on."""
        self.watcher.said(what)


# Carries one step of the plan out on a database; the flag says to go on after a failure.
CarryOut = Callable[[Database, str, Recording, bool], None]


@dataclass(frozen=True)
class Rehearsal:
    """Hold what a rehearsal saw; times in seconds, ``growth`` of the database in bytes.

    ``same_rows`` and ``same_contents`` are None where the rows were not restored. ``taken_back``
    says that after the rollback by restoring the schema was that of the backup; ``reverted`` is
    what kept a revert from leading there, empty where it did, None where it was not tried.
    """

    data: str
    restore_seconds: float
    apply_seconds: float
    rollback_seconds: float
    same_schema: bool
    same_rows: bool | None
    same_contents: bool | None
    taken_back: bool
    reverted: str | None
    fingerprint_after: str
    growth: int
    step_seconds: Mapping[str, float]
    runs: tuple[StatementRun, ...]
    findings: tuple[Finding, ...]

    @property
    def proven(self) -> bool:
        """Tell whether the backup restored to what it was taken of, and the rollback did again."""
        same = self.same_schema and self.same_rows is not False and self.same_contents is not False
        return same and self.taken_back

    @property
    def passed(self) -> bool:
        """Tell whether all of it was proven and nothing found that stops the release."""
        return self.proven and not any(item.blocks for item in self.findings)


@dataclass(frozen=True)
class Rehearser:
    """Say where and on what to rehearse: an empty database is made on ``server``.

    ``roles`` are those of the target; what the plan grants to them must be grantable here.
    """

    server: Database
    name: str
    major: int
    backup: Backup
    data: str
    roles: Sequence[str]
    run: Runner

    def _restored(self, dbname: str, **options: Any) -> Database:
        self.server.drop(dbname)
        self.server.create(dbname)
        made, archive = self.server.on(dbname), self.backup.archive
        restore(made, self.major, archive, self.run, with_owners=False, **options)
        return made

    def rehearse(
        self,
        steps: Sequence[str],
        statements: Iterable[Statement],
        unreadable: Iterable[Unreadable],
        watcher: Watcher,
        carry_out: CarryOut,
        check: Callable[[Connection], Iterable[Finding]],
        revert: Callable[[Database, snapshot.Snapshot], str],
    ) -> Rehearsal:
        """Restore, compare, carry the steps out there, and put a restored database in its place.

        A statement that fails is a finding, and the next one is tried: one rehearsal lists all.
        ``statements`` are the plan's; ``unreadable`` are parts of its files that did not parse.
        ``check`` looks at the result where every statement ran, and ``revert`` takes it back there,
        or says why it cannot. What takes the release back is the
        same archive, restored once more beside the work: its schema alone, for its rows were
        compared before.
        """
        files = {(item.path, item.number): item for item in statements}
        beside, kept = f"{self.name}_restored", f"{self.name}_kept"
        with ExitStack() as stack:
            stack.enter_context(_roles(self.server, self.roles, _created_roles(files.values())))
            helpers = stack.enter_context(ThreadPoolExecutor(_READERS))
            stack.callback(lambda: list(helpers.map(self.server.drop, (self.name, kept, beside))))
            self.server.drop(kept)
            begin = time.perf_counter()
            with_rows = self.data == FULL
            copy = self._restored(self.name, with_rows=with_rows)
            restore_seconds = time.perf_counter() - begin
            schema = _snapshot(copy, settings=True)
            contents = _contents(copy, helpers) if with_rows else None
            restoring = helpers.submit(self._restored, beside, with_rows=False, jobs=1)
            with copy.connect() as connection:
                before = connection.value(_SIZE)
                ledger.resolve_failed(connection)
            recording, found, took = Recording(watcher), list[Finding](), dict[str, float]()
            lost = list(unreadable)
            for step in steps:
                begin = time.perf_counter()
                refused = list(_try(copy, step, recording, carry_out))
                found += refused
                lost += [Unreadable(item.place, _texts(recording, step, files)) for item in refused]
                took[step] = time.perf_counter() - begin
            fingerprint = helpers.submit(_snapshot, copy)
            with copy.connect() as connection:
                whole = not any(run.outcome is Outcome.FAILED for run in recording.runs.values())
                found += check(connection) if whole else ()
                after = fingerprint.result().fingerprint
                growth = connection.value(_SIZE) - before
            reverted = revert(copy, schema) if whole else None
            restoring.result()
            begin = time.perf_counter()
            swap(copy, beside, kept)
            back = _snapshot(copy).fingerprint
            rollback_seconds = time.perf_counter() - begin
        same_rows = same_contents = None
        if contents is not None:
            rows, checksums = snapshot.rows_and_checksums(contents)
            same_rows, same_contents = rows == self.backup.rows, checksums == self.backup.checksums
        runs = tuple(recording.runs.values())
        failures = _failures(runs, files)
        return Rehearsal(
            data=self.data,
            restore_seconds=restore_seconds,
            apply_seconds=sum(took.values()),
            rollback_seconds=rollback_seconds,
            same_schema=schema.fingerprint == self.backup.schema_fingerprint,
            same_rows=same_rows,
            same_contents=same_contents,
            taken_back=back == self.backup.schema_fingerprint,
            reverted=reverted,
            fingerprint_after=after,
            growth=growth,
            step_seconds=took,
            runs=runs,
            findings=(*follow(failures, lost), *found),
        )


def _snapshot(database: Database, *, settings: bool = False) -> snapshot.Snapshot:
    with database.connect() as connection:
        return snapshot.take_snapshot(connection, settings=settings)


def _contents(restored: Database, helpers: ThreadPoolExecutor) -> dict[str, snapshot.Contents]:
    """Read every row; the tables are dealt out to as many sessions, the largest first."""
    with restored.connect() as connection:
        tables = snapshot.tables_by_size(connection)

    def read(mine: Sequence[tuple[str, str]]) -> dict[str, snapshot.Contents]:
        with restored.connect() as connection:
            return snapshot.read_contents(connection, mine)

    shares = [tables[place::_READERS] for place in range(_READERS)]
    return {name: found for part in helpers.map(read, shares) for name, found in part.items()}


_SIZE = "SELECT pg_database_size(current_database())"


def _try(copy: Database, step: str, recording: Recording, carry_out: CarryOut) -> Iterator[Finding]:
    """Carry a step out as on the target; where that fails, once more, going on after failures."""
    try:
        carry_out(copy, step, recording, False)
    except StatementError:
        for key in [key for key, run in recording.runs.items() if run.step == step]:
            if recording.runs[key].outcome is Outcome.FAILED:
                del recording.runs[key]
    except (GateError, ReleaseError) as error:
        yield _refused(step, error)
        return
    else:
        return
    try:
        carry_out(copy, step, recording, True)
    except RunbookError as error:  # the commit failed, or something that nothing can pass over
        failed = [key for key, run in recording.runs.items() if run.error == error.message]
        for key in failed:
            del recording.runs[key]
        yield _refused(step, error)


def _refused(step: str, error: RunbookError) -> Finding:
    return Finding(
        phase="rehearsal",
        rule="file-failed" if isinstance(error, StatementError) else "refused",
        severity=Severity.ERROR,
        path=error.path or step,
        line=error.line or 1,
        cause=error.message,
        effect="Nothing of the file stays.",
        remedy=error.remedy or remedy(error.sqlstate or ""),
        sqlstate=error.sqlstate or "",
    )


Files = Mapping[tuple[str, int], Statement]


def _failures(runs: Iterable[StatementRun], files: Files) -> Iterator[Failure]:
    for run in runs:
        if run.outcome is Outcome.FAILED:
            yield Failure(run, files.get((run.path, run.number)))


def _texts(recording: Recording, step: str, files: Files) -> str:
    """Return the SQL of a step that was rolled back as a whole: what it made is not there."""
    mine = (
        files.get((run.path, run.number)) for run in recording.runs.values() if run.step == step
    )
    return "\n".join(item.sql for item in mine if item is not None)


def _created_roles(statements: Iterable[Statement]) -> frozenset[str]:
    parts = (part for item in statements for part in (item, *item.inner))
    return frozenset(made.name for part in parts for made in part.creates if made.kind == "role")


@contextmanager
def _roles(server: Database, wanted: Sequence[str], created: Set[str]) -> Iterator[None]:
    """Make the target's roles, which grants in the files name, and drop them afterwards.

    Roles belong to the whole server: those that the rehearsed files create go as well, or they
    would be in the way later.
    """
    before = _known_roles(server)
    with server.connect() as connection:
        for role in wanted:
            if role not in before:
                connection.execute(f"CREATE ROLE {quote(role)} NOLOGIN")
    try:
        yield
    finally:
        with server.connect() as connection:
            for role in sorted({*wanted, *created} - before):
                connection.execute(f"DROP ROLE IF EXISTS {quote(role)}")


def _known_roles(server: Database) -> frozenset[str]:
    with server.connect() as connection:
        return names(connection.rows("SELECT rolname FROM pg_roles"), "rolname")
