"""Let anybody see how the act stands that works on a run, whichever process that is."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.directory import as_line
from runbook_lib.evidence.schemas import typed
from runbook_lib.evidence.standing import Standing
from runbook_lib.evidence.writer import is_ours, writer_of

_FILE = ".standing"  # no evidence: the journal has what it comes from


def keep_standing(directory: Path, standing: Standing) -> None:
    """Let others see how an act stands that works on a run."""
    temporary = directory / f"{_FILE}.{os.getpid()}"
    with suppress(OSError):  # where there is no room the journal says so
        temporary.touch(0o600)
        temporary.write_text(as_line(asdict(standing)), encoding="utf-8")
        temporary.replace(directory / _FILE)


def last_standing(directory: Path) -> Standing | None:
    """Return how the last act stood when it was seen last, None where that is not known."""
    path = directory / _FILE
    try:
        return typed(Standing, json.loads(path.read_text(encoding="utf-8")), path)
    except (FileNotFoundError, ValueError, EvidenceError):  # none yet, or another version's
        return None


def running(directory: Path) -> Standing | None:
    """Return how the act stands that works on a run now, None where none does.

    The release of which this process is itself a part does not count.
    """
    writer = writer_of(directory)
    if writer is None or is_ours(writer):
        return None
    began, last = datetime.fromisoformat(writer.since), last_standing(directory)
    return last if last and last.began >= began else Standing(writer.act, began, 1.0)


def running_anywhere(root: Path) -> Iterator[tuple[Path, Standing]]:
    """Yield the directory of each run that is worked on now, with how the act stands."""
    for plan in sorted((root / "runs").glob("*/*/plan.json")):
        if standing := running(plan.parent):
            yield plan.parent, standing
