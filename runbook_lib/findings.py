"""The words of what is found wrong: one finding, and how much it matters."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """Say what a check that does not hold means for the run."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """Hold one thing that is wrong, or would hurt, and what to do about it.

    ``phase`` says how it was found: by ``reading``, by ``looking`` at the target, or in the
    ``rehearsal``. ``line`` is where the trouble is, ``statement`` the line where its statement
    begins, and ``number`` that statement's place in the file. ``follows`` is the place of the
    earlier finding without which this one would not be; ``accepted`` the reason the manifest gives
    for going on all the same.
    """

    phase: str
    rule: str
    severity: Severity
    path: str
    line: int
    cause: str
    effect: str
    remedy: str
    sqlstate: str = ""
    statement: int = 0
    number: int = 0
    follows: str = ""
    accepted: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a finding back from its record."""
        return cls(**{**record, "severity": Severity(record["severity"])})

    @property
    def place(self) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{self.line}"

    @property
    def blocks(self) -> bool:
        """Tell whether the release may not go to the target with it."""
        return self.severity is Severity.ERROR and not self.accepted
