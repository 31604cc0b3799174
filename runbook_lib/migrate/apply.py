"""Carry out steps of the plan on the target, which is looked after meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from runbook_lib.evidence.journal import SERVER, Event, Journal, Listener
from runbook_lib.evidence.records import Loss, Outcome, Taken
from runbook_lib.evidence.requests import Requests
from runbook_lib.evidence.run import REHEARSAL, SERVER_BEFORE, TRAFFIC, Run
from runbook_lib.evidence.schemas import typed
from runbook_lib.migrate.execute import Applier, HeldRunner, OwnRows
from runbook_lib.migrate.guard import Guard
from runbook_lib.migrate.row_counts import HeldCounter, Older, Rehearsed, older_tables
from runbook_lib.parser.statement import LockMode
from runbook_lib.parser.transactions import as_planned
from runbook_lib.postgres import ledger, snapshot
from runbook_lib.postgres.connection import CleanSession, Connection
from runbook_lib.postgres.failover import OneServer, Server
from runbook_lib.postgres.server_wide import read_server
from runbook_lib.release.plan import Step, StepKind

_STAMPS = "schema_stamps"  # the schema as the last step left it
_TABLES = "tables_before"  # the names of tables before the first step
_TOUCHED = 10  # tables at most that the write probe touches


def keep_server(run: Run) -> None:
    """Record what belonged to the whole server before the first step, once."""
    if run.directory.read(SERVER_BEFORE) is None:
        with run.database.runner_session() as connection:
            run.directory.write(SERVER_BEFORE, read_server(connection))


@contextmanager
def guarding(
    run: Run, steps: Sequence[Step], emit: Listener
) -> Iterator[Callable[[Step], Outcome]]:
    """Hand over what carries these steps out, one after the other, with the target looked after."""
    keep_server(run)
    counter = _counter(run)
    with run.database.runner_session() as connection:
        applied = sorted(ledger.applied(ledger.read(connection)))
        tables = _touched(run, steps, connection)
    saved = run.directory.read(_STAMPS)
    known = saved["stamps"] if saved and saved["applied"] == applied else None
    notes = Journal(run.directory.path / TRAFFIC)
    watched = Guard(
        run.database,
        run.policy,
        emit,
        notes,
        tables=tables,
        disks=(run.root,),
        known=known,
        requests=Requests(run.directory.path, emit),
    )
    server = OneServer(
        _known_server(run), lambda found: emit(Event(SERVER, steps[0].name, vars(found)))
    )
    clean = CleanSession(run.database, server.check)
    with watched as guard, HeldRunner() as held, closing(clean) as sessions:
        applier = Applier(
            run.database,
            run.policy,
            emit,
            guard=guard,
            server=server,
            counter=counter,
            sessions=sessions,
            held=held,
        )
        yield lambda step: carry_out(run, applier, step, run.journal.own_rows)
    done = {step.name for step in steps if step.kind is not StepKind.DEMO_ROWS}
    stamps = {"applied": sorted({*applied, *done}), "stamps": guard.schema}
    run.directory.write(_STAMPS, stamps)


def _counter(run: Run) -> HeldCounter | None:
    """Return what holds the target to the rehearsal's counts, None where it has none.

    The tables are those before the first step: their names may change with it.
    """
    verdict, path, backup = run.verdict(), run.directory.path / f"{REHEARSAL}.json", run.backup()
    if verdict is None or verdict.get("losses") is None or backup is None:
        return None
    if run.directory.read(_TABLES) is None:
        with run.database.runner_session() as connection:
            run.directory.write(_TABLES, {"tables": older_tables(connection)})
    tables = (run.directory.read(_TABLES) or {})["tables"]
    taken = typed(tuple[Taken, ...], verdict["taken"], path)
    losses = typed(tuple[Loss, ...], verdict["losses"], path)
    rehearsed = Rehearsed(backup.rows, taken, losses, run.acceptances())
    return HeldCounter({int(oid): Older(*names) for oid, names in tables.items()}, rehearsed)


def _known_server(run: Run) -> Server:
    """Return the server that the run was on last: as its journal tells, before that as planned."""
    for last in run.journal.since(SERVER)[:1]:
        return Server(last["system_identifier"], last["timeline"])
    return Server(run.target.system_identifier, "")


def _touched(run: Run, steps: Sequence[Step], connection: Connection) -> list[tuple[str, str]]:
    """Return the older tables that the steps lock against writes or DDL, the largest first."""
    weak = list(LockMode)[:3]
    locked = {
        (lock.relation.schema, lock.relation.name)
        for step in steps
        if step.kind is StepKind.APPLY
        for item in as_planned(run.release.migration(step.name).statements, step.split)
        for lock in item.locks
        if lock.mode not in weak
    }
    return [item for item in snapshot.tables_by_size(connection) if item in locked][:_TOUCHED]


def count_statements(run: Run, step: Step) -> int:
    """Return how many statements a step has."""
    if step.kind is not StepKind.APPLY:
        return 1
    return len(as_planned(run.release.migration(step.name).statements, step.split))


def carry_out(run: Run, applier: Applier, step: Step, own_rows: OwnRows) -> Outcome:
    """Carry out one step of the plan; raises StatementError with SQLSTATE, file and line.

    ``own_rows`` returns the unfinished ledger rows from which it may go on.
    """
    if step.kind is StepKind.DEMO_ROWS:
        return applier.demo_rows(step.name, run.release.demo_files, run.environment.scale)
    migration = run.release.migration(step.name)
    if step.kind is StepKind.BASELINE:
        return applier.baseline(migration)
    return applier.migrate(migration, own_rows, step.split)
