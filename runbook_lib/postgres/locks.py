"""Bound what a session waits for, and try again where only a lock was in the way."""

import time
from collections.abc import Callable

import tenacity

from runbook_lib.config.policies import Policy
from runbook_lib.errors import SqlState, StatementError
from runbook_lib.parser.statement import Lock, Statement
from runbook_lib.parser.transactions import sets_something
from runbook_lib.postgres.connection import Connection, by_name
from runbook_lib.postgres.queries import load

_LOCK_TROUBLE = {SqlState.LOCK_NOT_AVAILABLE, SqlState.DEADLOCK_DETECTED}  # nothing else is retried
_FIRST_PAUSE = 0.2  # seconds at most; doubled with each try

_SLACK = 0.05  # of lock_timeout: the bound is set anew when so much more is used up
_LEAST = 0.05  # seconds that a statement may wait for a lock in any case
_LEAST_IDLE = 10.0  # seconds that a transaction may stand still in any case: a slow disk, a pause
_CHECK = {"client_connection_check_interval": "1000"}  # milliseconds


def bound_waits(connection: Connection, policy: Policy) -> None:
    """Bound what a session waits for, and how long its statements run, as the policy says."""
    timeout = {"statement_timeout": str(round(policy.statements.timeout * 1000))}
    connection.set({**timeout, **_CHECK, **_bounds(connection, policy, policy.locks.timeout)})


def bound_locks(connection: Connection, policy: Policy) -> None:
    """Bound what a session waits for locks as the policy says: to look must not hang behind one."""
    connection.set({"lock_timeout": str(round(policy.locks.timeout * 1000))})


def longest_silence(policy: Policy) -> float:
    """Return after how many seconds a server that hears nothing of us lets go of our locks.

    It waits for us as long as we look for a lost server.
    """
    return max(policy.statements.reconnect_wait, _LEAST_IDLE)


def _bounds(connection: Connection, policy: Policy, lock_timeout: float) -> dict[str, str]:
    """Return the bounds that no file may raise, in milliseconds.

    Between two transactions a session may pause as long as the policy says, and is then ended.
    """
    idle = longest_silence(policy)
    seconds = {
        "lock_timeout": lock_timeout,
        "idle_in_transaction_session_timeout": idle,
        "idle_session_timeout": idle + policy.locks.pause + policy.health.wait,
    }
    return {**{k: str(round(v * 1000)) for k, v in seconds.items()}, **connection.silence}


class LockBudget:
    """Shorten lock_timeout by the time since the first lock on an older table was asked for.

    Whoever waits for a lock that a transaction holds also waits while the transaction queues for
    the next one: two waits of just under lock_timeout would be twice the policy's bound.
    """

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection = connection
        self._policy = policy
        self._bound = self._left = policy.locks.timeout
        self._since: float | None = None
        self._asked = 0.0
        self._new: set[tuple[str, str]] = set()

    def before(self, statement: Statement) -> None:
        """Set the bound for the next statement, where much of it is used up."""
        self._asked = time.monotonic()
        if self._since is None or not (statement.locks or statement.opaque):
            return
        left = max(self._bound - (self._asked - self._since), _LEAST)
        if self._left - left > _SLACK * self._bound and self._connection.in_transaction():
            self._clamp(left, local=True)
            self._left = left

    def after(self, statement: Statement) -> None:
        """Take note of the locks that the statement holds from now on."""
        if self._since is None:
            self._new |= {(x.schema, x.name) for x in statement.creates if x.kind == "table"}
            if statement.opaque or any(map(self._stops_older, statement.locks)):
                self._since = self._asked  # writes queue from there on
        if statement.kind == "variable set" or sets_something(statement):
            self.clamp()

    def clamp(self) -> None:
        """Bring back the bounds that a file raised or switched off; a lower one stays."""
        self._clamp(self._bound, local=False)

    def _clamp(self, seconds: float, *, local: bool) -> None:
        bounds = _bounds(self._connection, self._policy, seconds)
        self._connection.rows(load("clamp_timeouts"), {**by_name(bounds), "local": local})

    def _stops_older(self, lock: Lock) -> bool:
        table = lock.relation.schema, lock.relation.name
        return lock.mode.stops_writes and table not in self._new


def retrying(
    policy: Policy, tell: Callable[[int, float, StatementError], None]
) -> tenacity.Retrying:
    """Return the tries of one transaction; ``tell`` is told the try, the pause and the error.

    The last error is raised. The pauses are random, so that two that block each other part.
    """

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, StatementError):
            tell(state.attempt_number, state.upcoming_sleep, error)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_by_a_lock),
        stop=tenacity.stop_after_attempt(max(policy.locks.tries, 1)),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_PAUSE, max=policy.locks.pause),
        before_sleep=before_sleep,
        reraise=True,
    )


def _by_a_lock(error: BaseException) -> bool:
    return isinstance(error, StatementError) and error.sqlstate in _LOCK_TROUBLE
