"""Bound how long writes wait behind a transaction: for its locks, and for those it waits for."""

import time

from runbook_lib.database import Connection
from runbook_lib.model import DbObject, Statement
from runbook_lib.policy import Policy
from runbook_lib.queries import load

_SLACK = 0.05  # of lock_timeout: what is used up below it is not counted
_LEAST = 0.05  # seconds that a statement may wait for a lock in any case


class LockBudget:
    """Shorten lock_timeout by the time since the first lock on an older table was asked for.

    Whoever waits for a lock that a transaction holds also waits while the transaction queues for
    the next one: two waits of just under lock_timeout would be twice the policy's bound.
    """

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection = connection
        self._bound = policy.lock_timeout
        self._since: float | None = None
        self._asked = 0.0
        self._new: set[DbObject] = set()

    def before(self, statement: Statement) -> None:
        """Set the bound for the next statement, where much of it is used up."""
        self._asked = time.monotonic()
        if self._since is None or not (statement.locks or statement.opaque):
            return
        held = self._asked - self._since
        if held > _SLACK * self._bound and self._connection.in_transaction():
            left = round(max(self._bound - held, _LEAST) * 1000)
            self._connection.execute(f"SET LOCAL lock_timeout = {left}")

    def after(self, statement: Statement) -> None:
        """Take note of the locks that the statement holds from now on."""
        self._new |= {
            DbObject("relation", item.schema, item.name)
            for item in statement.creates
            if item.kind == "table"
        }
        old = [lock for lock in statement.locks if lock.relation not in self._new]
        if self._since is None and (statement.opaque or any(x.mode.stops_writes for x in old)):
            self._since = self._asked  # writes queue from there on
        if statement.kind == "variable set" and "lock_timeout" in statement.sql.lower():
            bound = {"bound": round(self._bound * 1000)}
            self._connection.rows(load("clamp_lock_timeout"), bound)
