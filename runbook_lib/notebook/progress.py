"""Show on a page how an act stands while it works, and what came of it."""

import html
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from runbook_lib.evidence.at_work import keep_standing
from runbook_lib.evidence.journal import Event
from runbook_lib.evidence.standing import Forecast, Standing
from runbook_lib.formatting import clock
from runbook_lib.notebook.show import Spot, shown, spot

_EVERY = 0.25  # seconds between two looks at whether something is to be drawn
_GOOD, _BAD, _BUSY = "#1a7f37", "#cf222e", "#0969da"
_BOX = "border: 1px solid #8c959f; border-radius: 4px; padding: 0.5em 0.8em; max-width: 60em;"
_TRACK = "background-color: #d0d7de; border-radius: 3px; height: 0.6em; margin: 0.4em 0;"
_FILLED = "background-color: {}; border-radius: 3px; height: 100%; width: {:.0%};"
_CODE = "white-space: pre-wrap; max-height: 12em; overflow: auto; margin: 0.4em 0;"


class Card:
    """Show a standing as plain HTML, which says the same where no kernel is behind the page."""

    def __init__(self, standing: Standing, now: datetime) -> None:
        self.standing = standing
        self._now = now

    def __repr__(self) -> str:
        return "\n".join(map(shown, self.standing.lines(self._now)))

    def _repr_html_(self) -> str:
        standing, now = self.standing, self._now
        colour = (_BAD if standing.failed else _GOOD) if standing.ended else _BUSY
        head = f"<strong>{_text(standing.title)}</strong>: {_text(standing.summary(now))}"
        bar = _FILLED.format(colour, standing.share(now))
        parts = [head, f'<div style="{_TRACK}"><div style="{bar}"></div></div>']
        if not standing.ended:
            parts += [f"<div>{_text(line)}</div>" for line in standing.doing]
            parts += [self._long()]
            parts += [_row(row) for row in standing.blocking(now)]
        return f'<div style="{_BOX}">{"".join(parts)}</div>'

    def _long(self) -> str:
        """Return the texts of what runs long, each with its clock."""
        return "".join(
            f"<div>for {clock((self._now - item.since).total_seconds())}:</div>"
            f'<pre style="{_CODE}">{_text(item.text or item.label)}</pre>'
            for item in self.standing.long(self._now)
        )


def _text(text: str) -> str:
    return html.escape(shown(text))


def _row(row: Mapping[str, str]) -> str:
    said = ", ".join(f"{name} {value}" for name, value in row.items())
    return f'<div style="border-left: 4px solid #9a6700; padding-left: 0.6em;">{_text(said)}</div>'


def _nobody(_: Standing) -> None:
    """Keep nothing: no run is worked on."""


_kept: ContextVar[Callable[[Standing], object]] = ContextVar("_kept", default=_nobody)


@contextmanager
def seen_elsewhere(directory: Path) -> Iterator[None]:
    """Let how the acts in the block stand be seen in the run's directory."""
    before = _kept.set(partial(keep_standing, directory))
    try:
        yield
    finally:
        _kept.reset(before)


class Progress:
    """Show a card while an act works; it ends in a still state that says what came of it.

    By the ``forecast`` a long statement counts for more than a short one. ``keep`` is told each
    time how it stands; without one, whoever looks from elsewhere is. Any thread may tell what
    happens; one of its own draws.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        forecast: Forecast | None = None,
        keep: Callable[[Standing], object] | None = None,
    ) -> None:
        self._forecast, self._keep = forecast, keep or _kept.get()
        whole = forecast.whole if forecast else max(total, 1)
        self.standing = Standing(title, _now(), whole, foretold=forecast is not None)
        self._spot: Spot | None = None
        self._drawn = ""
        self._lock = Lock()
        self._over = Flag()

    def __enter__(self) -> Self:
        self._spot = spot()
        self._draw()
        # What is shown belongs to the cell, or the button, in whose context it is.
        self._thread = Thread(target=copy_context().run, args=(self._watch,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self.standing = self.standing.over(_now(), failed=error is not None)
        self._draw()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            self._draw()

    @property
    def card(self) -> Card:
        """Return how it stands now, as it is shown."""
        return Card(self.standing, _now())

    def _draw(self) -> None:
        """Show how it stands, where that is another than what is shown."""
        card = self.card
        if (said := repr(card)) == self._drawn:
            return
        self._drawn = said
        self._keep(card.standing)
        if self._spot is not None:
            self._spot.show(card)

    def at(self, what: str) -> None:
        """Say what is being worked on."""
        with self._lock:
            self.standing = self.standing.at(what)

    def follow(self, event: Event) -> None:
        """Take note of what is sent, what has ended, and what is said to go on."""
        weight = self._forecast.seconds.get(event.step, 0.0) if self._forecast else 1.0
        with self._lock:
            self.standing = self.standing.after(event, _now(), weight)

    def advance(self) -> None:
        """Count one more part as done."""
        with self._lock:
            self.standing = self.standing.advanced()


def _now() -> datetime:
    return datetime.now(UTC)
