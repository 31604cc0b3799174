"""The words of what is found wrong, how much it matters, and what to do about it."""

import re
from dataclasses import dataclass
from enum import StrEnum

Files = tuple[tuple[str, ...], ...]
"""Statements by the file that they belong in; the files run one after the other."""
LATER = "-- in a later file:"
DRY_RUN = "dry run"
"""The phase that tries a plan on the target's schema without rows."""

_BY_STATE = {
    "0A000": "Write it in another way; or install what the server lacks.",
    "22001": "Make the column wide enough, or shorten the values first.",
    "22003": "Choose a type that holds the values.",
    "22P02": "Convert the values first, or say how with USING.",
    "23502": "Give the column a DEFAULT, or fill it before SET NOT NULL.",
    "23503": "Remove or repair the orphaned rows first, or add the key NOT VALID.",
    "23505": "Remove the duplicates first: of the columns that the detail names.",
    "23514": "Repair the rows that break the condition first, or add it NOT VALID.",
    "23P01": "Remove the rows that overlap first.",
    "25001": "Move the statement to a file of its own, outside BEGIN and COMMIT.",
    "2BP01": "Change or drop what depends on it first; CASCADE would drop it unseen.",
    "2D000": "Take COMMIT and ROLLBACK out of the block, or create the procedure in the release as "
    "well: one that is known to commit is called outside a transaction.",
    "3F000": "Create the schema first, or correct its name.",
    "40P01": "Run it when nobody else works on these tables.",
    "42501": "Grant the privilege to the role that migrates.",
    "42601": "Correct the statement.",
    "42703": "Add the column first, or correct its name.",
    "42704": "Create it first, or correct its name.",
    "42710": "Drop the older one first, or take this one out.",
    "42701": "Take it out: the column is there.",
    "42723": "Write CREATE OR REPLACE, or take it out.",
    "42804": "Make the types agree, or say how to convert with USING.",
    "42830": "Give the referenced columns a primary key or a unique constraint first.",
    "42846": "Say how to convert with USING.",
    "42883": "Create the function first, or correct its name and the types of its arguments.",
    "42P01": "Create the table first, or correct its name.",
    "42P06": "Take it out: the schema is there.",
    "42P07": "Take it out, or drop the older one first: it is there already.",
    "42P16": "Correct the definition.",
    "53100": "Make room on the disk.",
    "55006": "Let the sessions that use it end first.",
    "55P03": "Run it when the lock is free; the policy bounds how long a statement waits.",
    "55P04": "Use the new value in a later migration: it has to be committed first.",
    "57014": "Give it more time in the policy, or split it.",
}
_BY_CLASS = {
    "08": "Check the connection and run again.",
    "22": "Repair the values first.",
    "23": "Repair the rows first.",
    "25": "Look at the file's own BEGIN, COMMIT and SET TRANSACTION.",
    "42": "Correct the statement.",
    "53": "Give the server more of what it lacks.",
    "58": "Look into the server's log.",
    "P0": "The block raised it: read what it says.",
    "XX": "Look into the server's log: this is not the file's fault alone.",
}


class Severity(StrEnum):
    """Say what a check that does not hold means for the run."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """Hold one thing that is wrong, or would hurt, and what to do about it.

    ``phase`` says how it was found: by ``reading``, by ``looking`` at the target, in the ``dry
    run`` or in the ``rehearsal``. ``line`` is where the trouble is, ``statement`` the line where
    its statement begins, and ``number`` that statement's place in the file. ``follows`` is the
    place of the earlier finding without which this one would not be; ``accepted`` the reason the
    manifest gives for going on all the same. ``object`` is the table, or the column of it, that
    loses something. ``safe`` does safely what the SQL ``was`` meant to; where it is ``planned``,
    the plan already does so.
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
    object: str = ""
    was: str = ""
    safe: Files = ()
    planned: bool = False

    @property
    def place(self) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{self.line}"

    @property
    def of_statement(self) -> tuple[str, int]:
        """Return the file and which statement of it this is about."""
        return self.path, self.number or -(self.statement or self.line)

    @property
    def blocks(self) -> bool:
        """Tell whether the release may not go to the target with it."""
        return self.severity is Severity.ERROR and not self.accepted

    @property
    def diff(self) -> str:
        """Return what the file has, and what would do it safely; empty where nothing is known."""
        if not self.safe:
            return ""
        files = [";\n".join((*file, "")).rstrip() for file in self.safe]
        now = re.sub(r"(?m)^(--.*);$", r"\1", f"\n{LATER}\n".join(files))
        was = f"{self.was.rstrip(';')};"
        return "\n".join(
            f"{sign} {line}"
            for sign, text in (("-", was), ("+", now))
            for line in text.splitlines()
        )


def remedy(sqlstate: str) -> str:
    """Return what to do about an error."""
    unknown = "Read the message, mend the file, and run again."
    return _BY_STATE.get(sqlstate, _BY_CLASS.get(sqlstate[:2], unknown))
