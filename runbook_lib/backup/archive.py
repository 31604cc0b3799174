"""Restore a pg_dump archive into a database of its own, and put databases in place."""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

from runbook_lib.errors import SqlState, StatementError, ToolError
from runbook_lib.postgres import process, tools
from runbook_lib.postgres.connection import (
    SQL,
    Connection,
    Database,
    Identifier,
    Query,
    Send,
)
from runbook_lib.postgres.process import Completed, Runner
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.tools import list_argv, restore_argv

_OID = "SELECT oid FROM pg_database WHERE datname = %(dbname)s"
_TO_FINISH = 2.0  # seconds for transactions at work, of the 5 that a rename waits
_LOOK = 0.02  # seconds between two looks at who is connected
_FAILED = re.compile(
    r"^pg_restore: error: (?:could not execute query|(?P<what>COPY failed for .+?)): "
    r"\w+: +(?P<why>.+)$",
    re.MULTILINE,
)
_ENTRY = re.compile(r"\d+; \d+ \d+ (?P<what>.*)")  # a line of an archive's list
_ERROR = re.compile(r"^pg_restore: error: ", re.MULTILINE)
_TIMEOUT = re.compile(
    r"^pg_restore: error: could not execute query: .*\nCommand was: SET transaction_timeout = 0;$",
    re.MULTILINE,
)
_KNOWS_TIMEOUT = 17  # the first major version that has it
# Said last where it went on behind what failed.
_WENT_ON = re.compile(r"^pg_restore: warning: errors ignored on restore: \d+$", re.MULTILINE)
_TRIGGER = re.compile(r"(COMMENT .+ )?(EVENT )?TRIGGER ")
_COMMAND = re.compile(r"^Command was: (?P<sql>.+?);?$", re.MULTILINE)
_SAID = re.compile(r"^pg_restore: error: (?P<why>.+)$", re.MULTILINE)
# Whose body the server was in, the innermost first.
_INSIDE = re.compile(
    r"^(?:CONTEXT: +)?(?:PL/pgSQL function (?P<signature>.+\)) line \d+ at"
    r"|SQL function \"(?P<name>.+)\" (?:statement|during))",
    re.MULTILINE,
)


def restore(
    database: Database,
    server_major: int,
    path: Path,
    run: Runner,
    *,
    with_owners: bool,
    with_rows: bool = True,
    jobs: int = os.cpu_count() or 1,
    may: Callable[[], object] | None = None,
) -> None:
    """Fill an empty database from an archive; raises ToolError at the first thing that fails.

    Without owners the archive goes into a server that does not know the source's roles. ``may`` is
    called about each second meanwhile; what it raises ends pg_restore.
    """
    words = [] if with_owners else ["--no-owner", "--no-privileges"]
    words += [] if with_rows else ["--schema-only"]
    entries = list(list_entries(server_major, path))
    beside = [line for line, what in entries if not stands_alone(what)]
    alone = [line for line, what in entries if stands_alone(what)]
    for lines, workers in ((beside, jobs), (alone, 1)):
        if lines:
            run_restore(
                run, database, server_major, path, words, lines=lines, jobs=workers, watch=may
            )


def stands_alone(what: str) -> bool:
    """Tell whether an entry has to be restored by itself, and after those that may be beside.

    One may turn off the trigger of a partition, which is there once the parent's is, and an archive
    does not know that (pg_dump.c, dumpTrigger). An event trigger would run when others are made.
    """
    return bool(_TRIGGER.match(what))


def list_entries(server_major: int, path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of an archive's table of contents, each with what it is of."""
    for line in process.run(list_argv(_program(server_major), path)).stdout.splitlines():
        if match := _ENTRY.fullmatch(line):
            yield line, match["what"]


def run_restore(
    run: Runner,
    database: Database,
    server_major: int,
    path: Path,
    words: Sequence[str] = (),
    *,
    lines: Sequence[str] | None = None,
    jobs: int | None = None,
    go_on: bool = False,
    watch: Callable[[], object] | None = None,
) -> Completed:
    """Run pg_restore with more words; raises ToolError that says what does not restore, and why.

    ``lines`` are those of the archive's list that are restored, in this order. With ``go_on`` a
    statement that fails is left out, and what is returned tells of it.
    """
    older, program = stops_at_timeout(server_major), _program(server_major)
    argv = restore_argv(program, database.conninfo(), path, jobs=jobs, go_on=go_on or older)
    argv[1:1] = words if lines is None else ["--use-list=/dev/stdin", *words]
    reads = None if lines is None else "\n".join(lines)
    # The words of pg_restore itself are read: they may not be translated.
    env = {"LC_ALL": "C", **database.tool_environment()}
    done = run(argv, env=env, check=False, watch=watch, reads=reads)
    said = _TIMEOUT.sub("", done.stderr) if older else done.stderr
    ended = older and _WENT_ON.search(said) and not _ERROR.search(said)
    if done.returncode and not (ended or (go_on and _FAILED.search(said))):
        raise ToolError(_failure(replace(done, stderr=said)), remedy=_remedy(said))
    return done


def stops_at_timeout(server_major: int) -> bool:
    """Tell whether the pg_restore for a server sets what this one does not know in each session.

    From version 17 on that is transaction_timeout, which nothing turns off: it has to go on behind
    that, and all else that fails is an error nevertheless.
    """
    major = int(tools.version(_program(server_major)).split(".")[0])
    return server_major < _KNOWS_TIMEOUT <= major


def _program(server_major: int) -> Path:
    return tools.find_program("pg_restore", server_major=server_major)


def _failure(done: Completed) -> str:
    failed, command = _FAILED.search(done.stderr), _COMMAND.search(done.stderr)
    if failed is None:
        said = _SAID.search(done.stderr)  # the first; what the other workers say follows from it
        return f"pg_restore: {said['why']}." if said else process.failure(done)
    what = failed["what"] or (command["sql"] if command else "a statement failed")
    inside = _INSIDE.search(done.stderr)
    where = f", in {inside['signature'] or inside['name']}" if inside else ""
    return f"The backup does not restore: {what}: {failed['why']}{where}."


def _remedy(said: str) -> str:
    """Say what to do; an archive is restored with an empty search_path (pg_dump's manual)."""
    again = "take another backup, or restore an older one."
    failed, inside = _FAILED.search(said), _INSIDE.search(said)
    if failed is None or inside is None or not failed["why"].endswith("does not exist"):
        return f"Mend that on the target and {again}"
    name = inside["signature"] or inside["name"]
    schema = name.partition("(")[0].rpartition(".")[0] or "public"
    return (
        "A restore has an empty search_path. On the target, let the function have its own, with "
        f"the schemas that it needs: ALTER FUNCTION {name} SET search_path = {schema}; then {again}"
    )


def swap(
    database: Database,
    fresh: str,
    kept: str,
    send: Send = Connection.execute,
    then: Sequence[Query] = (),
) -> None:
    """Put ``fresh`` in the place of ``database``, which is kept under another name.

    Both are renamed in one transaction, so that no moment has neither name, and ``then`` is sent in
    it. The first rename locks the database against whoever connects, and gives up after 5 s if it
    is in use: meanwhile another session ends those that are there. The server lets go of the lock
    however this ends, so that even a kill leaves no database closed. Raises StatementError where
    sessions cannot be ended.
    """
    old, rename = Identifier(database.dbname), SQL("ALTER DATABASE {} RENAME TO {}")
    over = Event()
    with database.maintenance().runner_session() as connection, ThreadPoolExecutor(1) as pool:
        # By its oid: its name is the new one's as soon as this is done.
        oid = connection.value(_OID, {"dbname": database.dbname})
        ending = pool.submit(_end_sessions, database.maintenance(), oid, over)
        try:
            with connection.transaction():
                send(connection, rename.format(old, Identifier(kept)), None)
                send(connection, rename.format(Identifier(fresh), old), None)
                for statement in then:
                    send(connection, statement, None)
        except StatementError as error:
            over.set()
            if error.sqlstate == SqlState.OBJECT_IN_USE:
                cause = ending.exception()
                error.message += f" They could not be ended: {cause}" if cause else ""
                error.remedy = "The database is as it was; end what uses it, and run again."
            raise
        finally:
            over.set()


def _end_sessions(maintenance: Database, oid: int, over: Event) -> None:
    """End who is at rest at once, and everybody else after a time to finish."""
    until = time.monotonic() + _TO_FINISH
    with maintenance.runner_session() as connection:
        while not over.wait(_LOOK):
            everybody = time.monotonic() >= until
            connection.rows(load("end_sessions"), {"oid": oid, "everybody": everybody})
