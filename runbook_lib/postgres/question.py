"""Ask something from a thread of its own while another one waits."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Question(Generic[T]):
    """Ask for the first time ``after`` so many seconds, never for 0; who waits looks for answers.

    Each pause is ``longer`` times the one before.
    """

    def __init__(self, after: float, longer: int, ask: Callable[[], T]) -> None:
        self._pause, self._longer, self._ask = after, longer, ask
        self._next = time.monotonic() + after
        self._asked: Future[T] | None = None

    def answer(self) -> T | None:
        """Return each answer once, None while there is none."""
        if self._asked is None and self._pause and time.monotonic() >= self._next:
            thread = ThreadPoolExecutor(1, thread_name_prefix="asks")
            self._asked = thread.submit(self._ask)
            thread.shutdown(wait=False)
        if self._asked is None or not self._asked.done():
            return None
        answer, self._asked = self._asked.result(), None
        self._pause *= self._longer
        self._next = time.monotonic() + self._pause
        return answer
