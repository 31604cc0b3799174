"""Carry each way back out on the copy, as it will be run, and compare with the start.

The start is the pristine copy beside. A revert is lossless only where older rows, sequences and
large objects are then what they were there; what is not is counted.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from runbook_lib.errors import RunbookError, StatementError
from runbook_lib.evidence.journal import Listener, said
from runbook_lib.evidence.records import Backup, WayBack
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres import process, snapshot, tools
from runbook_lib.postgres.connection import SQL, Connection, Database, Identifier
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.sequences import read_sequences
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.redaction import redact
from runbook_lib.rehearsal.compare import Table, read_tables, tables_of
from runbook_lib.rehearsal.losses import PRISTINE, Pristine, duplicate
from runbook_lib.rehearsal.world import FULL, World
from runbook_lib.release.plan import StepKind
from runbook_lib.rollback.attempt import IN_PLACE, RESTORE, REVERT
from runbook_lib.rollback.diagnosis import diagnose
from runbook_lib.rollback.in_place import restore_in_place
from runbook_lib.rollback.losses import LARGE_OBJECTS
from runbook_lib.rollback.restore import MAY_NOT_CREATE, Restorer, can_create, exists, losses
from runbook_lib.rollback.revert import revert

_APPLIED = "runbook_applied"
_WITHOUT_ROWS = "the policy rehearses without rows"
_HASHES = "runbook_hashes"
_COUNTED = 5.0  # seconds for the sessions that wrote to end
_LOOK = 0.02
_SHOWN = 3
_NO_SCHEMA = ("--", "\\restrict ", "\\unrestrict ")  # comments, and a word of each dump's own
_TRACKING = "track_counts"


@dataclass(frozen=True)
class Ways:
    """Carry out the ways back of a release on the copy of a world, and hold it against its start.

    ``schema`` is that of the start, which ``pristine`` keeps. ``restore_seconds`` is how long
    the whole backup took to be restored, as it has to be in a restore beside.
    """

    run: Run
    backup: Backup
    world: World
    emit: Listener
    schema: Snapshot
    pristine: Pristine
    restore_seconds: float

    def revert(self) -> WayBack:
        """Take the release back by a revert, and count what is then not as it was."""
        begin = time.perf_counter()
        failed = self._reverted()
        seconds = time.perf_counter() - begin
        if failed := failed or self._dumped_otherwise():
            return WayBack(REVERT, failed)
        if self.run.policy.rehearsal.data != FULL:
            return WayBack(REVERT, unproven=_WITHOUT_ROWS)
        try:
            return WayBack(REVERT, stays=dict(self._stays()), seconds=seconds)
        except StatementError as error:
            return WayBack(REVERT, unproven=f"the rows could not be compared: {error.message}")

    def _reverted(self) -> str:
        """Revert; return why that is not possible, empty where it is."""
        self.emit(said("rehearsal: revert", "reverting the release"))
        steps = [step for step in self.run.plan.steps if step.kind is StepKind.APPLY]
        applied = [self.run.release.migration(step.name) for step in steps]
        with self.world.copy.runner_session() as connection:
            seen = diagnose(connection, self.schema, None, applied)
        if not seen.revertible:
            return f"no statement takes back what it changes: {', '.join(seen.stuck[:3])}"
        indexes = replace(self.run.policy.indexes, concurrent=False)  # nobody else is there
        alone = replace(self.run.policy, indexes=indexes)
        try:
            revert(self.world.copy, alone, seen, seen.data, Sender(self.emit, "rehearsal: revert"))
        except RunbookError as error:
            return error.message
        return ""

    def _dumped_otherwise(self) -> str:
        """Say what pg_dump writes of the copy that it did not of the start, empty for nothing."""
        place = self.world.restorer.place
        with ThreadPoolExecutor(2) as pool:
            both = place.database(PRISTINE), self.world.maintained
            start, now = pool.map(self._dumped, both)
        other = [*(start - now).elements(), *(now - start).elements()]
        shown = "; ".join(redact(line.strip()) for line in other[:_SHOWN])
        return (
            f"pg_dump writes of {len(other)} lines what it did not before: {shown}" if other else ""
        )

    def _dumped(self, database: Database) -> Counter[str]:
        """Return the lines of a schema as pg_dump writes it: their order tells no difference."""
        pg_dump = tools.find_program("pg_dump", server_major=self.world.restorer.place.major)
        argv = tools.schema_argv(pg_dump, database.conninfo(), snapshot.LEDGER)
        said_by = process.run(argv, env=database.tool_environment()).stdout
        return Counter(x for x in said_by.splitlines() if x and not x.startswith(_NO_SCHEMA))

    def restore(self) -> WayBack:
        """Restore beside as the role that migrates; the rows were compared when the copy was made.

        A superuser's definitions are restored by the rehearsal itself, which runs none of them.
        """
        copy, done = self.world.copy, WayBack(RESTORE, seconds=self.restore_seconds)
        if self.run.policy.rehearsal.data != FULL:
            done = WayBack(RESTORE, unproven=_WITHOUT_ROWS)
        if self.world.role_is_superuser:
            return done
        self.emit(said("rehearsal: restore beside", "restoring beside as the role that migrates"))
        sender = Sender(self.emit, "rehearsal: restore beside")
        major = self.world.restorer.place.major
        with copy.runner_session() as connection:
            if not can_create(connection):
                return WayBack(RESTORE, MAY_NOT_CREATE)
        try:
            policy = self.run.policy
            Restorer(copy, major, self.backup, policy, sender, with_rows=False).beside()
        except RunbookError as error:
            return WayBack(RESTORE, error.message)
        return done

    def keep_applied(self) -> None:
        """Keep the copy as the release left it, where a restore in place may have to be tried."""
        copy = self.world.maintained
        if self.world.role_is_superuser or self.run.policy.rehearsal.data != FULL:
            return
        duplicate(copy, _APPLIED)
        with copy.maintenance().runner_session() as connection:
            both = {"dbname": copy.dbname, "into": _APPLIED}
            for row in connection.rows(load("database_settings"), both):
                connection.execute(row["statement"])

    def restored(self) -> Iterator[WayBack]:
        """Restore beside, and in place where that is not possible."""
        beside = self.restore()
        yield beside
        if beside.failed:
            yield from self.in_place()

    def in_place(self) -> Iterator[WayBack]:
        """Restore in place as the role that migrates, where the release was kept applied."""
        source = self.world.restorer.source
        applied = self.world.restorer.place.database(_APPLIED, source.role)
        with self.world.maintained.runner_session() as connection:
            if not exists(connection, _APPLIED):
                return
        step = f"rehearsal: {IN_PLACE}"
        self.emit(said(step, "restoring in place as the role that migrates"))
        major, sender = self.world.restorer.place.major, Sender(self.emit, step)
        restorer = Restorer(applied, major, self.backup, self.run.policy, sender)
        try:
            with applied.runner_session() as connection:
                tables = snapshot.tables_by_size(connection)
                left = snapshot.read_contents(connection, tables)
                lost = {item.table: item.now for item in losses(connection, self.backup)}
            begin = time.perf_counter()
            restore_in_place(restorer, self.schema, lost)
            seconds = time.perf_counter() - begin
            stays = dict(self._stays_beside_rows(_APPLIED))
        except RunbookError as error:
            yield WayBack(IN_PLACE, error.message)
            return
        checksums = snapshot.rows_and_checksums(left)[1]
        yield WayBack(IN_PLACE, stays=stays, checksums=checksums, seconds=seconds)

    def _stays_beside_rows(self, dbname: str) -> Iterator[tuple[str, int]]:
        """Yield what is not as it was at the start of sequences and large objects."""
        place = self.world.restorer.place
        with (
            place.database(PRISTINE).runner_session() as start,
            place.database(dbname).runner_session() as copy,
        ):
            yield from _sequences_behind(start, copy)
            yield from _large_objects(start, copy)

    def _stays(self) -> Iterator[tuple[str, int]]:
        """Yield what is not as it was at the start: by name, how many rows, values or objects."""
        place, source = self.world.restorer.place, self.world.restorer.source
        with self.world.maintained.runner_session() as copy:
            moved = self._moved(copy)
        yield from self._stays_beside_rows(source.dbname)
        with (  # no superuser may evaluate what is a column's
            place.database(PRISTINE, source.role).runner_session() as start,
            self.world.copy.runner_session() as copy,
        ):
            yield from _changed_rows(start, copy, moved)

    def _moved(self, copy: Connection) -> list[tuple[str, str]]:
        """Return the tables whose rows may be others: all where what was written is not counted."""
        now = read_tables(copy) if self._counted(copy) else {}
        older = [x for x in tables_of(self.pristine.tables) if _mark(now.get(x.oid)) != _mark(x)]
        return sorted((table.schema, table.name) for table in older)

    def _counted(self, copy: Connection) -> bool:
        """Tell whether all that the plan wrote is counted: for that, who wrote has to be gone."""
        if any(_TRACKING in item.sql.lower() for item in self.run.release.statements):
            return False
        with self.world.copy.connect() as session:
            if session.value(f"SHOW {_TRACKING}") != "on":
                return False
        until = time.monotonic() + _COUNTED
        while not (counted := bool(copy.value(load("rows_counted")))) and time.monotonic() < until:
            time.sleep(_LOOK)
        return counted


def _mark(table: Table | None) -> object:
    """Return what moves of a table when its rows do: its file, and how many rows were written."""
    if table is None:
        return None
    return table.qualified, table.file, table.inserted, table.touched


def _changed_rows(
    start: Connection, copy: Connection, tables: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, int]]:
    columns = snapshot.columns_by_table(start)
    with start.transaction(), copy.transaction():
        for each in (start, copy):
            each.rows(load("content_settings"))
        for table in tables:
            if count := _count_changed(start, copy, table, columns.get(table)):
                yield ".".join(table), count


def _count_changed(
    start: Connection, copy: Connection, table: tuple[str, str], columns: str | None
) -> int:
    """Count the rows that are gone or others, or those that are new, whichever are more."""
    hashed = f"hash_record_extended(ROW({columns}), 0)" if columns else "0::bigint"
    parts = {
        "hashes": Identifier(_HASHES),
        "read": SQL("SELECT {} AS hash FROM ONLY {}").format(SQL(hashed), Identifier(*table)),
    }
    with copy.transaction():
        copy.execute(SQL("CREATE TEMPORARY TABLE {hashes} (hash bigint)").format(**parts))
        read, write = SQL("COPY ({read}) TO STDOUT"), SQL("COPY {hashes} FROM STDIN")
        start.copy(read.format(**parts), copy, write.format(**parts))
        changed: int = copy.value(SQL(_CHANGED).format(**parts))
        copy.execute(SQL("DROP TABLE {hashes}").format(**parts))
    return changed


def _sequences_behind(start: Connection, copy: Connection) -> Iterator[tuple[str, int]]:
    there = {item.qualified: item for item in read_sequences(copy)}
    for was in read_sequences(start):
        if was.qualified in there and (count := there[was.qualified].behind(was)):
            yield f"sequence {was.qualified}", count


def _large_objects(start: Connection, copy: Connection) -> Iterator[tuple[str, int]]:
    was, is_now = (
        {row["oid"]: row for row in each.rows(load("large_object_contents"))}
        for each in (start, copy)
    )
    others = [oid for oid in {*was, *is_now} if was.get(oid) != is_now.get(oid)]
    if others:
        yield LARGE_OBJECTS, len(others)


_CHANGED = """WITH was AS (SELECT hash, count(*) AS n FROM {hashes} GROUP BY hash),
    now AS (SELECT hash, count(*) AS n FROM ({read}) AS read GROUP BY hash)
SELECT coalesce(greatest(sum(greatest(coalesce(was.n, 0) - coalesce(now.n, 0), 0)),
                         sum(greatest(coalesce(now.n, 0) - coalesce(was.n, 0), 0))), 0)::bigint
FROM was FULL JOIN now USING (hash)"""
