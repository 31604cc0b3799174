"""The form of the sign-off: each open criterion answered, each role's approval, by a person."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import get_args

import ipywidgets as widgets
from IPython.display import DisplayHandle, display

from runbook_lib.errors import ConfigError, RunbookError
from runbook_lib.evidence.answers import Line, Said
from runbook_lib.evidence.signoff import Standing
from runbook_lib.notebook.show import Table, show, shown, text_field

Key = tuple[str, str]
_OPEN = "open"
_ANSWERS = (_OPEN, *get_args(Said))
_WIDE, _NARROW = "26em", "15em"


@dataclass(frozen=True)
class Word:
    """Hold what a form says of one criterion; without an answer it stays open."""

    answer: Said | None = None
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Filled:
    """Hold what a person changed in the form, who answers, and who approves by role."""

    who: str
    words: Mapping[Key, Word] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class SignOffForm:
    """Show the fields of what only people can say, and a button that records what they said.

    ``save`` records it and returns what stands then: the verdict, and what it rests on.
    """

    def __init__(self, standing: Standing, save: Callable[[Filled], Sequence[Table]]) -> None:
        self._save = save
        self._verdict: DisplayHandle | None = None
        self.who = text_field("your name", "", "who gives these answers")
        asked = [line for line in standing.lines if not line.measured]
        self.rows = {(line.section, line.text): _Row(line) for line in asked}
        self._before = self._words()
        self.names = {
            seat.role: text_field(seat.role, seat.approval.name if seat.approval else "", "name")
            for seat in standing.seats
            if not seat.before
        }
        self.button = widgets.Button(description="Record", button_style="primary")
        self.said = widgets.HTML()
        self.button.on_click(self._record)

    def show(self, verdict: Table) -> None:
        """Display the fields, by section, and below them the verdict, which each press replaces."""
        show(widgets.VBox([*self._fields(), self.button, self.said]))
        self._verdict = display(verdict, display_id=True)  # type: ignore[no-untyped-call]

    def _fields(self) -> Iterator[widgets.Widget]:
        if self.rows:
            yield self.who
        for section, rows in groupby(self.rows.items(), lambda item: item[0][0]):
            yield _heading(section)
            yield from (row.box for _, row in rows)
        if self.names:
            yield _heading("Approvals")
            yield from self.names.values()

    def _words(self) -> dict[Key, Word]:
        return {key: row.word() for key, row in self.rows.items()}

    def _record(self, _: object) -> None:
        self.button.disabled = True  # until it is done: one press records once
        try:
            self.said.value = self._recorded()
        except RunbookError as error:  # a callback's error is seen nowhere else
            self.said.value = f"<strong>Not recorded.</strong> {html.escape(shown(str(error)))}"
        finally:
            self.button.disabled = False

    def _recorded(self) -> str:
        now = self._words()
        changed = {key: word for key, word in now.items() if word != self._before[key]}
        names = {role: item.value.strip() for role, item in self.names.items()}
        _check(self.who.value, changed)
        verdict, *below = self._save(Filled(self.who.value.strip(), changed, names))
        self._before = now
        if self._verdict is not None:
            self._verdict.update(verdict)  # type: ignore[no-untyped-call]
        return f"Recorded. {''.join(table._repr_html_() for table in below)}"


def _check(who: str, changed: Mapping[Key, Word]) -> None:
    """Refuse answers of nobody, and what is said of a criterion that is left open."""
    if changed and not who.strip():
        raise ConfigError("Nobody gives these answers.", remedy="Type your name above them.")
    for (_, text), word in changed.items():
        if not word.answer and (word.note or word.link):
            message = f"'{text}' has a note or a link, and no answer."
            raise ConfigError(message, remedy="Choose yes, no or not applicable.")


def _heading(text: str) -> widgets.HTML:
    return widgets.HTML(f"<strong>{html.escape(shown(text))}</strong>")


class _Row:
    """Hold the fields of one criterion."""

    def __init__(self, line: Line) -> None:
        given = line.answer
        self.answer = widgets.Dropdown(
            options=_ANSWERS,
            value=given.answer if given else _OPEN,
            description=shown(line.text),
            tooltip=shown(line.text),
        )
        self.answer.style.description_width = _WIDE
        self.answer.layout.width = "36em"
        self.note = _small("note", given.note if given else "")
        self.link = _small("link", given.link if given else "")
        self.box = widgets.HBox([self.answer, self.note, self.link])

    def word(self) -> Word:
        """Return what the fields say."""
        said = None if self.answer.value == _OPEN else self.answer.value
        return Word(said, self.note.value.strip(), self.link.value.strip())


def _small(placeholder: str, value: str) -> widgets.Text:
    item = widgets.Text(value=value, placeholder=placeholder, continuous_update=False)
    item.layout.width = _NARROW
    return item
