"""See who keeps a session waiting, from a thread of its own, while the session cannot speak."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runbook_lib.errors import RunbookError
from runbook_lib.formatting import duration
from runbook_lib.postgres.connection import Row, SideSession
from runbook_lib.postgres.queries import load

_LOOK = 0.25  # seconds


def describe(blockers: Sequence[Row]) -> str:
    """Name blockers for a person: pid, user, application, state, age and start of its query."""
    return "; ".join(
        f"pid {row['pid']} ({row['user']}, {row['application'] or 'no application name'}, "
        f"{row['state']}, for {duration(row['age'])}, query of {row['query_start']})"
        for row in blockers
    )


class WaitWatch:
    """Tell who blocks one backend, each time that this changes."""

    def __init__(self, session: SideSession, tell: Callable[[Sequence[Row]], None]) -> None:
        self._session = session
        self._tell = tell

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Look at the backend for as long as the block runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._look, args=(pid, ended), name="waits")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look(self, pid: int, ended: threading.Event) -> None:
        known = ""
        try:
            while not ended.wait(_LOOK):
                rows = self._session.rows(load("blockers"), {"pids": [pid]})
                pids = ",".join(str(row["pid"]) for row in rows)
                if pids != known and rows:
                    self._tell(rows)
                known = pids
        except RunbookError:
            # The session that is watched meets the same trouble, and says it.
            return
