"""Choose the way back: by what the rehearsal carried out, and by what the target says now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runbook_lib.errors import GateError
from runbook_lib.evidence.records import Backup, WayBack
from runbook_lib.evidence.run import REHEARSAL, Run
from runbook_lib.evidence.schemas import typed
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.plan import StepKind
from runbook_lib.rollback import losses, restore
from runbook_lib.rollback.attempt import IN_PLACE, RESTORE, REVERT
from runbook_lib.rollback.diagnosis import Diagnosis, diagnose_run
from runbook_lib.rollback.in_place import held_in_place, read_stage

_UNTRIED = "the rehearsal of this plan did not carry it out"


@dataclass(frozen=True)
class Option:
    """Hold what is known of one way back before it is taken.

    ``refused`` says why it is not possible, ``unproven`` why nobody knows that it leads to the
    start; both are empty where there is no such reason. ``loses`` counts what it would lose by
    name, ``stays`` what would stay as the release left it. ``seconds`` is how long it took in the
    rehearsal, 0 where nobody measured it.
    """

    way: str
    refused: str = ""
    unproven: str = ""
    loses: Mapping[str, int] = field(default_factory=dict)
    stays: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def safe(self) -> bool:
        """Tell whether it was proven to lead to the start, and loses nothing."""
        return not (self.refused or self.unproven or self.loses or self.stays)

    @property
    def asks(self) -> Mapping[str, int]:
        """Return what has to be accepted, by name with its count."""
        return {**self.loses, **self.stays}

    @property
    def code(self) -> str:
        """Return what accepts that as it is counted now, empty where nothing has to be."""
        return losses.code(self.way, self.loses, self.stays)


@dataclass(frozen=True)
class Choice:
    """Hold the ways back of a run, and what they are judged by."""

    seen: Diagnosis | None
    written: tuple[restore.Loss, ...]
    options: Mapping[str, Option]

    @property
    def nothing(self) -> bool:
        """Tell whether the run left nothing that could be taken back."""
        return self.seen is None or self.seen.nothing

    @property
    def proposal(self) -> str:
        """Return the way to take where nobody chooses, empty where none is safe.

        Rows that were written into created tables are for a person: only a restore keeps them.
        """
        ways = self.options
        if self.nothing or ways[REVERT].safe:
            return REVERT
        revert = ways[REVERT]
        if revert.loses and not (revert.refused or revert.unproven or revert.stays):
            return ""
        return next((way for way in (RESTORE, IN_PLACE) if ways[way].safe), "")

    def chosen(self, way: str, accept: str) -> str:
        """Return the way to take; raises GateError where it would be refused.

        ``accept`` is the code of what may be lost, and may stay changed, as it is counted now: it
        names its way, too.
        """
        found = way or self.proposal
        if accept and not (way or self.nothing):
            found = self._accepted(accept)
        if found not in self.options:
            message = (
                f"'{way}' is no way back." if way else "No way back is proven to lose nothing."
            )
            remedy = f"Set the parameter way to '{REVERT}', '{RESTORE}' or '{IN_PLACE}'."
            raise GateError(message, remedy=remedy)
        if not self.nothing:
            refuse(self.options[found], accept)
        return found

    def _accepted(self, accept: str) -> str:
        """Return the way that asks for this code; raises GateError where only others are asked."""
        asked = {option.code: way for way, option in self.options.items() if option.code}
        if accept in asked or not asked:
            return asked.get(accept, self.proposal)
        now = "; ".join(f"{way}: {_accepting(self.options[way])}" for way in asked.values())
        message = f'"{accept}" is not what any way asks to accept now.'
        raise GateError(message, remedy=f"Look at the ways again. {now}.")


def refuse(option: Option, accept: str) -> None:
    """Raise GateError for a way that is not possible, or whose losses are not accepted."""
    if option.refused:
        message = f"The way '{option.way}' is not possible: {option.refused}."
        raise GateError(message, remedy="Take another one: the ways show which are possible.")
    if option.code in {"", accept}:
        return
    if accept:
        message = f"\"{accept}\" is not what the way '{option.way}' asks to accept now."
        raise GateError(message, remedy=f"Look at the ways again: now it is {_accepting(option)}.")
    lost, left = losses.named(option.loses), losses.named(option.stays)
    said = [f"It would lose what was written since: {lost}."] if lost else []
    said += [f"It would leave as the release changed it: {left}."] if left else []
    remedy = f"Take another way, or accept it: {_accepting(option)}."
    raise GateError(" ".join(said), remedy=remedy)


def _accepting(option: Option) -> str:
    return f'accept = "{option.code}"'


def read_choice(run: Run, connection: Connection, backup: Backup) -> Choice:
    """Return the ways back of a run with what each would lose."""
    seen, written = diagnose_run(run, connection), restore.losses(connection, backup)
    tried = {item.way: item for item in rehearsed_ways(run)}
    creates = restore.can_create(connection)
    options = (
        _revert(run, seen, tried.get(REVERT)),
        _by_restoring(RESTORE, tried.get(RESTORE), "" if creates else restore.MAY_NOT_CREATE, {}),
        _in_place(tried.get(IN_PLACE), connection, written),
    )
    if stage := read_stage(connection):
        begun = f"a restore in place has to be finished, which stands at: {stage.value}"
        options = (Option(REVERT, begun), Option(RESTORE, begun), Option(IN_PLACE))
    return Choice(seen, written, {item.way: item for item in options})


def rehearsed_ways(run: Run) -> tuple[WayBack, ...]:
    """Return what came of each way back in the rehearsal of this plan."""
    found = (run.verdict() or {}).get("ways", [])
    return typed(tuple[WayBack, ...], found, run.directory.path / f"{REHEARSAL}.json")


def _revert(run: Run, seen: Diagnosis | None, tried: WayBack | None) -> Option:
    loses = dict(seen.data) if seen else {}
    if seen is not None and not seen.revertible:
        return Option(REVERT, f"no statement takes back {', '.join(seen.stuck[:3])}", "", loses)
    if tried is None:
        return Option(REVERT, "", _UNTRIED, loses)
    steps = [item.name for item in run.plan.steps if item.kind is StepKind.APPLY]
    # What was applied in part may have a way back where the whole has none.
    whole = seen is not None and set(steps) <= set(seen.migrations)
    refused, failed = (tried.failed, "") if whole else ("", tried.failed)
    unproven = tried.unproven or failed
    return Option(REVERT, refused, unproven, loses, tried.stays, tried.seconds)


def _in_place(
    tried: WayBack | None, connection: Connection, written: Iterable[restore.Loss]
) -> Option:
    """Return what is known of a restore in place: it loses all that was written since."""
    held = held_in_place(connection)
    loses = {item.table: item.now for item in written if item.now or item.at_backup}
    if tried is not None and tried.checksums:
        tables = [x for x in snapshot.tables_by_size(connection) if x[1] != snapshot.LEDGER]
        loses = {
            table: item.rows
            for table, item in snapshot.read_contents(connection, tables).items()
            if item.rows and item.checksum != tried.checksums.get(table)
        }
    return _by_restoring(IN_PLACE, tried, held, loses)


def _by_restoring(
    way: str, tried: WayBack | None, refused: str, loses: Mapping[str, int]
) -> Option:
    if tried is None:
        return Option(way, refused, "" if refused else _UNTRIED, loses)
    refused = refused or tried.failed
    return Option(way, refused, tried.unproven, loses, tried.stays, tried.seconds)
