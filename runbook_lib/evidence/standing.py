"""Know how an act stands, from its events: what a page and a terminal show while it works."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from shlex import join
from textwrap import shorten
from typing import Any

from runbook_lib.evidence.journal import EXITED, PROGRAM, SAID, SENDING, SENT, WAITING, Event
from runbook_lib.formatting import clock, duration

_WORTH_TELLING = 2.0  # seconds: what runs longer is shown with its text
_KNOWN = 2.0  # seconds, before which nothing is foretold
_LINE = 160
_TEXT = 1_000  # characters of a statement


@dataclass(frozen=True)
class Forecast:
    """Hold how many seconds a statement of each step is thought to take, and all of them."""

    seconds: Mapping[str, float]
    whole: float


@dataclass(frozen=True)
class UnderWay:
    """Hold a statement or a program that was sent and has not ended."""

    key: str
    label: str
    text: str
    since: datetime
    weight: float = 0.0


@dataclass(frozen=True)
class Standing:
    """Hold how an act stands: its parts, what is under way, who keeps it waiting, how it ended.

    ``whole`` is what its parts weigh together, ``done`` what those that ended do: seconds where
    these are foretold (``foretold``), else their number.
    """

    title: str
    began: datetime
    whole: float
    foretold: bool = False
    done: float = 0.0
    doing: tuple[str, ...] = ()
    under_way: tuple[UnderWay, ...] = ()
    blockers: tuple[Mapping[str, Any], ...] = ()
    blocked_since: datetime | None = None
    ended: datetime | None = None
    failed: bool = False

    def after(self, event: Event, now: datetime, weight: float = 1.0) -> "Standing":
        """Return how it stands after an event; ``weight`` is that of a statement of its step."""
        if event.statement is not None:
            item = event.statement
            label = f"{item.label} (line {item.line})"
            return self._sent(f"{item.number}", label, item.sql, now, weight)
        if event.run is not None:
            return self.advanced(weight)._ended(f"{event.run.number}")
        if event.name == SENDING:
            sql = event.content["sql"]
            return self._sent(f"{event.content['pid']}", _short(sql), sql, now)
        if event.name == SENT:
            return self._ended(f"{event.content['pid']}")
        if event.name == PROGRAM:
            words = join(event.content["argv"])
            return self._sent(words, words, "", now)
        if event.name == EXITED:
            return self._ended(join(event.content["argv"]))
        return self._told(event, now)

    def _told(self, event: Event, now: datetime) -> "Standing":
        if event.name == SAID:
            return self.at(*event.content["what"].split("\n"))
        if event.name == WAITING:
            blockers = tuple(event.content["blockers"])
            return replace(self, blockers=blockers, blocked_since=self.blocked_since or now)
        return self

    def _sent(
        self, key: str, label: str, text: str, now: datetime, weight: float = 0.0
    ) -> "Standing":
        sent = UnderWay(key, label, text[:_TEXT], now, weight)
        return replace(self.at(label), under_way=(*self.under_way, sent))

    def _ended(self, key: str) -> "Standing":
        left = tuple(item for item in self.under_way if item.key != key)
        return replace(self, under_way=left, blockers=(), blocked_since=None)

    def at(self, *doing: str) -> "Standing":
        """Return it with what is being worked on, a line for each thing."""
        return replace(self, doing=doing)

    def advanced(self, weight: float = 1.0) -> "Standing":
        """Return it with one more part done."""
        return replace(self, done=min(self.done + weight, self.whole))

    def over(self, now: datetime, *, failed: bool) -> "Standing":
        """Return it as it ended."""
        return replace(self, ended=now, failed=failed, blockers=(), blocked_since=None)

    def share(self, now: datetime) -> float:
        """Return how much of it is done, from 0 to 1."""
        if self.ended and not self.failed:
            return 1.0
        at = self.ended or now
        running = (min(item.weight, _since(item.since, at)) for item in self.under_way)
        done = self.done + (sum(running) if self.foretold else 0.0)
        return min(done / self.whole, 1.0) if self.whole else 0.0

    def left(self, now: datetime) -> float | None:
        """Return how many seconds are left at the pace of what is done, None where unknown."""
        took, share = _since(self.began, now), self.share(now)
        known = self.ended is None and took >= _KNOWN and 0 < share < 1
        return took * (1 - share) / share if known else None

    def long(self, now: datetime) -> list[UnderWay]:
        """Return what has been under way for long, the longest first."""
        return [item for item in self.under_way if _since(item.since, now) >= _WORTH_TELLING]

    def summary(self, now: datetime) -> str:
        """Say in one line how far it is, or what came of it."""
        if self.ended:
            took = duration(_since(self.began, self.ended))
            at = f" at: {'; '.join(self.doing)}" if self.doing else ""
            return f"stopped after {took}{at}" if self.failed else f"finished in {took}"
        words = [f"{self.share(now):.0%}", f"{clock(_since(self.began, now))} so far"]
        left = self.left(now)
        return ", ".join([*words, *([f"about {clock(left)} left"] if left is not None else [])])

    def lines(self, now: datetime) -> Iterator[str]:
        """Yield what a terminal shows of it."""
        yield f"{self.title}: {self.summary(now)}"
        if self.ended:
            return
        yield from self.doing
        for item in self.long(now):
            yield f"for {clock(_since(item.since, now))}: {_short(item.text or item.label)}"
        for row in self.blocking(now):
            yield ", ".join(f"{name} {value}" for name, value in row.items())

    def blocking(self, now: datetime) -> Sequence[Mapping[str, str]]:
        """Return a row for each session that keeps it waiting."""
        waited = clock(_since(self.blocked_since or now, now))
        return [
            {
                "blocked by pid": str(row["pid"]),
                "user": row["user"] or "not visible to this role",
                "application": row["application"] or "no name",
                "state": row["state"],
                "transaction open for": duration(row["age"]),
                "holds": row.get("table") or "another transaction's end",
                "query of": row["query_start"] or "",
                "waited": waited,
            }
            for row in self.blockers
        ]


def _short(sql: str) -> str:
    """Return a statement in one line, without the comments before it, cut where it is long."""
    lines = (line for line in sql.splitlines() if not line.startswith("--"))
    return shorten(" ".join(lines), _LINE, placeholder=" ...")


def _since(begin: datetime, now: datetime) -> float:
    return max((now - begin).total_seconds(), 0.0)
