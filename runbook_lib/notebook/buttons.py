"""Carry an act out when a person presses its button, and show below what came of it."""

from collections.abc import Callable

import ipywidgets as widgets

from runbook_lib.errors import RunbookError
from runbook_lib.notebook.failure import card_of
from runbook_lib.notebook.show import Spot, show


class Answer:
    """Show what came of an act: its result, or the card of what refused it.

    ``progress`` is for what is shown while it works. The end stays on a page that is closed.
    """

    def __init__(self) -> None:
        self.progress = widgets.Output()

    def below(self) -> None:
        """Take the place below what was shown last."""
        self._moving, self._end = Spot(), Spot()

    def to(self, act: Callable[[], object]) -> bool:
        """Carry the act out and show what came of it; tell whether it was not refused."""
        self.progress.clear_output()
        end, done = None, False
        with self.progress, self._moving.taken():
            try:
                end, done = act(), True
            except (RunbookError, KeyboardInterrupt) as error:  # no cell fails, nobody else says it
                end = card_of(error, None)
        self._end.show(end)
        return done


def offer(label: str, act: Callable[[], object]) -> None:
    """Show a button that carries the act out, once unless it is refused."""
    button, answer = widgets.Button(description=label, button_style="primary"), Answer()
    button.layout.width = "auto"

    def press(_: object) -> None:
        button.disabled = True
        button.disabled = answer.to(act)

    button.on_click(press)
    show(widgets.VBox([button, answer.progress]))
    answer.below()
