"""Roll back by reverting: take back exactly what a run did, in one transaction, or nothing."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from runbook_lib.errors import GateError, StatementError
from runbook_lib.parser.identifiers import parts, split
from runbook_lib.parser.statement import Migration, Statement
from runbook_lib.policy import Policy
from runbook_lib.postgres import catalog, ledger
from runbook_lib.postgres.catalog import Snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.locks import bound_waits
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.retries import retrying
from runbook_lib.rollback import changes, inverse
from runbook_lib.rollback.dropping import DEPENDED_ON, refuse_losses, undo_all
from runbook_lib.rollback.inverse import Undo

_TOO_MANY_LOCKS = "53200"  # out_of_memory: each dropped table holds a lock until the COMMIT
_OLD_ENUM = "runbook_old_enum"
_LABEL = re.compile(r"E?'(?:[^']|'')*'")


@dataclass(frozen=True)
class Diagnosis:
    """Hold what a run left on the target, as keys of schema snapshots.

    ``marks`` are the addresses and settings that its steps touched. ``made`` was created by them
    and is there; ``changed`` was there before and is another now, or gone; ``stuck`` is the part of
    it that only a restore takes back; ``strangers`` came from somebody else. ``migrations`` are
    those the ledger calls applied; ``down`` are the release's own statements that take them back,
    which are sent first. ``undone`` is what a revert would send where there are none. ``data``
    counts, by name, the rows of created tables and the values of created columns.
    """

    before: Snapshot
    now: Snapshot
    marks: Set[str]
    made: frozenset[str]
    changed: tuple[str, ...]
    stuck: tuple[str, ...]
    strangers: tuple[str, ...]
    migrations: tuple[str, ...]
    down: tuple[Statement, ...]
    undone: tuple[Undo, ...]
    data: Mapping[str, int]

    @property
    def nothing(self) -> bool:
        """Tell whether the run left nothing behind."""
        return not (self.made or self.migrations or self.changed or self.undone)

    @property
    def revertible(self) -> bool:
        """Tell whether all that was changed can be set back: else it needs a restore.

        What the release's own statements do shows when they are tried.
        """
        return not self.stuck or bool(self.down)


def diagnose(
    connection: Connection, before: Snapshot, marks: Set[str] | None, applied: Sequence[Migration]
) -> Diagnosis:
    """Compare the target with what it was; ``marks`` are what the run's steps touched.

    None stands for all that differs, where nobody else was there. ``applied`` are the run's
    migrations that the ledger calls applied, in order.
    """
    now = catalog.take_snapshot(connection, settings=True)
    marks = changes.touched(before, now) if marks is None else marks
    seen = changes.compare(before, now, marks)
    moved = changes.moves(before, now, marks)
    # Under moved names nothing is as it was: what can be set back shows once they are back.
    undone = seen.ways_back()
    stuck = seen.stuck(undone)
    if moved:
        undone = (*moved, *inverse.drops(seen.made, now.objects))
        there = {key for address, key in before.addresses.items() if address in now.addresses}
        stuck = tuple(key for key in stuck if key not in there)
    strangers = {item.key for item in catalog.difference(before, now)}
    strangers -= {*seen.made, *seen.changed()}
    moved_here = {now.addresses.get(a) for a in before.addresses if a in marks}
    return Diagnosis(
        before=before,
        now=now,
        marks=marks,
        made=seen.made,
        changed=seen.changed(),
        stuck=stuck,
        strangers=tuple(sorted(key for key in strangers if key not in moved_here)),
        migrations=tuple(item.name for item in applied),
        down=tuple(statement for item in reversed(applied) for statement in item.down),
        undone=undone,
        data=count_data(connection, seen.made, now),
    )


def count_data(connection: Connection, made: Set[str], now: Snapshot) -> dict[str, int]:
    """Count the rows of created tables, and the values of created columns that somebody wrote.

    Those that a volatile default wrote, such as an identity, cannot be told apart and count, too.
    """
    found, tables = dict[str, int](), inverse.tables(made)
    if tables:
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
        found |= zip(tables, connection.value(f"SELECT ARRAY[{counts}]"), strict=True)
    for table, column in inverse.columns(made, now.objects):
        wanted = {"table": table, "column": column}
        (known,) = connection.rows(load("column_default"), wanted)
        if not known["generated"]:
            sql = f"SELECT count(*) FROM {table} WHERE {column}::text IS DISTINCT FROM "  # noqa: S608
            # A name may hold a per cent sign, which is doubled beside a parameter.
            sql = f"{sql.replace('%', '%%')}%(missing)s"
            found[f"{table}.{column}"] = connection.value(sql, {"missing": known["missing"]})
    return {name: count for name, count in found.items() if count}


def revert(
    database: Database,
    policy: Policy,
    seen: Diagnosis,
    accepted: Mapping[str, int],
    tell: Callable[[str], object],
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
    sent: list[Undo] = []
    with database.connect() as connection:
        bound_waits(connection, policy)
        ledger.take_runner_lock(connection, policy.runner_lock_wait)
        if policy.concurrent_indexes and not seen.down:
            refuse_losses(count_data(connection, seen.made, seen.now), accepted)
            sent += _drop_apart(connection, seen, tell)
        apart = len(sent)

        def act() -> None:
            del sent[apart:]
            with connection.transaction():
                _lock(connection, seen)
                refuse_losses(count_data(connection, seen.made, seen.now), accepted)
                ledger.take_back(connection, seen.migrations)
                sent.extend(_undo_here(connection, seen, tell))

        def again(attempt: int, pause: float, error: StatementError) -> None:
            tell(f"try {attempt} met a lock ({error.sqlstate}); pauses {pause:.1f} s")

        try:
            retrying(policy, again)(act)
        except StatementError as error:
            if error.sqlstate == _TOO_MANY_LOCKS:
                error.remedy = (
                    "Raise max_locks_per_transaction and restart the server, or roll back by "
                    "restoring. Nothing was changed."
                )
            raise
    return tuple(sent)


def _undo_here(
    connection: Connection, seen: Diagnosis, tell: Callable[[str], object]
) -> tuple[Undo, ...]:
    """Take everything back inside the transaction that is open; raise unless it led back."""
    before, marks = seen.before, frozenset(seen.marks)
    sent: list[Undo] = []
    if seen.down:
        begin = catalog.snapshot_here(connection, settings=True)
        sent += _send_down(connection, seen.down, tell)
        # What they take away of anybody's must not be taken for somebody else's doing.
        marks |= changes.touched(begin, catalog.snapshot_here(connection, settings=True))
    # All names are written out, also in what the server says; a body may have shorter ones.
    connection.execute("SET LOCAL search_path = pg_catalog; SET LOCAL check_function_bodies = off")
    now = catalog.snapshot_here(connection, settings=True)
    while moved := changes.moves(before, now, marks):
        if set(moved) <= set(sent):
            break  # it did not help: the comparison below says what differs
        undo_all(connection, moved, tell)
        sent += moved
        now = catalog.snapshot_here(connection, settings=True)
    found = changes.compare(before, now, marks)
    ways = found.ways_back()
    undo_all(connection, ways, tell)
    rebuilt = [item for key in found.enums for item in _rebuild(connection, found, key)]
    undo_all(connection, rebuilt, tell)
    after = catalog.snapshot_here(connection, settings=True)
    again: tuple[Undo, ...] = ()
    if found.gone or found.remade or found.enums:
        # What was created again came with the rights that new objects get.
        again = changes.compare(before, after, marks | changes.touched(now, after)).ways_back()
        undo_all(connection, again, tell)
        after = catalog.snapshot_here(connection, settings=True)
    _refuse_differences(before, now, after, marks)
    return (*sent, *ways, *rebuilt, *again)


def _send_down(
    connection: Connection, down: Sequence[Statement], tell: Callable[[str], object]
) -> Iterator[Undo]:
    for statement in down:
        tell(statement.sql)
        try:
            connection.execute(statement.sql)
        except StatementError as error:
            raise error.at(statement.path, statement.line, statement.sql) from error.__cause__
        yield Undo(statement.place, statement.sql)


def _rebuild(connection: Connection, found: changes.Changes, key: str) -> Sequence[Undo]:
    """Return what gives an enum its labels back: no statement removes one from it.

    A row that has a label that goes makes it fail (SQLSTATE 22P02), and so nothing is changed.
    """
    name = split(key)[1]
    sets = next(both for what, of, *both in found.settings if (what, of) == (changes.LABELS, key))
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


def _lock(connection: Connection, seen: Diagnosis) -> None:
    """Let nobody write into what is about to be counted and dropped."""
    older = {table for table, _ in inverse.columns(seen.made, seen.now.objects)}
    if tables := sorted({*inverse.tables(seen.made), *older}):
        connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")


def _drop_apart(
    connection: Connection, seen: Diagnosis, tell: Callable[[str], object]
) -> list[Undo]:
    """Drop what can be dropped without stopping the writes; a partitioned index cannot."""
    bound = connection.value("SHOW lock_timeout")
    connection.execute("SET lock_timeout = 0")  # it would cancel what only waits for a snapshot
    sent = []
    for drop in inverse.drops(seen.made, seen.now.objects):
        if drop.apart and f"partitioned table {drop.table}" not in seen.now.objects:
            tell(drop.apart)
            try:
                connection.execute(drop.apart)
                sent.append(Undo(drop.key, drop.apart))
            except StatementError as error:
                if error.sqlstate not in DEPENDED_ON:  # a partition's goes with its parent's
                    raise
    connection.execute(f"SET lock_timeout = '{bound}'")
    return sent


def _refuse_differences(before: Snapshot, now: Snapshot, after: Snapshot, marks: Set[str]) -> None:
    wanted = changes.expected(before, now, marks)
    words = [str(item) for item in catalog.difference(wanted, after)]
    if not words:
        settings, found = changes.expected_settings(before, now, marks), changes.by_name(after)
        keys = sorted(settings.keys() | found.keys())
        left = [item for item in keys if settings.get(item) != found.get(item)]
        words = [f"{what} of {key} is another" for what, key in left]
    if words:
        message = (
            f"The revert would not lead back, and nothing was changed: {'; '.join(words[:3])}."
        )
        raise GateError(message, remedy="Roll back by restoring.")
