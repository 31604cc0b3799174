"""The ways back as cards, with what each loses and keeps, and the form that takes one at a screen.

A card is HTML with inline styles alone: an exported page, or one that nobody trusts, says the same.
"""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import ipywidgets as widgets

from runbook_lib.evidence.records import Backup
from runbook_lib.formatting import duration
from runbook_lib.notebook.buttons import Answer
from runbook_lib.notebook.show import Table, show, shown, text_field
from runbook_lib.rollback.attempt import IN_PLACE, RESTORE, REVERT
from runbook_lib.rollback.choice import Choice, Option
from runbook_lib.rollback.losses import amount, largest_first, total

TITLES = {REVERT: "Revert", RESTORE: "Restore beside", IN_PLACE: "In place"}
_OPEN, _FOLDED = 8, 1_000  # losses of a card: open, and folded behind them
_GREEN, _AMBER, _RED = "#1a7f37", "#9a6700", "#cf222e"
_OWN = "sends the release's own down.sql, "
_BOX = (
    "flex: 1 1 22em; box-sizing: border-box; border: 1px solid #8c959f; border-radius: 6px; "
    "padding: 0.6em 0.8em; line-height: 1.4;"
)
_WORD = "color: white; border-radius: 4px; padding: 0.1em 0.5em; font-weight: 600;"
_WRAPPED = "white-space: normal; overflow-wrap: anywhere; line-height: 1.4;"
_CELL = f"text-align: left; vertical-align: top; padding: 0.15em 0.6em 0.15em 0; {_WRAPPED}"
_NAME = "text-align: left; vertical-align: top; padding: 0.15em 0.6em 0.15em 0; min-width: 7em;"
_NUMBER = "text-align: right; padding: 0 0.6em 0 0; font-variant-numeric: tabular-nums;"


@dataclass(frozen=True)
class Card:
    """Hold what a person has to know of one way back, in words."""

    option: Option
    proposed: bool
    does: str
    keeps: str
    takes: str
    last: str

    @property
    def title(self) -> str:
        """Return what the way is called."""
        return TITLES[self.option.way]

    @property
    def standing(self) -> str:
        """Say whether the way can be taken, and what the rehearsal proved of it."""
        if self.option.refused:
            return f"not possible: {self.option.refused}"
        if self.option.unproven:
            return f"not proven: {self.option.unproven}"
        return "proven: in the rehearsal it returned to the start"

    @property
    def facts(self) -> dict[str, str]:
        """Return what is known of it, by what it is about."""
        option = self.option
        facts = {
            "what it does": self.does,
            "would lose": total(option.loses) or "nothing",
            "leaves as the release changed it": total(option.stays) or "nothing",
            "keeps": self.keeps,
            "how long": self.takes,
            "point of no return": self.last,
        }
        return facts | ({"to accept all of it": self.line} if option.code else {})

    @property
    def line(self) -> str:
        """Return the parameter that accepts all of what it asks, as it is pasted."""
        return f'accept = "{self.option.code}"'


@dataclass(frozen=True)
class Ways:
    """Show the ways back, each with what it would lose, the largest loss first."""

    caption: str
    cards: Sequence[Card]

    def __repr__(self) -> str:
        return shown("\n\n".join([self.caption, *map(_text, self.cards)]))

    def _repr_html_(self) -> str:
        cards = "".join(map(_box, self.cards))
        caption = f"<p><strong>{_said(self.caption)}</strong></p>"
        return f'{caption}<div style="display: flex; flex-wrap: wrap; gap: 0.8em;">{cards}</div>'


def _text(card: Card) -> str:
    head = f"{card.title}{' (proposed)' if card.proposed else ''}: {card.standing}"
    facts = [f"  {name}: {value}" for name, value in card.facts.items()]
    parts = card.option.loses, card.option.stays
    counted = [f"    {count:,} {name}" for part in parts for name, count in _open(part)]
    return "\n".join([head, *facts, *counted])


def _open(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    yield from list(largest_first(counts).items())[:_OPEN]


def _box(card: Card) -> str:
    colour = _RED if card.option.refused else _AMBER if card.option.unproven else _GREEN
    word = "proposed" if card.proposed else card.standing.partition(":")[0]
    head = (
        f'<p style="margin: 0 0 0.4em 0;"><strong>{card.title}</strong> '
        f'<span style="{_WORD} background-color: {colour};">{word}</span></p>'
    )
    rows = "".join(
        f'<tr><th style="{_NAME}">{name}</th><td style="{_CELL}">{_said(value)}</td></tr>'
        for name, value in {"stands": card.standing, **card.facts}.items()
    )
    counted = _counted("would lose", card.option.loses) + _counted("stays", card.option.stays)
    return f'<div style="{_BOX}">{head}<table>{rows}</table>{counted}</div>'


def _counted(what: str, counts: Mapping[str, int]) -> str:
    """Return counts by name: the largest open, others folded, and how many more there are."""
    found = list(largest_first(counts).items())
    if not found:
        return ""
    folded = found[_OPEN : _OPEN + _FOLDED]
    beyond = len(found) - _OPEN - len(folded)
    more = f", and {beyond:,} that are smaller" if beyond > 0 else ""
    rest = f"<details><summary>{len(folded):,} more{more}</summary>{_rows(folded)}</details>"
    head = f'<p style="margin: 0.4em 0 0 0;">{what}, largest first:</p>'
    return f"{head}{_rows(found[:_OPEN])}{rest if folded else ''}"


def _rows(found: Sequence[tuple[str, int]]) -> str:
    rows = (
        f'<tr><td style="{_NUMBER}">{count:,}</td><td style="{_CELL}">{_said(name)}</td></tr>'
        for name, count in found
    )
    return f"<table>{''.join(rows)}</table>"


def _said(text: str) -> str:
    return html.escape(shown(text))


def make_cards(choice: Choice, backup: Backup, pointing: Sequence[str]) -> list[Card]:
    """Return the cards of a choice; ``pointing`` is what a swap of names would leave behind."""
    older = [item.table for item in choice.written if item.at_backup is not None]
    since = f", of {', '.join(older[:_OPEN])}" if older else ""
    held = f", and with it {', '.join(pointing[:_OPEN])}" if pointing else ""
    own = _OWN if choice.seen and choice.seen.down else ""
    words = {
        REVERT: (
            f"{own}drops what this run created and sets back what it changed, in one transaction",
            "the rows of older tables, as they are now",
            "its COMMIT",
        ),
        RESTORE: (
            f"restores {backup.path.name} beside, compares, swaps the names",
            f"the old database, and in it alone what was written since{since}",
            f"the swap; the old database is kept under a dated name{held}",
        ),
        IN_PLACE: (
            "moves aside what is there, restores, compares, then drops what was moved",
            "nothing of what was written or changed since",
            "the comparison; cut off before, it goes on or is moved back",
        ),
    }
    return [
        Card(
            option=option,
            proposed=way == choice.proposal and not choice.nothing,
            does=words[way][0],
            keeps=words[way][1],
            takes=_takes(option),
            last=words[way][2],
        )
        for way, option in choice.options.items()
    ]


def _takes(option: Option) -> str:
    return f"{duration(option.seconds)} in the rehearsal" if option.seconds else "not measured"


@dataclass(frozen=True)
class Form:
    """Let a person at a screen take a way back, once each of its losses is ticked.

    ``read`` reads the cards as they are now. ``act`` takes the name of the database, the way and
    the code that its card showed: what is counted otherwise by then is refused, and shown anew.
    ``asks`` tells whether the name has to be typed.
    """

    read: Callable[[], Sequence[Card]]
    act: Callable[[str, str, str], Table]
    dbname: str
    asks: bool

    def show(self) -> None:
        """Show the cards, what has to be ticked of each, and its button."""
        name = text_field("database", "" if self.asks else self.dbname, f"type {self.dbname}")
        ways, answer = widgets.HBox(), Answer()
        ways.layout.flex_flow = "row wrap"
        self._draw(ways, name, answer)
        show(widgets.VBox([*([name] if self.asks else []), ways, answer.progress]))
        answer.below()

    def _draw(self, ways: widgets.HBox, name: widgets.Text, answer: Answer) -> None:
        def take(card: Card) -> None:
            ways.children = ()  # nothing is pressed twice
            chosen = card.option.way, card.option.code
            if not answer.to(lambda: self.act(name.value, *chosen)):
                self._draw(ways, name, answer)

        ways.children = tuple(_pressable(card, take) for card in self.read())


def _pressable(card: Card, take: Callable[[Card], None]) -> widgets.VBox:
    """Return a card with its boxes to tick and its button, without both where it is refused."""
    ticks = [_tick(words) for words in _asked(card.option)]
    button = widgets.Button(description=card.title, button_style="danger", disabled=bool(ticks))
    for tick in ticks:
        tick.observe(lambda _: _enable(button, ticks), "value")
    button.on_click(lambda _: take(card))
    way = widgets.VBox(
        [widgets.HTML(_box(card)), *([] if card.option.refused else [*ticks, button])]
    )
    way.layout.flex, way.layout.min_width = "1 1 24em", "24em"
    return way


def _enable(button: widgets.Button, ticks: Sequence[widgets.Checkbox]) -> None:
    button.disabled = not all(tick.value for tick in ticks)


def _tick(words: str) -> widgets.Checkbox:
    said = f'<span style="{_WRAPPED}">{_said(words)}</span>'  # a long name is not cut off
    tick = widgets.Checkbox(description=said, description_allow_html=True, indent=False)
    tick.layout.width = tick.layout.height = "auto"
    return tick


def _asked(option: Option) -> Iterator[str]:
    """Yield what a person has to agree to before the way is taken."""
    if option.unproven:
        yield "take it though it is not proven"
    for act, counts in (("lose", option.loses), ("leave changed", option.stays)):
        found = list(largest_first(counts).items())
        yield from (f"{act} {amount(*each)}" for each in found[:_OPEN])
        if rest := dict(found[_OPEN:]):
            yield f"{act} {total(rest)}: each is smaller"
