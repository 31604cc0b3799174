"""Roll back by reverting: take back exactly what a run did, in one transaction, or nothing."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError, SqlState, StatementError
from runbook_lib.evidence.journal import Event, said
from runbook_lib.evidence.sender import Sender
from runbook_lib.parser.identifiers import parts, split
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import Connection, Database, Send
from runbook_lib.postgres.locks import bound_waits, retrying
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.redaction import redact
from runbook_lib.rollback import inverse
from runbook_lib.rollback.diagnosis import Diagnosis, count_data
from runbook_lib.rollback.inverse import Undo
from runbook_lib.rollback.losses import named
from runbook_lib.rollback.reprint import PRINTED, as_printed

# dependent_objects_still_exist, and what a partition has from its parent: tried after the others.
DEPENDED_ON = {SqlState.DEPENDENT_OBJECTS_STILL_EXIST, SqlState.INVALID_TABLE_DEFINITION}
# What a later statement may mend: a name that is still taken, or is not back yet.
_NOT_YET = {
    *DEPENDED_ON,
    SqlState.DUPLICATE_TABLE,
    SqlState.DUPLICATE_OBJECT,
    SqlState.DUPLICATE_FUNCTION,
    SqlState.UNDEFINED_TABLE,
    SqlState.UNDEFINED_FUNCTION,
    SqlState.UNDEFINED_OBJECT,
    SqlState.UNDEFINED_COLUMN,
    SqlState.INVALID_OBJECT_DEFINITION,
}
_LOCKED = {
    SqlState.LOCK_NOT_AVAILABLE,
    SqlState.DEADLOCK_DETECTED,
    SqlState.OUT_OF_MEMORY,
}  # once more would not help
_SAVEPOINT = "runbook_drop"

# Each dropped table holds a lock until the COMMIT.
_TOO_MANY_LOCKS = SqlState.OUT_OF_MEMORY
_OLD_ENUM = "runbook_old_enum"
_LABEL = re.compile(r"E?'(?:[^']|'')*'")


def revert(
    database: Database,
    policy: Policy,
    seen: Diagnosis,
    accepted: Mapping[str, int],
    sender: Sender,
) -> tuple[Undo, ...]:
    """Take back what the run did and mark its ledger rows; return what was sent.

    ``accepted`` names what may be lost with its count. Indexes on older tables are dropped
    concurrently first, where the policy builds them so; all the rest is one transaction, which
    commits only if the schema then is what it was before the run, and so is what was set on older
    objects, strangers aside. Raises GateError where data is in the way or that does not hold,
    StatementError where something else uses what was made.
    """
    if not seen.revertible:
        message = f"No statement takes back what was changed: {', '.join(seen.stuck[:5])}."
        raise GateError(message, remedy="Roll back by restoring.")
    with database.connect() as connection:  # down files find names as the files do
        bound_waits(connection, policy)
        ledger.take_runner_lock(connection, policy.locks.runner_wait)
        sender.emit(Event("began", sender.step, {"pid": connection.pid}))
        return _Revert(connection, seen, sender).carry_out(policy, accepted)


@dataclass(frozen=True)
class _Revert:
    """Revert in one session that holds the runner's lock."""

    connection: Connection
    seen: Diagnosis
    sender: Sender

    def carry_out(self, policy: Policy, accepted: Mapping[str, int]) -> tuple[Undo, ...]:
        apart: tuple[Undo, ...] = ()
        sent: tuple[Undo, ...] = ()
        if policy.indexes.concurrent and not self.seen.down:
            self._refuse_losses(accepted)
            apart = self._drop_apart()

        def act() -> None:
            nonlocal sent
            with self.sender.transaction(self.connection):
                self._lock()
                self._refuse_losses(accepted)
                names = (*self.seen.migrations, *self.seen.halves)
                ledger.take_back(self.connection, self.sender.change, names)
                sent = self._undo()

        def again(attempt: int, pause: float, error: StatementError) -> None:
            tried = {"attempt": attempt, "pause": pause, "error": str(error)}
            self.sender.emit(Event("retried", self.sender.step, tried))
            words = f"try {attempt} met a lock ({error.sqlstate}); pauses {pause:.1f} s"
            self.sender.emit(said(self.sender.step, words))

        try:
            retrying(policy, again)(act)
        except StatementError as error:
            if error.sqlstate == _TOO_MANY_LOCKS:
                error.remedy = (
                    "Raise max_locks_per_transaction and restart the server, or roll back by "
                    "restoring. Nothing was changed."
                )
            raise
        return (*apart, *sent)

    def _refuse_losses(self, accepted: Mapping[str, int]) -> None:
        refuse_losses(count_data(self.connection, self.seen.made, self.seen.now), accepted)

    def _undo_all(self, undone: Sequence[Undo]) -> None:
        undo_all(self.connection, self.sender.change, undone)

    def _snapshot(self) -> Snapshot:
        return snapshot.snapshot_here(self.connection, settings=True)

    def _undo(self) -> tuple[Undo, ...]:
        """Take everything back inside the transaction that is open; raise unless it led back."""
        before, marks = self.seen.before, frozenset(self.seen.marks)
        sent: list[Undo] = []
        if self.seen.down:
            begin = self._snapshot()
            self.sender.send_all(self.connection, self.seen.down)
            sent += [Undo(item.place, item.sql) for item in self.seen.down]
            # What they take away of anybody's must not be taken for somebody else's doing.
            marks |= snapshot.touched(begin, self._snapshot())
        # All names are written out, also in what the server says; a body may have shorter ones.
        self.connection.execute(
            "SET LOCAL search_path = pg_catalog; SET LOCAL check_function_bodies = off"
        )
        now = self._snapshot()
        while moved := inverse.moves(before, now, marks):
            if set(moved) <= set(sent):
                break  # it did not help: the comparison below says what differs
            self._undo_all(moved)
            sent += moved
            now = self._snapshot()
        found = inverse.compare(before, now, marks)
        ways = found.ways_back()
        self._undo_all(ways)
        rebuilt = [item for key in found.enums for item in _rebuild(self.connection, found, key)]
        self._undo_all(rebuilt)
        after = self._snapshot()
        again: tuple[Undo, ...] = ()
        if found.gone or found.remade or found.enums:
            # What was created again came with the rights that new objects get.
            again = inverse.compare(before, after, marks | snapshot.touched(now, after)).ways_back()
            self._undo_all(again)
            after = self._snapshot()
        self._refuse_differences(inverse.expected(before, now, marks), now, after, marks)
        return (*sent, *ways, *rebuilt, *again)

    def _refuse_differences(
        self, wanted: Snapshot, now: Snapshot, after: Snapshot, marks: Set[str]
    ) -> None:
        printed = as_printed(self.connection, wanted, after, self.sender.change)
        words = [str(item) for item in snapshot.difference(printed, after)]
        if not words:
            settings, found = (
                inverse.expected_settings(self.seen.before, now, marks),
                inverse.by_name(after),
            )
            anew = {key for key, text in printed.objects.items() if wanted.objects[key] != text}
            names = sorted(settings.keys() | found.keys())
            left = [x for x in names if settings.get(x) != found.get(x)]
            words = [
                f"{what} of {key} differs"
                for what, key in left
                if key not in anew or what not in PRINTED
            ]
        if words:
            message = (
                f"The revert would not lead back, and nothing was changed: {'; '.join(words[:3])}."
            )
            raise GateError(message, remedy="Roll back by restoring.")

    def _lock(self) -> None:
        """Let nobody write into what is about to be counted and dropped."""
        older = {table for table, _ in inverse.columns(self.seen.made, self.seen.now.objects)}
        # What lies on another server cannot be locked here.
        older = {table for table in older if f"foreign table {table}" not in self.seen.now.objects}
        if tables := sorted({*inverse.tables(self.seen.made), *older}):
            sql = f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"
            self.sender.change(self.connection, sql)

    def _drop_apart(self) -> tuple[Undo, ...]:
        """Drop what can be dropped without stopping the writes; a partitioned index cannot."""
        connection, now = self.connection, self.seen.now
        bound = connection.value("SHOW lock_timeout")
        connection.execute("SET lock_timeout = 0")  # it would cancel what waits for a snapshot
        sent = []
        for drop in inverse.drops(self.seen.made, now.objects):
            if drop.apart and f"partitioned table {drop.table}" not in now.objects:
                try:
                    self.sender.change(connection, drop.apart)
                    sent.append(Undo(drop.key, drop.apart))
                except StatementError as error:
                    if error.sqlstate not in DEPENDED_ON:  # a partition's goes with its parent's
                        raise
        connection.execute(f"SET lock_timeout = '{bound}'")
        return tuple(sent)


def _rebuild(connection: Connection, found: inverse.Changes, key: str) -> Sequence[Undo]:
    """Return what gives an enum its labels back: no statement removes one from it.

    A row that has a label that goes makes it fail (SQLSTATE 22P02), and so nothing is changed.
    """
    name = split(key)[1]
    sets = next(both for what, of, *both in found.settings if (what, of) == (inverse.LABELS, key))
    created, now = (item.back if item else "" for item in sets)
    labels = [_LABEL.findall(text.partition(" AS ENUM ")[2]) for text in (created, now)]
    if len(labels[0]) == len(labels[1]):
        pairs = [pair for pair in zip(*labels, strict=True) if pair[0] != pair[1]]
        return [Undo(key, f"ALTER TYPE {name} RENAME VALUE {new} TO {old}") for old, new in pairs]
    old = f"{parts(name)[0]}.{_OLD_ENUM}"
    statements = [f"ALTER TYPE {name} RENAME TO {_OLD_ENUM}", created]
    for row in connection.rows(load("enum_columns"), {"type": name}):
        table, column, many = row["table"], row["column"], "[]" if row["many"] else ""
        alter = f"ALTER TABLE {table} ALTER {column}"
        cast = f"{alter} TYPE {name}{many} USING {column}::text{many}::{name}{many}"
        default = row["default"]
        plain = [f"{alter} DROP DEFAULT", cast, f"{alter} SET DEFAULT {default}"]
        statements += plain if default else [cast]
    statements.append(f"DROP TYPE {old}")
    return (Undo(key, "; ".join(statements)), *found.again(key))


def refuse_losses(data: Mapping[str, int], accepted: Mapping[str, int]) -> None:
    """Raise GateError unless each loss is accepted with its count."""
    lost = {name: count for name, count in data.items() if accepted.get(name) != count}
    if lost:
        message = f"It would lose what was written since: {named(lost)}."
        raise GateError(message, remedy="Keep it elsewhere, or look at the ways again.")


def undo_all(connection: Connection, send: Send, undone: Sequence[Undo]) -> None:
    """Execute the statements, all at once where none depends on a later one.

    Else each alone; one that is not possible yet is tried again after the others.
    """
    left = [] if not undone or _at_once(connection, send, undone) else list(undone)
    while left:
        later: list[tuple[Undo, StatementError]] = []
        for item in left:
            connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                send(connection, item.sql, None)
            except StatementError as error:
                if error.sqlstate not in _NOT_YET:
                    raise _stays(item, error) from error.__cause__
                connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
                later.append((item, error))
            connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        if len(later) == len(left):
            raise _stays(*later[0])
        left = [item for item, _ in later]


def _stays(item: Undo, error: StatementError) -> StatementError:
    error.message = f"{redact(item.sql)}: {error.message} The transaction was taken back."
    error.remedy = "Drop what depends on it, or roll back by restoring."
    return error


def _at_once(connection: Connection, send: Send, undone: Sequence[Undo]) -> bool:
    connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        send(connection, "; ".join(item.sql for item in undone), None)
    except StatementError as error:
        if error.sqlstate in _LOCKED:
            raise
        connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False
    connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True
