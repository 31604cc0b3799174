"""Carry an act out when a person presses its button, and show below what came of it."""

import html
from collections.abc import Callable

import ipywidgets as widgets

from runbook_lib.errors import RunbookError
from runbook_lib.notebook.show import Spot, show, shown

_REFUSED = "border-left: 4px solid #cf222e; padding: 0.2em 0.6em; white-space: pre-wrap;"


class Answer:
    """Show what came of an act: its result, or the sentences that refused it.

    Its progress is shown where the answer is made: above the buttons that are shown then.
    """

    def __init__(self) -> None:
        self._progress = Spot()
        self._refused = widgets.HTML()
        self._out = widgets.Output()
        self.box = widgets.VBox([self._refused, self._out])

    def to(self, act: Callable[[], object]) -> bool:
        """Carry the act out and show what came of it; tell whether it was not refused."""
        self._refused.value = ""
        self._out.clear_output()
        done = False
        with self._out, self._progress.taken():
            try:
                show(act())
                done = True
            except RunbookError as error:
                said = html.escape(shown(str(error)))
                self._refused.value = f'<p style="{_REFUSED}">{said}</p>'
        return done


def offer(label: str, act: Callable[[], object]) -> None:
    """Show a button that carries the act out, once unless it is refused."""
    button, answer = widgets.Button(description=label, button_style="primary"), Answer()
    button.layout.width = "auto"

    def press(_: object) -> None:
        button.disabled = True
        button.disabled = answer.to(act)

    button.on_click(press)
    show(widgets.VBox([button, answer.box]))
