"""Say why a cell stopped, as a card: where things stand, what is in, who is in the way, what to do.

Python's traceback tells a programmer where a program stopped; a DBA asks where the database stands.
The cell stays one that failed, so that nothing behind it runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from IPython import get_ipython

import runbook_lib
from runbook_lib.errors import GateError, RunbookError, SqlState, StatementError
from runbook_lib.evidence.journal import BEGAN
from runbook_lib.evidence.plans import changed_texts
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.run import PHASES, ROLLBACK, Position, Run, read_position
from runbook_lib.formatting import duration
from runbook_lib.migrate.apply import count_statements
from runbook_lib.notebook import page
from runbook_lib.notebook.card import MARK, Card, Part
from runbook_lib.notebook.show import show
from runbook_lib.parser.tree import PgQueryError, normalize
from runbook_lib.postgres.blockers import describe_blockers
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.release.plan import Step, StepKind

_LOCKS = {SqlState.LOCK_NOT_AVAILABLE, SqlState.DEADLOCK_DETECTED}
_AROUND = 3  # lines of a file before and behind the one that is meant
_FILES, _DIFF = 5, 60  # files that changed, and lines of each
_NO_DIFF = "It was changed; its lines as planned were not kept."
_QUERY = 200  # characters of another session's statement
_TITLES = {phase.name: phase.title for phase in (*PHASES, ROLLBACK)}
_AGAIN = "Run the cells again from the gate on: what is in is not done twice."
_DATABASE = f"Was it the database (rows, locks, rights, room): mend that. {_AGAIN}"
_FILE = (
    "Was it the file: mend it and begin at 00_brief.ipynb, for a changed file is a new plan, which "
    "is looked at, rehearsed and approved anew."
)
_HALF = "To take back what is committed of this file: 90_rollback.ipynb."


def show_as_cards() -> None:
    """Let what stops a cell of this kernel be shown as a card and one sentence."""
    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((RunbookError, KeyboardInterrupt, NameError), _stopped)


def _stopped(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    tb_offset: int | None = None,
) -> list[str]:
    """Show the card above the error, which IPython then sends to the page and to papermill."""
    card = card_of(error, _run_at_work(trace))
    if card is not None:
        show(card)
        if page.at_screen():  # the card has the rest; papermill needs the whole sentence
            line = f"{kind.__name__}: {card.title}"
            vars(error)["_render_traceback_"] = lambda: [line]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    said: list[str] = shell._last_traceback or []
    return said


def _run_at_work(trace: TracebackType | None) -> Run | None:
    """Return the run that the cell's call worked on: the first that a frame below the cell holds.

    A run that another cell has named says nothing of this one.
    """
    here = page.names()
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        if frame.f_globals is not here:
            found = (item for item in frame.f_locals.values() if isinstance(item, Run))
            if (run := next(found, None)) is not None:
                return run
    return None


def card_of(error: BaseException, run: Run | None) -> Card | None:
    """Return what a person has to know of an error, None for one of which only Python knows.

    ``run`` is the one that was worked on, None where it was not opened yet.
    """
    if isinstance(error, RunbookError):
        return Card(error.message, list(_of_refusal(error, run)))
    if isinstance(error, KeyboardInterrupt):
        return _of_interrupt(run)
    if isinstance(error, NameError) and page.at_screen():
        return _of_order(str(error.name))
    return None


def _of_order(name: str) -> Card | None:
    if name not in {"run", *runbook_lib.__all__, *page.saved_parameters()}:
        return None
    title = f"'{name}' is not known to this kernel: an earlier cell of this page gives it"
    todo = "Run the cells above first, from the top: Run > Run All Above Selected Cell."
    return Card(f"{title}; nothing was done.", [Part("What to do", [todo])])


def _of_interrupt(run: Run | None) -> Card:
    if run is None:
        todo = ["Run the cells of this page again, from the top."]
        return Card("The cell was interrupted.", [Part("What to do", todo)])
    title = f"{_TITLES.get(run.phase, 'The release')} was interrupted on {run.target.dbname}."
    parts = [Part("Where it stands", [*_stands(run), *_on_server(run)])]
    return Card(title, [*parts, Part("What to do", [_AGAIN])])


def _of_refusal(error: RunbookError, run: Run | None) -> Iterator[Part]:
    if error.place:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        yield Part("Where", [f"{error.place}{state}"])
        if around := _around(error, run):
            yield Part("The file there", around, code=True)
    if run is not None and isinstance(error, GateError):
        yield from _changes(run)
    migrating = run is not None and run.phase == "migrate" and run.began
    if run is not None and migrating:
        yield Part("What is in", list(_stands(run)))
    if run is not None and error.sqlstate in _LOCKS and (blockers := _blockers(run)):
        yield Part("Who is in the way", blockers)
    todo = [error.remedy] if error.remedy else []
    if run is not None and migrating and isinstance(error, StatementError):
        todo += _next_acts(error, run)
    if todo:
        yield Part("What to do", todo)


def _changes(run: Run) -> Iterator[Part]:
    """Show what was changed in the files since the plan was approved, or made."""
    with suppress(RunbookError):  # records that cannot be read are what another card is about
        found = changed_texts(run)
        for item in found[:_FILES]:
            yield Part(item.path, item.diff[:_DIFF] or [_NO_DIFF], code=bool(item.diff))
        if len(found) > _FILES:
            yield Part("And", [f"{len(found) - _FILES} more files"])


def _next_acts(error: StatementError, run: Run) -> Iterator[str]:
    if error.sqlstate in _LOCKS:
        yield f"Wait until it is free, or ask its owner. {_AGAIN}"
    else:
        yield from (_DATABASE, _FILE)
    with suppress(RunbookError):
        if run.begun():
            yield _HALF


def _around(error: RunbookError, run: Run | None) -> list[str]:
    """Return the lines of an SQL file around the one that an error names, that one marked."""
    path = (run.root if run else Path()) / (error.path or "")
    if error.line is None or path.suffix != ".sql" or not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    first = max(error.line - _AROUND, 1)
    shown = lines[first - 1 : error.line + _AROUND]
    return [
        f"{MARK if number == error.line else '  '}{number:5}  {line}"
        for number, line in enumerate(shown, first)
    ]


def _stands(run: Run) -> Iterator[str]:
    """Say what is in, as ledger and journal tell; what cannot be read is said to be not known."""
    try:
        step = next((item for item in run.pending() if item.kind is StepKind.APPLY), None)
        if step is None:
            yield "every migration is applied"
            return
        migration = run.release.migration(step.name)
        with run.database.runner_session() as connection:
            position = read_position(connection, step, migration, run.journal)
    except (RunbookError, KeyboardInterrupt) as error:  # a person may be impatient
        yield f"not known: {error or 'interrupted again'}"
        return
    yield str(position)
    yield from _statements(run, step, position)


def _statements(run: Run, step: Step, position: Position) -> Iterator[str]:
    """Count the statements of a file that are committed, and those that were taken back."""
    lines = [item for item in run.journal.runs() if item["step"] == step.name]
    done = [item for item in lines if item["outcome"] == Outcome.DONE]
    kept = sum(item["transaction"] <= position.committed for item in done)
    if lines:
        total, back = count_statements(run, step), len(done) - kept
        yield (
            f"of its {total} statements {kept} are committed, and {back} that had been done were "
            "rolled back"
        )


def _on_server(run: Run) -> Iterator[str]:
    """Say whether the server is still at work on what was interrupted."""
    pids = [line["pid"] for line in run.journal.since(BEGAN)[:1]]
    if not pids:
        return
    try:
        with run.database.runner_session() as connection:
            now = _now(connection, pids)
    except (RunbookError, KeyboardInterrupt):
        yield f"whether the server still works on it is not known: look for pid {pids[0]}"
        return
    for pid, row in now.items():
        yield f"pid {pid} is still there ({row['state']})"
        yield f"  its session is ended by: SELECT pg_terminate_backend({pid})"
    if not now:
        yield "the server has ended the session: what was under way is cancelled"


def _now(connection: Connection, pids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return what sessions do now, by pid; of none where the role may not look."""
    rows = connection.seen(load("sessions_now"), {"pids": pids}) or ()
    return {row["pid"]: row for row in rows}


def _blockers(run: Run) -> list[str]:
    """Name who kept the last file waiting, what they do now, and what can be done about each."""
    waits = [line for line in run.journal.since(BEGAN) if line["event"] == "waiting"]
    blockers = waits[-1]["blockers"] if waits else []
    now: Mapping[int, Mapping[str, Any]] = {}
    with suppress(RunbookError), run.database.runner_session() as connection:
        now = _now(connection, [row["pid"] for row in blockers])
    return [line for row in blockers for line in _blocker(row, now.get(row["pid"]))]


def _blocker(row: Mapping[str, Any], now: Mapping[str, Any] | None) -> Iterator[str]:
    yield describe_blockers([row])
    if now is None:
        yield "  it is gone, or this role may not see it: the lock may be free now"
        return
    yield f"  now: {now['state']}, for {duration(now['age'])}; {_query(now['query'])}"
    if now["state"] == "active":
        yield f"  its statement is cancelled by: SELECT pg_cancel_backend({row['pid']})"
    else:
        yield f"  its session is ended by: SELECT pg_terminate_backend({row['pid']})"


def _query(sql: str) -> str:
    """Return another session's statement without the values in it, which may be anybody's data."""
    try:
        text = " ".join(normalize(sql).split())
    except PgQueryError:  # the server keeps only its beginning
        return "its statement cannot be shown without its values"
    return f"its last statement: {text[:_QUERY]}{'...' if len(text) > _QUERY else ''}"
