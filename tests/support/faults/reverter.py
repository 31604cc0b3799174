"""Revert a run in a process that kills itself at a certain statement of the runbook's own."""

import os
import signal
import sys
from itertools import count

from runbook_lib import open_run, roll_back
from runbook_lib.evidence.journal import SENDING, SENT, Event, Journal

BEFORE, AFTER = "before", "after"


def kill_at(number: int, when: str) -> None:
    """Kill this process when the statement is journalled, or done and not yet journalled."""
    emit, seen = Journal.emit, count(1)

    def striking(self: Journal, event: Event) -> None:
        mine = event.name == (SENDING if when == BEFORE else SENT)
        if mine and next(seen) == number:
            if when == BEFORE:
                emit(self, event)
            os.kill(os.getpid(), signal.SIGKILL)
        emit(self, event)

    Journal.emit = striking  # type: ignore[method-assign]


def main() -> None:
    """Run as ``python -m`` with the release, the statement's number from 1, and when."""
    run = open_run("test", sys.argv[1], "rollback")
    kill_at(int(sys.argv[2]), sys.argv[3])
    roll_back(run, run.target.dbname, "revert")


if __name__ == "__main__":
    main()
