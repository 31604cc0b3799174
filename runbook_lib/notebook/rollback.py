"""The acts of 90_rollback: what the run left, what each way would lose, and the way back."""

from collections.abc import Sequence
from csv import DictWriter
from dataclasses import asdict, replace
from functools import partial
from io import StringIO

from runbook_lib.backup.dump import still_whole
from runbook_lib.checks.beside import left_by_swap
from runbook_lib.errors import GateError
from runbook_lib.evidence.directory import file_name
from runbook_lib.evidence.journal import to_all
from runbook_lib.evidence.records import Backup, Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.notebook.acts import check_act, check_confirmed, one_writer
from runbook_lib.notebook.application import started_again, stop_application
from runbook_lib.notebook.buttons import offer
from runbook_lib.notebook.page import at_screen
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table, show
from runbook_lib.notebook.ways import Card, Form, Ways, make_cards
from runbook_lib.parser.identifiers import by_kind
from runbook_lib.postgres import ledger
from runbook_lib.postgres.snapshot import NOT_LOOKED_AT
from runbook_lib.redaction import redact_values
from runbook_lib.rollback import inverse, restore
from runbook_lib.rollback.attempt import (
    CARRIED,
    CARRY,
    IN_PLACE,
    RESTORE,
    REVERT,
    TAKE_BACK,
    attempt,
)
from runbook_lib.rollback.carry_forward import Carried, carry, compare
from runbook_lib.rollback.choice import Choice, Option, read_choice, refuse
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose_run, left_on_server
from runbook_lib.rollback.half import read_half
from runbook_lib.rollback.in_place import read_stage, restore_in_place
from runbook_lib.rollback.losses import many, named
from runbook_lib.rollback.restore import Restorer, exists
from runbook_lib.rollback.revert import revert

_SHOWN = 5
_TO_DECIDE, _KEYS_SHOWN = "90_rows_to_decide.csv", 20
_NOTHING_KEPT = "No restore kept an old database: there is nothing to carry"
_NOTHING_LEFT = "There is nothing to roll back: this run left nothing on the target"
_CAPTIONS = {
    "": "No way is proven to lose nothing: a person has to choose one",
    REVERT: "Revert: it is the cheapest that loses nothing",
    RESTORE: "Restore: a revert is not proven to lead back without a loss",
    IN_PLACE: "In place: no other way is possible and proven",
}


def diagnose_target(run: Run) -> Table:
    """Show what this run left on the target: migrations, objects, and what was changed."""
    with run.database.runner_session() as connection:
        seen = diagnose_run(run, connection)
        outside = [f"{what}: {sql}" for what, sql in left_on_server(run, connection)]
    if (seen is None or seen.nothing) and not outside:
        return Table("This run left nothing on the target: there is nothing to roll back", [])
    left = [_named("on the whole server, to be set back by hand", outside)] if outside else []
    if seen is None or seen.nothing:
        return Table(
            "This run left nothing in the database, but changed what is the whole server's", left
        )
    drops = [drop.key for drop in inverse.drops(seen.made, seen.now.objects)]
    rows = [_named("applied migrations", seen.migrations)]
    rows += [_named(f"changed or gone: {kind}", x) for kind, x in by_kind(seen.changed).items()]
    sets = [item.sql for item in seen.undone if item.key in seen.before.objects]
    rows += [_named("a revert sets back", sets)] if sets else []
    if not seen.revertible:
        rows.append(_named("has no way back but a restore", seen.stuck))
    rows += [_named(f"created: {kind}", names) for kind, names in by_kind(drops).items()]
    rows += [
        _named(f"made by others, stays: {kind}", x) for kind, x in by_kind(seen.strangers).items()
    ]
    rows += left
    others = f"; others made {many(len(seen.strangers), 'object')}" if seen.strangers else ""
    caption = (
        f"This run applied {many(len(seen.migrations), 'migration')}: "
        f"{many(len(drops), 'new object')}, {many(len(seen.changed), 'older object')} changed or "
        f"gone{others}"
    )
    return Table(caption, rows)


def _named(what: str, names: Sequence[str]) -> dict[str, object]:
    return {"what": what, "count": len(names), "names": _some(names)}


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}"


def show_losses(run: Run) -> Table:
    """Show what going back to the backup would change: rows written since, tables made since."""
    backup = _backup(run)
    with run.database.runner_session() as connection:
        found = restore.losses(connection, backup)
    made = sum(item.now for item in found if item.at_backup is None)
    written = sum(max(item.now - item.at_backup, 0) for item in found if item.at_backup is not None)
    caption = (
        f"Going back to {backup.path.name} changes {many(len(found), 'table')}: tables made since "
        f"go with {many(made, 'row')}, older tables have {many(written, 'new row')}"
    )
    return Table(caption, _changes(found))


def _changes(found: Sequence[restore.Loss]) -> list[dict[str, object]]:
    """Return a row a table, the largest change first, and one for all that are empty and new."""
    changed = [item for item in found if item.now or item.at_backup]
    changed.sort(key=lambda item: (-abs(item.now - (item.at_backup or 0)), item.table))
    rows = [_change(item.table, item.at_backup, item.now) for item in changed]
    empty = len(found) - len(changed)
    return [*rows, _change(f"{many(empty, 'empty table')} made since", None, 0)] if empty else rows


def _change(what: str, at_backup: int | None, now: int) -> dict[str, object]:
    return {
        "table": what,
        "rows at backup": "" if at_backup is None else at_backup,
        "rows now": now,
        "what happens": "goes" if at_backup is None else "back to the backup",
    }


def show_ways(run: Run) -> Table | Ways:
    """Show the ways back, what each would lose, and which is taken where nobody chooses."""
    if done := _done(run):
        return done
    choice, cards = _read_ways(run)
    return Ways(_NOTHING_LEFT if choice.nothing else _CAPTIONS[choice.proposal], cards)


def _read_ways(run: Run) -> tuple[Choice, list[Card]]:
    backup = _backup(run)
    with run.database.runner_session() as connection:
        choice = read_choice(run, connection, backup)
        return choice, make_cards(choice, backup, left_by_swap(connection))


def choose_way(run: Run, confirm: str, way: str = "", accept: str = "") -> Table:
    """Show the way that the rollback takes, and refuse before anything is stopped what it would.

    Raises GateError for what the rehearsal, the target or the backup say would fail, and where
    what the way would lose is not accepted.
    """
    if done := _done(run):
        return done
    backup = _backup(run)
    if not confirm:
        return Table("No way is taken: the parameter confirm is empty", [])
    check_confirmed(run, confirm)
    chosen, _ = _choose(run, backup, way, accept)
    with run.database.runner_session() as connection:
        ledger.take_runner_lock(connection, run.policy.locks.runner_wait)
    return Table(f"The rollback takes the way '{chosen}'", [])


def _choose(run: Run, backup: Backup, way: str, accept: str) -> tuple[str, Choice]:
    """Return the way, and what it is chosen by."""
    with run.database.runner_session() as connection:
        choice = read_choice(run, connection, backup)
    chosen = choice.chosen(way, accept)
    if chosen != REVERT and not still_whole(backup):
        message = "The backup of this run is gone, or its checksum differs."
        raise GateError(message, remedy="Bring its directory back, or take the way 'revert'.")
    return chosen, choice


@one_writer
def roll_back(run: Run, confirm: str, way: str = "", accept: str = "") -> Table:
    """Go back by ``way``, empty for the one that is proven to lose nothing; compared with what was.

    ``confirm`` is the name of the database, typed by whoever decides; empty changes nothing, and
    shows at a screen the ways with their buttons. ``accept`` is the code by which the ways show
    what may be lost and what may stay changed. A run that is rolled back is not rolled back again.
    Raises GateError for another name, for what is refused, or where every way loses something; the
    application, where this run stopped it, is started again.
    """
    check_act(run, "rollback")
    if done := _done(run):
        return done
    backup = _backup(run)
    if not confirm:
        return _offer_ways(run)
    check_confirmed(run, confirm)
    with started_again(run, lambda: not _half_restored(run)):
        chosen, choice = _choose(run, backup, way, accept)
        if chosen == RESTORE:
            return _restore(run, backup, choice.seen)
        if choice.seen is None or choice.nothing:
            return Table(_NOTHING_LEFT, [])
        if chosen == IN_PLACE:
            counted = {item.table: item.now for item in choice.written}
            return _in_place(run, backup, choice.seen, counted)
        return _revert(run, choice.seen, choice.options[REVERT])


def _offer_ways(run: Run) -> Table:
    """Show at a screen the form that takes a way back; nothing is rolled back yet."""
    if not at_screen() or _read_ways(run)[0].nothing:
        return Table("Nothing was rolled back: the parameter confirm is empty", [])
    asks, dbname = run.policy.approvals.confirm, run.target.dbname
    Form(lambda: _read_ways(run)[1], partial(_take, run), dbname, asks).show()
    return Table("Tick what a way asks, then press its button: it stops the application first", [])


def _take(run: Run, confirm: str, way: str, accept: str) -> Table:
    """Do for a button what the cells do: refuse first, stop the application, then roll back."""
    check_confirmed(run, confirm)
    show(choose_way(run, confirm, way, accept))
    show(stop_application(run, confirm, way=way))
    return roll_back(run, confirm, way, accept)


@one_writer
def take_back(run: Run, step: str, accept: str = "") -> Table:
    """Take back one file of which a part is in, as a revert does; the run applies it anew.

    Without its name nothing is done: at a screen a button is shown where there is such a file.
    ``accept`` is the code of what may be lost and may stay changed, as it is counted now. Raises
    GateError where no part of it is in by this run, and for what is refused or not accepted.
    """
    check_act(run, run.phase)
    if not step:
        return _offer_half(run, accept)
    with run.database.runner_session() as connection:
        seen, option = read_half(run, connection, step)
    refuse(option, accept)
    intent = {"file": step, "accepted": option.asks}
    with (
        Progress("Take back", len(seen.undone)) as progress,
        attempt(run, TAKE_BACK, progress.follow, **intent) as sender,
    ):
        sent = [x.sql for x in revert(run.database, run.policy, seen, option.asks, sender)]
    run.record(True, {**intent, "sent": sent}, f"90_taken_back_{file_name(step)}")
    rows = [
        ("statements", f"{len(sent)} dropped what was created or set back what was changed"),
        ("ledger", "its row is marked as rolled back: the file is pending again"),
        ("schema", "equal to the one before the file" + _aside(seen)),
        ("rows of older tables", _rows_after(option)),
    ]
    caption = f"{step} is taken back, and compared with the schema before it: 40_migrate goes on"
    return Table(caption, [{"what": name, "value": value} for name, value in rows])


def _offer_half(run: Run, accept: str) -> Table:
    """Show a button for the file of which a part is in, if there is one."""
    if not (name := run.begun()):
        return Table("No file is in by a part: there is nothing to take back", [])
    if at_screen():
        offer(f"Take back {name}", lambda: take_back(run, name, accept))
    return Table(f'A part of {name} is in: back = "{name}" takes it back', [])


def _half_restored(run: Run) -> bool:
    """Tell whether a restore in place has no end yet."""
    with run.database.runner_session() as connection:
        return read_stage(connection) is not None


def _done(run: Run) -> Table | None:
    """Return what is left to do of a run that is rolled back, None where it is not."""
    if not run.passed("rollback"):
        return None
    found = run.recorded("rollback") or {}
    rows = []
    if kept := _kept(run):
        rows = [
            {"left to do": "carry the rows written since", "how": "carry_rows = true"},
            {"left to do": f"drop {kept}", "how": f'drop_kept = "{kept}"'},
        ]
    at, way = found["recorded_at"], found["rollback"]["way"]
    return Table(f"The run was rolled back already by the way '{way}', recorded {at}", rows)


def _rows_after(option: Option) -> str:
    """Say what becomes of the rows of older tables by a revert, as far as that is known."""
    if option.unproven:
        return f"not compared: {option.unproven}"
    return f"stay as changed: {named(option.stays)}" if option.stays else "as they were written"


def _revert(run: Run, seen: Diagnosis, option: Option) -> Table:
    with run.database.runner_session() as connection:
        outside = left_on_server(run, connection)
    intent = {"migrations": seen.migrations, "accepted": option.asks, "server": outside}
    with (
        Progress("Revert", len(seen.undone)) as progress,
        attempt(run, REVERT, progress.follow, **intent) as sender,
    ):
        sent = revert(run.database, run.policy, seen, option.asks, sender)
        run.record(True, {"rollback": {"way": REVERT, "sent": [x.sql for x in sent], **intent}})
    rows = [
        ("sent", f"{many(len(sent), 'statement')}: drop what was made, set back what was changed"),
        ("ledger", f"{many(len(seen.migrations), 'migration')} marked as rolled back"),
        ("schema", "equal to the one before the run" + _aside(seen)),
        ("rows of older tables", _rows_after(option)),
        ("owners, grants and settings of older objects", "equal to those before the run"),
        ("not looked at", "; ".join((*NOT_LOOKED_AT, *seen.now.unseen))),
        *((f"stays on the server: {what}", f"taken back by: {sql}") for what, sql in outside),
    ]
    caption = "Reverted, and compared with the schema before the run"
    return Table(caption, [{"what": name, "value": value} for name, value in rows])


def _aside(seen: Diagnosis) -> str:
    return f", apart from {many(len(seen.strangers), 'object')} of others" if seen.strangers else ""


def _restorer(run: Run, backup: Backup, sender: Sender) -> Restorer:
    return Restorer(run.database, run.target.major, backup, run.policy, sender)


def _restore(run: Run, backup: Backup, seen: Diagnosis | None) -> Table:
    with (
        Progress("Rollback", 1) as progress,
        attempt(run, RESTORE, progress.follow) as sender,
    ):
        done = _restorer(run, backup, sender).beside(_set_back(seen))
        run.record(True, {"rollback": {"way": RESTORE, **asdict(done)}})
    rows = [
        ("in place", done.dbname),
        ("kept as", done.kept_as),
        ("schema fingerprint", f"{done.schema_fingerprint[:12]}, equal to the backup's"),
        ("rows", f"{sum(done.rows.values()):,} in {len(done.rows)} tables, equal to the backup's"),
    ]
    return Table(
        "Rolled back, and compared with the backup",
        [{"what": name, "value": value} for name, value in rows],
    )


def _set_back(seen: Diagnosis | None) -> tuple[str, ...]:
    """Return what takes back what the run set on the database itself, which no archive holds."""
    return inverse.set_on_database(seen.before, seen.now, seen.marks) if seen else ()


def _in_place(run: Run, backup: Backup, seen: Diagnosis, accepted: dict[str, int]) -> Table:
    with (
        Progress("Rollback in place", 1) as progress,
        attempt(run, IN_PLACE, progress.follow, accepted=accepted) as sender,
    ):
        restorer = _restorer(run, backup, sender)
        restore_in_place(restorer, seen.before, accepted, _set_back(seen))
        run.record(True, {"rollback": {"way": IN_PLACE, "accepted": accepted}})
    rows = [
        ("in place", run.target.dbname),
        ("schema fingerprint", f"{backup.schema_fingerprint[:12]}, equal to the backup's"),
        ("rows", f"{sum(backup.rows.values()):,}, equal to the backup's"),
    ]
    return Table(
        "Restored in place, and compared with the backup",
        [{"what": name, "value": value} for name, value in rows],
    )


def show_carry(run: Run) -> Table:
    """Show how the rows of the database that a restore kept differ from the restored ones."""
    with started_again(run):
        if not (kept := _kept(run)):
            return Table(_NOTHING_KEPT, [])
        found = compare(run.database, kept, _backup(run))
    _record_compared(run, "90_compare", kept, found)
    show(_to_decide(run, found))
    return _carried(found, "Written after the backup")


def _record_compared(run: Run, name: str, kept: str, found: Sequence[Carried]) -> None:
    """Record how the tables differ; the keys of rows to decide are in a list of their own."""
    counted = [replace(item, undecided=()) for item in found]
    run.directory.write(name, {"kept_as": kept, "tables": counted})


def _to_decide(run: Run, found: Sequence[Carried]) -> Table:
    """Show the first rows that a person has to decide about, and write all that are listed."""
    total = sum(item.differ + item.gone for item in found)
    # Hidden before CSV doubles the quotes in them.
    rows = [redact_values(asdict(row)) for item in found for row in item.undecided]
    if not rows:
        return Table("No row is left for a person to decide", [])
    text = StringIO(newline="")
    writer = DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = run.directory.write_text(_TO_DECIDE, text.getvalue())
    place = path.relative_to(run.root)
    part = f"the first {len(rows):,} are" if total > len(rows) else "all are"
    caption = f"{many(total, 'row')} for a person to decide; {part} in {place}, by their keys"
    return Table(caption, rows[:_KEYS_SHOWN])


@one_writer
def carry_forward(run: Run, carry_rows: bool) -> Table:
    """Insert what was written after the backup and is missing now, if ``carry_rows`` says so.

    At a screen a button does so, too. Once: a row that was carried, and deleted since, would come
    back.
    """
    check_act(run, "rollback")
    if not carry_rows and not at_screen():
        return Table("Nothing was carried: the parameter carry_rows is false", [])
    if not (kept := _kept(run)):
        return Table(_NOTHING_KEPT, [])
    if done := run.directory.read(CARRIED):
        return Table(f"The rows were carried already, recorded {done['recorded_at']}", [])
    if not carry_rows:
        offer("Carry the missing rows", lambda: carry_forward(run, True))
        return Table(f"Nothing is carried yet: the button inserts what only {kept} has", [])
    with (
        started_again(run),
        Progress("Carry forward", 1) as progress,
        attempt(run, CARRY, progress.follow, kept_as=kept) as sender,
    ):
        found = carry(run.database, kept, _backup(run), sender)
        _record_compared(run, CARRIED, kept, found)
    return _carried(found, "Carried from the database that was kept")


@one_writer
def drop_kept_database(run: Run, name: str) -> Table:
    """Drop the database that a restore kept, if ``name`` is its; what it alone holds is lost."""
    check_act(run, "rollback")
    kept = _kept(run)
    if not name:
        return Table("Nothing was dropped: the parameter drop_kept is empty", [])
    if name != kept:
        message = f"'{name}' is not the database that this run's rollback kept."
        remedy = f"Set drop_kept to {kept}." if kept else "None is kept any more."
        raise GateError(message, remedy=remedy)
    with Progress("Drop the kept database", 1) as progress:
        sender = Sender(to_all(run.journal.emit, progress.follow), "rollback: drop what was kept")
        run.database.drop(kept, sender.change)
    return Table(f"{kept} was dropped", [])


def _kept(run: Run) -> str:
    """Return the name of the database that a restore put aside, empty where none is there."""
    done = (run.recorded("rollback") or {}).get("rollback", {})
    with run.database.runner_session() as connection:
        there = done.get("way") == RESTORE and exists(connection, done["kept_as"])
    return str(done["kept_as"]) if there else ""


def _carried(found: Sequence[Carried], caption: str) -> Table:
    rows = [
        {
            "table": item.table,
            "missing": item.missing,
            "other values": item.differ,
            "deleted since": item.gone,
            "status": (Status.WARN if item.why or item.differ or item.gone else Status.PASS).value,
            "not carried because": item.why,
        }
        for item in found
    ]
    total = sum(item.missing for item in found if not item.why)
    return Table(f"{caption}: {total:,} rows of {len(found)} tables, by key", rows)


def _backup(run: Run) -> Backup:
    backup = run.backup()
    if backup is None:
        raise GateError("This run took no backup.", remedy="Open the run that changed the target.")
    return backup
