"""Know what of a file that is several transactions is in, and whether it is still in the file.

The journal keeps, beside the id of the file's ledger row, the fingerprint of each statement as it
was about to be run: so a file that was mended behind what is committed can go on with its new text.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from runbook_lib.errors import GateError
from runbook_lib.evidence.journal import ENDED, LEDGER_ROW, STARTED, Event
from runbook_lib.evidence.records import Outcome
from runbook_lib.parser.parse import fingerprint
from runbook_lib.parser.statement import Split, Statement, Transaction
from runbook_lib.release.model import Migration

_NAMED = 5  # objects of what is in


@dataclass(frozen=True)
class Sent:
    """Hold one statement as it was about to be run."""

    number: int
    line: int
    label: str
    fingerprint: str


@dataclass(frozen=True)
class Part:
    """Hold one transaction of a file as it was about to be run, ``in_block`` or outside of one."""

    in_block: bool
    statements: tuple[Sent, ...]


@dataclass(frozen=True)
class Half:
    """Hold a file as a run began it.

    ``alone`` are the fingerprints of what was sent outside a transaction block, with whether it is
    known to be done: what failed is not among them.
    """

    parts: tuple[Part, ...] = ()
    alone: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[Mapping[str, Any]]) -> "Half":
        """Read it from the lines of the file in the journal, from its ledger row on."""
        half = cls()
        for line in lines:
            if line["event"] == LEDGER_ROW:
                half = cls(tuple(map(_read_part, line.get("transactions", ()))), half.alone)
            elif line["event"] in {STARTED, ENDED}:
                half._note(line)
        return half

    def _note(self, line: Mapping[str, Any]) -> None:
        outside = (item for part in self.parts if not part.in_block for item in part.statements)
        sent = next((x.fingerprint for x in outside if x.number == line["number"]), None)
        if sent is None:
            return
        if line["event"] == STARTED:
            self.alone.setdefault(sent, False)
        elif line["outcome"] == Outcome.DONE:
            self.alone[sent] = True
        elif line["outcome"] == Outcome.FAILED and not self.alone.get(sent):
            self.alone.pop(sent, None)

    def settled(self, committed: int) -> int:
        """Return the number of the last statement that is in, or may be."""
        kept = self.parts[:committed]
        beside = [x for x in self.parts[committed : committed + 1] if not x.in_block]
        return max((x.number for part in (*kept, *beside) for x in part.statements), default=0)

    def split(self, before: Split, now: Split, committed: int) -> Split:
        """Return what is taken out of the file: of what is in as it was, of the rest as ``now``."""
        last = self.settled(committed)

        def joined(old: Sequence[int], new: Sequence[int]) -> tuple[int, ...]:
            return (*(x for x in old if x <= last), *(x for x in new if x > last))

        return Split(
            joined(before.concurrent, now.concurrent),
            joined(before.apart, now.apart),
        )

    def change(self, pieces: Sequence[Transaction], committed: int) -> tuple[int, str] | None:
        """Return where what is in was changed, and how; None where the file still has all of it.

        The line is that of the file as it is now, as far as the statement is there.
        """
        for part, piece in zip_longest(self.parts[:committed], pieces[:committed]):
            run = part.statements if part else ()
            for was, now in zip_longest(run, _all(piece) if piece else ()):
                if now is None:
                    return _gone(was)
                if was is None or was.fingerprint != fingerprint(now.sql):
                    return _differs(was, now)
        return self._missing(pieces[committed : committed + 1], committed)

    def _missing(self, following: Sequence[Transaction], committed: int) -> tuple[int, str] | None:
        """Return what was run outside a transaction, and is not what comes next."""
        there = {fingerprint(now.sql) for piece in following for now in _all(piece)}
        for part in self.parts[committed : committed + 1]:
            for was in part.statements:
                if was.fingerprint in self.alone and was.fingerprint not in there:
                    return _gone(was)
        return None


def _read_part(found: Mapping[str, Any]) -> Part:
    return Part(found["in_block"], tuple(Sent(**item) for item in found["statements"]))


def _all(piece: Transaction) -> Iterator[Statement]:
    """Yield the statements of a transaction with its own BEGIN and COMMIT."""
    yield from filter(None, (piece.opens, *piece.statements, piece.closes))


def _gone(was: Sent) -> tuple[int, str]:
    return was.line, f"'{was.label}' is there no more, which was run from line {was.line}"


def _differs(was: Sent | None, now: Statement) -> tuple[int, str]:
    how = f"is not what was run from line {was.line}" if was else "was not run with it"
    return now.line, f"'{now.label}' {how}"


def ledger_row(migration: Migration, row_id: str, pieces: Sequence[Transaction]) -> Event:
    """Return the event of the file's unfinished ledger row, with what is about to be run."""
    parts = [
        Part(
            piece.in_block,
            tuple(Sent(x.number, x.line, x.label, fingerprint(x.sql)) for x in _all(piece)),
        )
        for piece in pieces
    ]
    known = {"id": row_id, "checksum": migration.checksum}
    return Event(LEDGER_ROW, migration.name, {**known, "transactions": list(map(asdict, parts))})


def refuse_changed(
    half: Half, migration: Migration, pieces: Sequence[Transaction], committed: int
) -> None:
    """Raise GateError where a file no longer says what is in of it."""
    if (found := half.change(pieces, committed)) is None:
        return
    line, how = found
    message = f"{migration.name} was changed where it is in already: {how}."
    remedy = f"Set that back as it was, or {way_back(migration.name)}."
    path = next((item.path for item in migration.statements), str(migration.path))
    raise GateError(message, path=path, line=line or None, remedy=remedy)


def way_back(step: str) -> str:
    """Say how a file of which a part is in is taken back."""
    return f'take the file back: take_back(run, "{step}") in 90_rollback.ipynb'


def what_is_in(step: str, pieces: Sequence[Transaction], committed: int) -> str:
    """Say what of a file is in when the transaction after the ``committed`` ones has failed."""
    if not committed:
        return f"Nothing of {step} is in."
    made = [
        f"{x.kind} {x}" for piece in pieces[:committed] for y in piece.statements for x in y.creates
    ]
    names = f" ({', '.join(made[:_NAMED])}{' and more' if made[_NAMED:] else ''})" if made else ""
    return (
        f"{committed} of {len(pieces)} transactions of {step} are in{names}. Mend what comes "
        f"behind them and run again: it goes on there. Or {way_back(step)}."
    )


def made_by(root: Path, row_id: str) -> str:
    """Return the directory of the run that began a file under this ledger row, empty for none."""
    wanted = f'"id": "{row_id}"'.encode()
    for path in sorted((root / "runs").glob("*/*/journal.jsonl"), reverse=True):
        if wanted in path.read_bytes():
            return str(path.parent.relative_to(root))
    return ""
