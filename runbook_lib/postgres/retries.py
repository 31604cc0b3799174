"""Try a transaction again where only a lock was in the way; bounded, with pauses that vary."""

from collections.abc import Callable

import tenacity

from runbook_lib.errors import StatementError
from runbook_lib.policy import Policy

# lock_not_available and deadlock_detected (PostgreSQL manual, appendix A); nothing else is retried.
_LOCK_TROUBLE = {"55P03", "40P01"}
_FIRST_PAUSE = 0.2  # seconds at most; doubled with each try


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
        stop=tenacity.stop_after_attempt(max(policy.lock_tries, 1)),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_PAUSE, max=policy.lock_pause),
        before_sleep=before_sleep,
        reraise=True,
    )


def _by_a_lock(error: BaseException) -> bool:
    return isinstance(error, StatementError) and error.sqlstate in _LOCK_TROUBLE
