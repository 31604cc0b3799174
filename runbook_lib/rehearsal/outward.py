"""Keep a rehearsal from reaching outside: what is left out, what is disarmed, what stays unproven.

Three walls, one behind the other. What can be read to reach outside is not sent. Foreign servers of
the copy lead nowhere. And the operating system refuses the server what it can
(``postgres.confinement``): a statement that fails there for want of a connection, a file or a
program proves nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from runbook_lib.findings import Finding, Severity
from runbook_lib.hazards.server_wide import reaches_outside
from runbook_lib.parser.statement import Statement
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.rehearsal.failures import MISSING, speaks_of
from runbook_lib.release.model import Release

UNPROVEN = "not-rehearsed"
"""The rule of what no rehearsal can try."""
# Classes of SQLSTATEs: connections, the system, foreign data (PostgreSQL manual, appendix A).
_ELSEWHERE = {"08", "58", "HV"}
# Of COPY ... PROGRAM and of files, where SQLSTATE is what errno of the machine comes to.
_MACHINE = ("ould not execute command", "ould not open file")
_EFFECT = "What it does on the target is not proven."
_REMEDY = "Try it by hand on a copy that may reach there, or do it apart from the release."


def left_out(release: Release) -> Iterator[tuple[Statement, str]]:
    """Yield the statements of a release that reach outside, with what they reach."""
    for statement in release.statements:
        if what := reaches_outside(statement):
            yield statement, what


def without(release: Release) -> Release:
    """Return a release without the statements that reach outside; the others keep their numbers."""
    kept = []
    for migration in release.migrations:
        inside = tuple(item for item in migration.statements if not reaches_outside(item))
        kept.append(replace(migration, statements=inside))
    return replace(release, migrations=tuple(kept))


def unproven(release: Release) -> Iterator[Finding]:
    """Yield a finding for each statement that is left out."""
    for statement, what in left_out(release):
        yield Finding(
            phase="rehearsal",
            rule=UNPROVEN,
            severity=Severity.WARNING,
            path=statement.path,
            line=statement.line,
            cause=f"{statement.label} was not carried out: it {what}.",
            effect=_EFFECT,
            remedy=_REMEDY,
            number=statement.number,
        )


def softened(found: Iterable[Finding], release: Release) -> Iterator[Finding]:
    """Turn failures for want of what lies outside into what they are: nothing is proven by them.

    So are those for want of what a statement would have made that was left out or failed so.
    """
    apart, places = [statement for statement, _ in left_out(release)], set[str]()
    for item in found:
        not_made = item.sqlstate in MISSING and any(_makes(x, item.cause) for x in apart)
        if not_made or item.follows in places or _elsewhere(item):
            places.add(item.place)
            item = replace(item, severity=Severity.WARNING, rule=UNPROVEN)  # noqa: PLW2901
            item = replace(item, effect=_EFFECT, remedy=_REMEDY)  # noqa: PLW2901
        yield item


def _elsewhere(finding: Finding) -> bool:
    machine = any(words in finding.cause for words in _MACHINE)
    return machine or finding.sqlstate[:2] in _ELSEWHERE


def _makes(statement: Statement, missing: str) -> bool:
    """Tell whether a statement may make what a message calls missing."""
    if statement.kind == "import foreign schema":
        return True
    return bool(statement.creates or statement.kind == "do") and speaks_of(statement.sql, missing)


def disarm(connection: Connection) -> None:
    """Let the foreign servers of a copy lead nowhere; rows of foreign tables are never in it."""
    for row in connection.rows(load("disarm_foreign")):
        connection.execute(row["statement"])
