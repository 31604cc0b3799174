"""Take back what a run made, as the runbook does, in tests."""

from collections.abc import Sequence

from runbook_lib.config.policies import Locks, Policy
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.release.model import Migration
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose
from runbook_lib.rollback.revert import revert
from tests.support.senders import unheard

POLICY = Policy(locks=Locks(timeout=0.5, tries=2, pause=0.1, runner_wait=0.5))


def state(connection: Connection) -> Snapshot:
    """Read what a way back needs."""
    return snapshot.take_snapshot(connection, settings=True)


def seen(
    connection: Connection, before: Snapshot, after: Snapshot, applied: Sequence[Migration] = ()
) -> Diagnosis:
    """Diagnose a run that made what stands in ``after`` and not in ``before``."""
    return diagnose(connection, before, snapshot.touched(before, after), applied)


def undo(target: Database, diagnosis: Diagnosis, **accepted: int) -> None:
    revert(target, POLICY, diagnosis, accepted, unheard())
