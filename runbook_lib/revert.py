"""Roll back by reverting: drop exactly what a run created, in one transaction, or nothing."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from runbook_lib import catalog, inverse, ledger
from runbook_lib.catalog import Snapshot
from runbook_lib.database import Connection, Database
from runbook_lib.dropping import DEPENDED_ON, drop_all, refuse_losses
from runbook_lib.errors import GateError, StatementError
from runbook_lib.inverse import Drop
from runbook_lib.locking import bound_waits
from runbook_lib.policy import Policy
from runbook_lib.queries import load
from runbook_lib.retries import retrying

_TOO_MANY_LOCKS = "53200"  # out_of_memory: each dropped table holds a lock until the COMMIT


@dataclass(frozen=True)
class Diagnosis:
    """Hold what a run left on the target, as keys of schema snapshots.

    ``made`` was created by its steps and is there; ``changed`` was there before and is another now,
    or gone; ``strangers`` came from somebody else. ``migrations`` are those the ledger calls
    applied. ``data`` counts, by name, the rows of created tables and the values of created columns.
    """

    before: Snapshot
    now: Snapshot
    made: frozenset[str]
    changed: tuple[str, ...]
    strangers: tuple[str, ...]
    migrations: tuple[str, ...]
    data: Mapping[str, int]

    @property
    def nothing(self) -> bool:
        """Tell whether the run left nothing behind."""
        return not (self.made or self.migrations or self.changed)

    @property
    def revertible(self) -> bool:
        """Tell whether dropping what was made leads back: what was changed needs a restore."""
        return not self.changed


def diagnose(
    connection: Connection, before: Snapshot, own: Set[str], migrations: Sequence[str]
) -> Diagnosis:
    """Compare the target with what it was; ``own`` are the keys that the run's steps created."""
    now = catalog.take_snapshot(connection)
    differences = catalog.difference(before, now)
    added = {item.key for item in differences if item.expected is None}
    made = frozenset(added & own)
    return Diagnosis(
        before=before,
        now=now,
        made=made,
        changed=tuple(item.key for item in differences if item.expected is not None),
        strangers=tuple(sorted(added - own)),
        migrations=tuple(migrations),
        data=count_data(connection, made, now),
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
) -> tuple[Drop, ...]:
    """Drop what the run made and mark its ledger rows; return the drops.

    ``accepted`` names what may be lost with its count. Indexes on older tables are dropped
    concurrently first, where the policy builds them so; all the rest is one transaction, which
    commits only if the schema then is what it was before the run, strangers aside. Raises GateError
    where data is in the way, StatementError where something else uses what was made.
    """
    if not seen.revertible:
        message = f"No drop takes back what was changed: {', '.join(seen.changed[:5])}."
        raise GateError(message, remedy="Roll back by restoring.")
    drops = inverse.drops(seen.made, seen.now.objects)
    with database.connect() as connection:
        bound_waits(connection, policy)
        ledger.take_runner_lock(connection, policy.runner_lock_wait)
        if policy.concurrent_indexes:
            refuse_losses(count_data(connection, seen.made, seen.now), accepted)
            _drop_apart(connection, seen, drops, tell)

        def act() -> None:
            with connection.transaction():
                _lock(connection, seen)
                refuse_losses(count_data(connection, seen.made, seen.now), accepted)
                drop_all(connection, drops, tell)
                ledger.take_back(connection, seen.migrations)
                _refuse_differences(seen, catalog.snapshot_here(connection))

        def again(attempt: int, pause: float, error: StatementError) -> None:
            tell(f"try {attempt} met a lock ({error.sqlstate}); pauses {pause:.1f} s")

        try:
            retrying(policy, again)(act)
        except StatementError as error:
            if error.sqlstate == _TOO_MANY_LOCKS:
                error.remedy = (
                    "Raise max_locks_per_transaction and restart the server, or roll back by "
                    "restoring. Nothing was dropped."
                )
            raise
    return drops


def _lock(connection: Connection, seen: Diagnosis) -> None:
    """Let nobody write into what is about to be counted and dropped."""
    older = {table for table, _ in inverse.columns(seen.made, seen.now.objects)}
    if tables := sorted({*inverse.tables(seen.made), *older}):
        connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")


def _drop_apart(
    connection: Connection, seen: Diagnosis, drops: Sequence[Drop], tell: Callable[[str], object]
) -> None:
    """Drop what can be dropped without stopping the writes; a partitioned index cannot."""
    bound = connection.value("SHOW lock_timeout")
    connection.execute("SET lock_timeout = 0")  # it would cancel what only waits for a snapshot
    for drop in drops:
        if drop.apart and f"partitioned table {drop.table}" not in seen.now.objects:
            tell(drop.apart)
            try:
                connection.execute(drop.apart)
            except StatementError as error:
                if (
                    error.sqlstate not in DEPENDED_ON
                ):  # else of a partition: it goes with its parent
                    raise
    connection.execute(f"SET lock_timeout = '{bound}'")


def _refuse_differences(seen: Diagnosis, found: Snapshot) -> None:
    expected = Snapshot(
        {key: text for key, text in seen.now.objects.items() if key not in seen.made}
    )
    differences = catalog.difference(expected, found)
    if differences:
        words = "; ".join(str(item) for item in differences[:3])
        message = f"The revert would not lead back, and nothing was changed: {words}."
        raise GateError(message, remedy="Roll back by restoring.")
