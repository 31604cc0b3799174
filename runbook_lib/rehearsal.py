"""Rehearse the plan on the restored backup: restore, apply, look."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib import catalog
from runbook_lib.archive import restore
from runbook_lib.database import Database
from runbook_lib.errors import RunbookError
from runbook_lib.observed import Backup
from runbook_lib.shell import Runner


@dataclass(frozen=True)
class Rehearsal:
    """Hold what a rehearsal saw; times in seconds, ``failure`` empty where the plan applied."""

    restore_seconds: float
    apply_seconds: float
    same_schema: bool
    same_rows: bool
    fingerprint_after: str
    failure: str

    @property
    def passed(self) -> bool:
        """Tell whether the backup restored to what it was taken of and the plan applied to it."""
        return self.same_schema and self.same_rows and not self.failure


def rehearse(
    scratch: Database,
    server_major: int,
    backup: Backup,
    run: Runner,
    carry_out: Callable[[Database], None],
) -> Rehearsal:
    """Restore the backup into the empty database ``scratch`` and carry the plan out there.

    A statement that fails is the rehearsal's finding, not an error of the rehearsal.
    """
    begin = time.perf_counter()
    restore(scratch, server_major, backup.path, run, with_owners=False)
    restored = time.perf_counter()
    with scratch.connect() as connection:
        before = catalog.take_snapshot(connection)
        rows = catalog.count_rows(connection)
    failure = ""
    started = time.perf_counter()
    try:
        carry_out(scratch)
    except RunbookError as error:
        failure = str(error)
    ended = time.perf_counter()
    with scratch.connect() as connection:
        after = catalog.take_snapshot(connection)
    return Rehearsal(
        restore_seconds=restored - begin,
        apply_seconds=ended - started,
        same_schema=before.fingerprint == backup.schema_fingerprint,
        same_rows=rows == dict(backup.rows),
        fingerprint_after=after.fingerprint,
        failure=failure,
    )
