"""Restore in place: what is there goes aside, and is dropped once what is restored is proven.

Each object is moved into a schema beside its own, some at a time: that reads and writes no row and
holds few locks at once. The archive goes into the schemas, which are empty then. Members of
extensions stay, and so does what lies in no schema. The comment on the schema ``runbook_aside``
says how far it came, and a second call goes on from there; where it fails all is moved back.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runbook_lib.backup.archive import list_entries, run_restore, stops_at_timeout
from runbook_lib.errors import GateError, RunbookError
from runbook_lib.evidence.journal import Event, said
from runbook_lib.postgres import catalog, ledger, snapshot
from runbook_lib.postgres.connection import REPLACER, SQL, Connection, Identifier, Literal
from runbook_lib.postgres.locks import bound_waits
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.sequences import read_sequences
from runbook_lib.postgres.snapshot import Snapshot, hidden
from runbook_lib.rollback import inverse
from runbook_lib.rollback.carry_forward import set_ahead
from runbook_lib.rollback.restore import Restorer, as_recorded, losses
from runbook_lib.rollback.revert import refuse_losses

ASIDE = "runbook_aside"
_BATCH = 50  # objects in one transaction: each is locked, with its parts, until its COMMIT
_LARGE_OBJECT = re.compile(
    r"BLOB(S| METADATA)? - |(ACL|COMMENT|SECURITY LABEL) - (LARGE OBJECTS?|BLOB) "
)
_OUTSIDE = {"schema", "extension"}
# What lies in no schema stays, and an archive does not set what is there already.
_STAYS = (
    *("schema ", "extension ", "language ", "access method ", "foreign-data wrapper ", "server "),
    *("user mapping ", "event trigger ", "publication ", "pg_default_acl/", "system/"),
)


class Stage(StrEnum):
    """Name how far a restore in place came, as the comment on its schema says."""

    MOVING = "moving aside"
    RESTORING = "restoring"
    RETURNING = "moving back"
    DROPPING = "restored and compared; dropping what was moved aside"


def read_stage(connection: Connection) -> Stage | None:
    """Return how far a restore in place came that has no end, None where there is none."""
    for row in connection.rows(load("aside_schemas"), {"begin": ASIDE}):
        if row["name"] == ASIDE:
            return Stage(row["comment"])
    return None


def restore_in_place(
    restorer: Restorer,
    before: Snapshot,
    accepted: Mapping[str, int],
    set_back: Sequence[str] = (),
) -> None:
    """Put the backup in the place of what is there, which is dropped when all of it is proven.

    ``before`` is the schema of the backup; ``accepted`` names each table that differs from it with
    the rows that it has now; ``set_back`` takes back what a release set on the database. Raises
    GateError where a loss is not accepted, or the result is not what was recorded: then, as where a
    statement fails, the database is as it was.
    """
    database, sender = restorer.database, restorer.sender
    with database.runner_session() as connection:
        bound_waits(connection, restorer.policy)
        ledger.take_runner_lock(connection, restorer.policy.locks.runner_wait)
        sender.emit(Event("began", sender.step, {"pid": connection.pid}))
        if read_stage(connection) is None:
            lost = losses(connection, restorer.backup)
            refuse_losses({item.table: item.now for item in lost}, accepted)
        _InPlace(restorer, connection, before, set_back).carry_out()


def held_in_place(connection: Connection) -> str:
    """Say what keeps the objects of a database from being moved aside, empty for nothing."""
    held = [row["what"] for row in connection.rows(load("immovable_objects"))]
    return f"what is there cannot be moved aside because of {', '.join(held)}" if held else ""


@dataclass(frozen=True)
class _InPlace:
    """Restore in place in one session that holds the runner's lock."""

    restorer: Restorer
    connection: Connection
    before: Snapshot
    set_back: Sequence[str]

    def carry_out(self) -> None:
        found = snapshot.take_snapshot(self.connection, settings=True)
        stage = read_stage(self.connection)
        if stage is not Stage.DROPPING:
            try:
                self._replace(stage)
            except RunbookError as error:
                self._give_back(found, error)
                raise
        self._restore_large_objects()
        self._drop_aside()
        catalog.analyze_all(self.connection, self.restorer.sender.change)

    def _replace(self, stage: Stage | None) -> None:
        """Move all aside, restore, and compare."""
        if stage is Stage.RETURNING:
            self._return()
        if stage in {None, Stage.RETURNING}:
            self._begin()
        if stage is Stage.RESTORING:
            self._drop(aside=False)  # what a restore had made that was cut off
        else:
            self._move_aside()
        self._say("restores the archive")
        self._set_back(self.before, "schema ")
        self._restore()
        self._set_back(self.before, *_STAYS)
        self._say("compares what was restored")
        self._compare()
        self._advance_sequences()
        self._mark(Stage.DROPPING)

    def _begin(self) -> None:
        """Name the act on the server, where nothing forbids it."""
        if held := held_in_place(self.connection):
            message = f"{held[:1].upper()}{held[1:]}."
            raise GateError(message, remedy="Restore into a new database: way = 'restore'.")
        with self.restorer.sender.transaction(self.connection):
            self._send(SQL("CREATE SCHEMA {}").format(Identifier(ASIDE)))
            self._mark(Stage.MOVING)

    def _move_aside(self) -> None:
        self._say("moves aside what is there")
        while objects := self._objects(aside=False):
            with self.restorer.sender.transaction(self.connection):
                places = self._places({row["schema"] for row in objects})
                self._move(objects, places)
        self._mark(Stage.RESTORING)

    def _move(self, objects: Sequence[Mapping[str, Any]], places: Mapping[str, str]) -> None:
        move = SQL("ALTER {} {} SET SCHEMA {}")
        statements = [
            move.format(SQL(row["noun"]), SQL(row["name"]), Identifier(places[row["schema"]]))
            for row in objects
        ]
        self._send(SQL("; ").join(statements))

    def _places(self, schemas: set[str]) -> dict[str, str]:
        """Return the schema aside of each of these, made where it is not there."""
        places = {origin: name for name, origin in self._aside()}
        for schema in sorted(schemas - places.keys()):
            places[schema] = f"{ASIDE}_{len(places) + 1}"
            name = Identifier(places[schema])
            self._send(SQL("CREATE SCHEMA {}").format(name))
            self._send(SQL("COMMENT ON SCHEMA {} IS {}").format(name, Literal(schema)))
        return places

    def _aside(self) -> Iterator[tuple[str, str]]:
        """Yield each schema aside with the one whose objects it holds."""
        for row in self.connection.rows(load("aside_schemas"), {"begin": ASIDE}):
            if row["name"] != ASIDE:
                yield row["name"], row["comment"]

    def _objects(self, *, aside: bool, gone: bool = False) -> list[Mapping[str, Any]]:
        """Return the next objects of the schemas aside, or of all others: as many as one batch.

        Where they are to be ``gone``, without those that go with another one.
        """
        wanted = {"begin": ASIDE, "aside": aside, "gone": gone, "many": _BATCH}
        return [*self.connection.rows(load("movable_objects"), wanted)]

    def _set_back(self, wanted: Snapshot, *kinds: str) -> None:
        """Set what is set on things of these kinds, such as owners and grants, as it was."""
        now = snapshot.take_snapshot(self.connection, settings=True)
        wanted = wanted.revealed(now)
        ways = inverse.compare(wanted, now, snapshot.touched(wanted, now)).ways_back()
        made = now.since(wanted)
        with self.restorer.sender.transaction(self.connection):
            for item in ways:
                if item.key.startswith(kinds) and item.key not in made and not hidden(item.sql):
                    self._send(item.sql)

    def _restore(self) -> None:
        """Restore what lies in schemas, and what is gone of all else."""
        with self.restorer.sender.transaction(self.connection):
            # What is made anew would get them; the archive sets its own after all else.
            for row in self.connection.rows(load("default_privileges")):
                self._send(row["statement"])
        there = tuple(f"{row['entry']} " for row in self.connection.rows(load("outside_schemas")))
        lines = [
            line
            for line, what in list_entries(self.restorer.server_major, self.restorer.backup.archive)
            if not (f"{what} ".startswith(there) or _LARGE_OBJECT.match(what))
        ]
        self._pg_restore(lines)

    def _pg_restore(self, lines: Sequence[str], *words: str) -> None:
        """Run pg_restore on these lines of the archive's list, for as long as the lock is held."""

        def held() -> object:
            return self.connection.value("SELECT 1")

        held()
        backup, sender = self.restorer.backup, self.restorer.sender
        # By its name the session is known as a runner's, should it outlive the one that started it.
        named = self.restorer.database.having(application_name=REPLACER)
        run = sender.runner(self.restorer.run, backup=backup.sha256)
        major = self.restorer.server_major
        run_restore(run, named, major, backup.archive, words, lines=lines, watch=held)

    def _compare(self) -> None:
        """Raise GateError unless what is there beside what is aside is what the backup recorded."""
        extra = {f"{kind} {name}" for kind, name in self._made_outside()}
        differs = as_recorded(
            self.connection,
            self.restorer.backup,
            self.restorer.sender.change,
            wanted=lambda key: ASIDE not in key and key not in extra,
        )
        if differs:
            message = f"What was restored in place is not what the backup recorded: {differs}."
            raise GateError(message, remedy="Take another backup file, or another way.")

    def _advance_sequences(self) -> None:
        """Let no sequence stand behind what the one aside has handed out since the backup."""
        places, found = dict(self._aside()), read_sequences(self.connection)
        aside = {(places[item.schema], item.name): item for item in found if item.schema in places}
        for item in found:
            there = aside.get((item.schema, item.name))
            if there and item.schema not in places:
                set_ahead(self.connection, item, there, self.restorer.sender)

    def _made_outside(self) -> list[tuple[str, str]]:
        """Return the schemas and extensions that the backup does not know."""
        made = snapshot.take_snapshot(self.connection).since(self.before)
        pairs = [(kind, name) for kind, _, name in (key.partition(" ") for key in sorted(made))]
        return [pair for pair in pairs if pair[0] in _OUTSIDE and not pair[1].startswith(ASIDE)]

    def _restore_large_objects(self) -> None:
        """Put back the large objects that the backup holds, all or none of them."""
        listed = list_entries(self.restorer.server_major, self.restorer.backup.archive)
        if lines := [line for line, what in listed if _LARGE_OBJECT.match(what)]:
            # At the first error a transaction is over.
            whole = [] if stops_at_timeout(self.restorer.server_major) else ["--single-transaction"]
            self._pg_restore(lines, "--clean", "--if-exists", *whole)

    def _drop_aside(self) -> None:
        self._say("drops what was moved aside")
        self._drop(aside=True)
        made = self._made_outside()
        with self.restorer.sender.transaction(self.connection):
            for statement in self.set_back:
                self._send(statement)
            for kind, name in made:
                self._send(f"DROP {kind.upper()} {name}")
            for name in (*(name for name, _ in self._aside()), ASIDE):
                self._send(SQL("DROP SCHEMA {}").format(Identifier(name)))

    def _drop(self, *, aside: bool) -> None:
        """Drop what the schemas aside hold, or all others; what depends on it lies there, too."""
        drop = SQL("DROP {} IF EXISTS {} CASCADE")
        while objects := self._objects(aside=aside, gone=True):
            statements = [drop.format(SQL(row["noun"]), SQL(row["name"])) for row in objects]
            with self.restorer.sender.transaction(self.connection):
                self._send(SQL("; ").join(statements))

    def _give_back(self, found: Snapshot, error: RunbookError) -> None:
        """Bring the database back to what it was; add to the error what came of that."""
        try:
            if read_stage(self.connection) is Stage.RESTORING:
                self._drop(aside=False)
                self._mark(Stage.RETURNING)
            if read_stage(self.connection):
                self._return()
                self._set_back(found, *_STAYS)
            error.remedy = f"{error.remedy} The database is as it was."
        except RunbookError as second:
            kept = f"It lies in the schemas {ASIDE}_1 and following: run again."
            error.remedy = f"{error.remedy} It could not be moved back: {second.message} {kept}"

    def _return(self) -> None:
        """Move back what was moved aside."""
        places = dict(self._aside())
        while objects := self._objects(aside=True):
            with self.restorer.sender.transaction(self.connection):
                self._move(objects, places)
        with self.restorer.sender.transaction(self.connection):
            for name in (*places, ASIDE):
                self._send(SQL("DROP SCHEMA {}").format(Identifier(name)))

    def _mark(self, stage: Stage) -> None:
        comment = SQL("COMMENT ON SCHEMA {} IS {}")
        self._send(comment.format(Identifier(ASIDE), Literal(stage.value)))

    def _send(self, sql: Any) -> None:
        self.restorer.sender.change(self.connection, sql)

    def _say(self, what: str) -> None:
        self.restorer.sender.emit(said(self.restorer.sender.step, what))
