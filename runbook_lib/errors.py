"""Every error a user of the runbook can meet, as one tree.

::

    RunbookError                 one sentence: what was wrong, where, what to do
    ├── ConfigError              environments.toml, environment variables, parameters
    ├── ReleaseError             a migration file or the manifest, with file and line
    ├── GateError                a phase may not start yet, or not any more
    ├── StoppedError             somebody asked a run that was under way to stop
    ├── TargetError              the server cannot be reached, or is not the right one
    │   ├── OutcomeUnknownError  the connection was lost during COMMIT
    │   └── FailoverError        another server answers than at first
    ├── StatementError           the server refused a statement, with SQLSTATE, file and line
    ├── ToolError                a program (pg_dump, pg_ctl, a hook, ...) failed
    └── EvidenceError            a record cannot be written or read, or was edited

What the server refused is told apart by SqlState, never by a code spelt out.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path

from runbook_lib.formatting import visible


@unique
class SqlState(StrEnum):
    """Name the conditions of the server that the runbook tells apart (manual, appendix A).

    An error's ``sqlstate`` is compared with them: ``error.sqlstate == SqlState.DUPLICATE_TABLE``.
    """

    FEATURE_NOT_SUPPORTED = "0A000"
    NOT_NULL_VIOLATION = "23502"
    FOREIGN_KEY_VIOLATION = "23503"
    UNIQUE_VIOLATION = "23505"
    CHECK_VIOLATION = "23514"
    EXCLUSION_VIOLATION = "23P01"
    ACTIVE_SQL_TRANSACTION = "25001"
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"
    INVALID_SCHEMA_NAME = "3F000"
    DEADLOCK_DETECTED = "40P01"
    INSUFFICIENT_PRIVILEGE = "42501"
    SYNTAX_ERROR = "42601"
    DUPLICATE_COLUMN = "42701"
    UNDEFINED_COLUMN = "42703"
    UNDEFINED_OBJECT = "42704"
    DUPLICATE_OBJECT = "42710"
    DUPLICATE_FUNCTION = "42723"
    INVALID_FOREIGN_KEY = "42830"
    CANNOT_COERCE = "42846"
    UNDEFINED_FUNCTION = "42883"
    UNDEFINED_TABLE = "42P01"
    DUPLICATE_SCHEMA = "42P06"
    DUPLICATE_TABLE = "42P07"
    INVALID_COLUMN_REFERENCE = "42P10"
    INVALID_TABLE_DEFINITION = "42P16"
    INVALID_OBJECT_DEFINITION = "42P17"
    OUT_OF_MEMORY = "53200"
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000"
    OBJECT_IN_USE = "55006"
    LOCK_NOT_AVAILABLE = "55P03"
    UNSAFE_NEW_ENUM_VALUE_USAGE = "55P04"


class RunbookError(Exception):
    """Say in one sentence what was wrong, where, and what to do about it."""

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        sqlstate: str | None = None,
        remedy: str = "",
    ) -> None:
        self.message = message
        self.path = str(path) if path is not None else None
        self.line = line
        self.sqlstate = sqlstate
        self.remedy = remedy
        super().__init__(message)

    @property
    def place(self) -> str:
        """Return ``file:line``, as much of it as is known."""
        if self.path is None:
            return ""
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        state = f" (SQLSTATE {self.sqlstate})" if self.sqlstate else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return visible(f"{place}{self.message}{state}{remedy}")

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: IPython calls this instead of the traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(RunbookError):
    """Reject a setting, a variable or a parameter."""


class ReleaseError(RunbookError):
    """Reject a migration file or the manifest."""


class GateError(RunbookError):
    """Refuse to start a phase."""


class StoppedError(RunbookError):
    """Report that a run ended because somebody asked for it."""


class TargetError(RunbookError):
    """Report a server that cannot be reached, or that is not the one that was planned for."""


class OutcomeUnknownError(TargetError):
    """Report a COMMIT whose answer was lost; ``transaction`` counts those of its file."""

    def __init__(self, message: str, *, transaction: int, sqlstate: str | None) -> None:
        self.transaction = transaction
        super().__init__(message, sqlstate=sqlstate)


class FailoverError(TargetError):
    """Report that the URL leads to another server, or to another history, than at first."""


@dataclass(frozen=True)
class Named:
    """Hold what the server names as that which an error is about, empty where it does not."""

    schema: str = ""
    table: str = ""
    column: str = ""
    constraint: str = ""


class StatementError(RunbookError):
    """Report a statement that the server refused.

    ``position`` is where in the statement, in characters from 1; 0 where the server did not say.
    """

    def __init__(
        self, message: str, *, sqlstate: str | None, position: int = 0, named: Named = Named()
    ) -> None:
        self.position = position
        self.named = named
        super().__init__(message, sqlstate=sqlstate)

    def at(self, path: str, line: int, sql: str) -> "StatementError":
        """Say in which file and line; ``line`` is where the statement ``sql`` starts."""
        self.path = path
        self.line = line + sql.count("\n", 0, max(self.position - 1, 0))
        return self


class ToolError(RunbookError):
    """Report a program that failed or was not found.

    ``output`` is what it had said where it was ended at its time limit, ``exit_code`` how it ended
    by itself.
    """

    output = ""
    exit_code: int | None = None


class EvidenceError(RunbookError):
    """Report a record that cannot be trusted, written or read."""
