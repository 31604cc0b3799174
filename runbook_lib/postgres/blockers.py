"""Name for a person who keeps a session waiting."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.formatting import duration


def describe_blockers(blockers: Sequence[Mapping[str, Any]]) -> str:
    """Name blockers: pid, user, application, state, age and start of its query."""
    return "; ".join(
        f"pid {row['pid']} ({row['user']}, {row['application'] or 'no application name'}, "
        f"{row['state']}, for {duration(row['age'])}, query of {row['query_start']})"
        for row in blockers
    )
