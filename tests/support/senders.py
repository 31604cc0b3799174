"""Senders for tests that call what sends statements by themselves."""

from collections.abc import Callable
from pathlib import Path

from runbook_lib.evidence.journal import SENDING, Event, Journal
from runbook_lib.evidence.sender import Sender


def unheard() -> Sender:
    """Return a sender to which nobody listens."""
    return Sender(lambda _: None, "test")


def telling(tell: Callable[[str], object]) -> Sender:
    """Return a sender that tells the SQL of each statement of the runbook's own."""

    def emit(event: Event) -> None:
        if event.name == SENDING:
            tell(event.content["sql"])

    return Sender(emit, "test")


def journalled(path: Path) -> Sender:
    """Return a sender whose events are kept in a journal."""
    return Sender(Journal(path).emit, "test")
