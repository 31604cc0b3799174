"""The acts of 90_rollback: what the run left, what each way would lose, and the way back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from runbook_lib.config.environments import FILE, acting
from runbook_lib.errors import GateError, ToolError
from runbook_lib.evidence.journal import to_all
from runbook_lib.evidence.records import Backup, Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.formatting import duration
from runbook_lib.notebook.session import check_confirmed
from runbook_lib.notebook.show import Progress, Table
from runbook_lib.parser.identifiers import by_kind
from runbook_lib.postgres import process
from runbook_lib.postgres.process import tail
from runbook_lib.postgres.snapshot import NOT_LOOKED_AT
from runbook_lib.rollback import inverse, restore
from runbook_lib.rollback.attempt import CARRY, IN_PLACE, RESTORE, REVERT, attempt
from runbook_lib.rollback.carry_forward import Carried, carry, compare
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose_run, left_on_server
from runbook_lib.rollback.hooks import CommandRun, run_commands
from runbook_lib.rollback.restore import Restorer
from runbook_lib.rollback.revert import refuse_losses, revert

_ACCEPTED = re.compile(r"\s*(.+?)\s*=\s*(\d+)\s*(?:,|$)")
_SHOWN = 5
_NOTHING_KEPT = "No restore kept an old database: there is nothing to carry"
_BY_DOWN = "as the release's own down.sql left them; they were not compared"
_OWN = "sends the release's own down.sql, "


def diagnose_target(run: Run) -> Table:
    """Show what this run left on the target: migrations, objects, and what was changed."""
    with run.database.runner_session() as connection:
        seen = diagnose_run(run, connection)
        outside = [f"{what}: {sql}" for what, sql in left_on_server(run, connection)]
    if (seen is None or seen.nothing) and not outside:
        return Table("This run left nothing on the target: there is nothing to roll back", [])
    left = [_named("on the whole server, taken back by nothing but", outside)] if outside else []
    if seen is None or seen.nothing:
        return Table("This run left nothing in the database, and this on its server", left)
    drops = [drop.key for drop in inverse.drops(seen.made, seen.now.objects)]
    rows = [_named("applied migrations", seen.migrations)]
    rows += [_named(f"changed or gone: {kind}", x) for kind, x in by_kind(seen.changed).items()]
    sets = [item.sql for item in seen.undone if item.key in seen.before.objects]
    rows += [_named("a revert sets back", sets)] if sets else []
    if not seen.revertible:
        rows.append(_named("has no way back but a restore", seen.stuck))
    rows += [_named(f"created: {kind}", names) for kind, names in by_kind(drops).items()]
    rows += [_named(f"others', stays: {kind}", x) for kind, x in by_kind(seen.strangers).items()]
    rows += left
    caption = (
        f"This run applied {len(seen.migrations)} migrations, created {len(drops)} objects with "
        f"their parts, and changed {len(seen.changed)}; others created {len(seen.strangers)}"
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
    rows = [
        {
            "table": item.table,
            "rows at backup": item.at_backup,
            "rows now": item.now,
            "what happens": "the table goes" if item.at_backup is None else "back to the backup",
        }
        for item in found
    ]
    made = sum(item.now for item in found if item.at_backup is None)
    written = sum(max(item.now - item.at_backup, 0) for item in found if item.at_backup is not None)
    caption = (
        f"Going back to {backup.path.name} changes {len(rows)} tables: {made:,} rows go with "
        f"tables created since, {written:,} more were added to older tables"
    )
    return Table(caption, rows)


def show_ways(run: Run) -> Table:
    """Show the ways back, what each would lose, and which is taken where nobody chooses."""
    backup = _backup(run)
    with run.database.runner_session() as connection:
        seen = diagnose_run(run, connection)
        written = restore.losses(connection, backup)
        creates = restore.can_create(connection)
    chosen = _cheapest(seen)
    older = [item.table for item in written if item.at_backup is not None]
    rows = [
        {
            "way": REVERT,
            "possible": "no" if seen is None or not seen.revertible else "yes",
            "would lose": _some(_words(seen.data)) if seen and seen.data else "nothing",
            "what it does": f"{_OWN if seen and seen.down else ''}drops what this run created and "
            "sets back what it changed, in one transaction; the rows of older tables stay as they "
            "are now",
            "point of no return": "its COMMIT",
        },
        {
            "way": RESTORE,
            "possible": "yes" if creates else "no: the role may not create a database",
            "would lose": f"the same, and what was written into {_some(older)}"
            if older
            else "the same",
            "what it does": f"restores {backup.path.name} beside, compares, swaps the names",
            "point of no return": "the swap; the old database is kept under a dated name",
        },
        {
            "way": IN_PLACE,
            "possible": "yes",
            "would lose": _some(_words({item.table: item.now for item in written}))
            or "values that were changed",
            "what it does": "drops what the archive does not know, then replaces what it does; "
            "nothing is kept, and values changed since are lost",
            "point of no return": "its first COMMIT; run again to continue after it",
        },
    ]
    caption = {
        "": "Every way loses something: choose with the parameter way",
        REVERT: "Revert: it is the cheapest that loses nothing",
        RESTORE: "Restore: older objects were changed in a way that no statement takes back",
    }[chosen]
    if seen is None or seen.nothing:
        caption = "There is nothing to roll back"
    return Table(caption, rows)


def choose_way(run: Run, confirm: str, way: str = "", accept: str = "") -> Table:
    """Show the way that the rollback takes, and refuse before anything is stopped what it would.

    Raises GateError as roll_back does, also where what the way would lose is not accepted.
    """
    backup = _backup(run)
    if not confirm:
        return Table("No way is taken: the parameter confirm is empty", [])
    check_confirmed(run, confirm)
    chosen, seen, accepted = _choose(run, way, accept)
    if chosen == REVERT and seen is not None:
        refuse_losses(seen.data, accepted)
    if chosen == IN_PLACE:
        with run.database.runner_session() as connection:
            written = restore.losses(connection, backup)
        refuse_losses({item.table: item.now for item in written}, accepted)
    return Table(f"The rollback takes the way '{chosen}'", [])


def _choose(run: Run, way: str, accept: str) -> tuple[str, Diagnosis | None, dict[str, int]]:
    """Return the way, what it is chosen by, and what may be lost by it."""
    accepted = dict(_accepted(accept))
    with run.database.runner_session() as connection:
        seen = diagnose_run(run, connection)
    chosen = way or (REVERT if accepted else _cheapest(seen))
    if chosen not in {REVERT, RESTORE, IN_PLACE}:
        message = f"'{way}' is no way back." if way else "Every way back loses something."
        remedy = f"Set the parameter way to '{REVERT}', '{RESTORE}' or '{IN_PLACE}'."
        raise GateError(message, remedy=remedy)
    return chosen, seen, accepted


def roll_back(run: Run, confirm: str, way: str = "", accept: str = "") -> Table:
    """Go back by ``way``, empty for the cheapest that loses nothing; compared with what was.

    ``confirm`` is the name of the database, typed by whoever decides; empty changes nothing.
    ``accept`` names what a revert may lose, each with its count, as ``schema.table=3``. Raises
    GateError for another name, an unknown way, or where every way loses something.
    """
    backup = _backup(run)
    if not confirm:
        return Table("Nothing was rolled back: the parameter confirm is empty", [])
    check_confirmed(run, confirm)
    chosen, seen, accepted = _choose(run, way, accept)
    if chosen == RESTORE:
        return _restore(run, backup)
    if chosen == IN_PLACE and seen is not None:
        return _in_place(run, backup, seen, accepted)
    if seen is None or seen.nothing:
        return Table("There is nothing to roll back: this run left nothing on the target", [])
    return _revert(run, seen, accepted)


def _revert(run: Run, seen: Diagnosis, accepted: dict[str, int]) -> Table:
    with run.database.runner_session() as connection:
        outside = left_on_server(run, connection)
    intent = {"migrations": seen.migrations, "accepted": accepted, "server": outside}
    with (
        Progress("Revert", len(seen.undone)) as progress,
        attempt(run, REVERT, progress.follow, **intent) as sender,
    ):
        sent = revert(run.database, run.policy, seen, accepted, sender)
        run.record(True, {"rollback": {"way": REVERT, "sent": [x.sql for x in sent], **intent}})
    rows = [
        ("statements", f"{len(sent)} dropped what was created or set back what was changed"),
        ("ledger", f"{len(seen.migrations)} migrations marked as rolled back"),
        ("schema", "equal to the one before the run" + _aside(seen)),
        ("rows of older tables", _BY_DOWN if seen.down else "as they were written"),
        ("owners, grants and settings of older objects", "equal to those before the run"),
        ("not looked at", "; ".join((*NOT_LOOKED_AT, *seen.now.unseen))),
        *((f"stays on the server: {what}", f"taken back by: {sql}") for what, sql in outside),
    ]
    caption = "Reverted, and compared with the schema before the run"
    return Table(caption, [{"what": name, "value": value} for name, value in rows])


def _aside(seen: Diagnosis) -> str:
    return f", apart from {len(seen.strangers)} objects of others" if seen.strangers else ""


def _restorer(run: Run, backup: Backup, sender: Sender) -> Restorer:
    return Restorer(run.database, run.target.major, backup, run.policy, sender)


def _restore(run: Run, backup: Backup) -> Table:
    with (
        Progress("Rollback", 1) as progress,
        attempt(run, RESTORE, progress.follow) as sender,
    ):
        done = _restorer(run, backup, sender).beside()
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


def _in_place(run: Run, backup: Backup, seen: Diagnosis, accepted: dict[str, int]) -> Table:
    with (
        Progress("Rollback in place", 1) as progress,
        attempt(run, IN_PLACE, progress.follow, accepted=accepted) as sender,
    ):
        _restorer(run, backup, sender).in_place(seen.before, accepted)
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
    if not (kept := _kept(run)):
        return Table(_NOTHING_KEPT, [])
    found = compare(run.database, kept, _backup(run))
    run.directory.write("90_compare", {"kept_as": kept, "tables": found})
    return _carried(found, "Written after the backup")


def carry_forward(run: Run, carry_rows: bool) -> Table:
    """Insert what was written after the backup and is missing now, if ``carry_rows`` says so."""
    if not carry_rows:
        return Table("Nothing was carried: the parameter carry_rows is false", [])
    if not (kept := _kept(run)):
        return Table(_NOTHING_KEPT, [])
    with (
        Progress("Carry forward", 1) as progress,
        attempt(run, CARRY, progress.follow, kept_as=kept) as sender,
    ):
        found = carry(run.database, kept, _backup(run), sender)
        run.directory.write("90_carry", {"kept_as": kept, "tables": found})
    return _carried(found, "Carried from the database that was kept")


def _kept(run: Run) -> str:
    """Return the name of the database that a restore put aside, empty where none did."""
    done = (run.recorded("rollback") or {}).get("rollback", {})
    return str(done["kept_as"]) if done.get("way") == RESTORE else ""


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


def _cheapest(seen: Diagnosis | None) -> str:
    """Return the way to take where nobody chooses, empty where each loses something."""
    if seen is not None and not seen.revertible:
        return RESTORE
    return "" if seen is not None and seen.data else REVERT


def _words(counts: Mapping[str, int]) -> list[str]:
    return [f"{name}={count}" for name, count in counts.items()]


def _accepted(text: str) -> Iterator[tuple[str, int]]:
    """Yield name and count of each thing that may be lost; raises GateError for anything else."""
    if _ACCEPTED.sub("", text).strip():
        message = f"accept = '{text}' does not name what may be lost with its count."
        raise GateError(message, remedy="Write it as the ways show it: public.table=3.")
    for found in _ACCEPTED.finditer(text):
        yield found[1], int(found[2])


def _backup(run: Run) -> Backup:
    backup = run.backup()
    if backup is None:
        raise GateError("This run took no backup.", remedy="Open the run that changed the target.")
    return backup


def show_hooks(run: Run) -> Table:
    """Show the commands that stop and start the application, as they will be run."""
    hooks = run.environment.application
    parts = (("before the rollback", hooks.stop), ("after it", hooks.start))
    rows = [
        {"when": when, "command": command, "time limit": duration(hooks.time_limit)}
        for when, commands in parts
        for command in commands
    ]
    caption = f"{len(hooks.stop)} commands stop the application, {len(hooks.start)} start it"
    by_hand = f"No command in {FILE} stops or starts the application: do both by hand"
    now, planned = acting(run.environment), run.plan.settings
    other = [key for key in now if key.startswith("application.") and now[key] != planned.get(key)]
    since = f"; another since the plan was made: {', '.join(other)}" if other else ""
    return Table(f"{caption if rows else by_hand}{since}", rows)


def stop_application(run: Run, confirm: str) -> Table:
    """Stop the application, if ``confirm`` names the database; what the commands said is kept.

    Raises GateError for another name, and for a command that fails: the later ones are not run.
    """
    try:
        return _carried_out(run, confirm, "stop", run.environment.application.stop)
    except ToolError as error:
        message = f"The application is not stopped, and nothing was rolled back: {error.message}"
        remedy = f"Mend the command in {FILE}, or stop by hand and take it out; then run again."
        raise GateError(message, remedy=remedy) from error


def start_application(run: Run, confirm: str) -> Table:
    """Start the application, if ``confirm`` names the database; what the commands said is kept.

    Raises GateError for another name, and ToolError for a command that fails.
    """
    try:
        return _carried_out(run, confirm, "start", run.environment.application.start)
    except ToolError as error:
        stands = "is rolled back" if run.passed("rollback") else "was not rolled back"
        error.message = f"The database {stands}, and the application not started: {error.message}"
        error.remedy = f"Start it by hand, or mend the command in {FILE} and run this cell again."
        raise


def _carried_out(run: Run, confirm: str, what: str, commands: Sequence[str]) -> Table:
    """Run the commands and record each one; raises ToolError for the first that fails."""
    if not commands:
        return Table(f"{FILE} has no command to {what} the application: do it by hand", [])
    if not confirm:
        return Table(f"No command to {what} the application was run: confirm is empty", [])
    check_confirmed(run, confirm)
    done: list[CommandRun] = []
    limit = run.environment.application.time_limit
    with Progress(f"{what.capitalize()} the application", len(commands)) as progress:
        sender = Sender(to_all(run.journal.emit, progress.follow), f"{what} the application")
        for each in run_commands(commands, limit, run.root, sender.runner(process.run)):
            done.append(each)
            passed = len(done) == len(commands) and not each.failure
            run.record(passed, {"commands": done}, f"90_{what}_application")
            if each.failure:
                raise ToolError(f"'{each.command}': {each.failure}")
            progress.advance()
    rows = [
        {
            "status": Status.PASS.value,
            "command": each.command,
            "took": duration(each.seconds),
            "last words": tail(each.output),
        }
        for each in done
    ]
    return Table(f"{len(rows)} commands to {what} the application were run", rows)
