"""The list of a plan's steps, and at a screen the button that applies the one it names."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration
from runbook_lib.migrate.apply import count_statements
from runbook_lib.notebook.acts import check_confirmed
from runbook_lib.notebook.failure import card_of
from runbook_lib.notebook.show import Spot, Table, show, text_field
from runbook_lib.release.plan import Step

Act = Callable[[Run, str, str], Table]  # carries out the step of that name, and those up to another


def show_steps(run: Run) -> Table:
    """Show the steps of the plan: which are done, which is next, and what the rehearsal saw."""
    waiting = {step.name for step in run.pending()}
    verdict = run.verdict() or {}
    seen = {item["step"]: item for item in verdict.get("steps", ())}
    rows = [
        {
            "step": number,
            "name": step.name,
            "what": step.kind.value,
            "stands": "waits" if step.name in waiting else "done",
            "statements": count_statements(run, step),
            **_rehearsed(seen.get(step.name)),
        }
        for number, step in enumerate(run.plan.steps, start=1)
    ]
    following = next((row for row in rows if row["stands"] == "waits"), None)
    if following is None:
        return Table(f"All {len(rows)} steps are done", rows)
    following["stands"] = "next"
    left = f"{len(waiting)} of {len(rows)} steps to do"
    return Table(f"{left}; next is {following['step']}: {following['name']}", rows)


def _rehearsed(seen: Mapping[str, Any] | None) -> dict[str, object]:
    """Return what a step took in the rehearsal, and the lock that stopped the writes longest."""
    if seen is None:
        return {"forecast": "not rehearsed", "stops writes": "not rehearsed"}
    held = f"{seen['longest lock']}, {duration(seen['lock seconds'])}"
    return {
        "forecast": duration(seen["seconds"]),
        "stops writes": held if seen["longest lock"] else "no",
    }


class StepButton:
    """Show a button that applies the steps it names, and below it what came of that.

    Each step has a button of its own: a press that was meant for one never applies another. Where
    the policy asks for it, the database's name is typed at the moment of changing it.
    """

    def __init__(self, run: Run, act: Act) -> None:
        self._run = run
        self._act = act
        asked = run.policy.approvals.confirm
        name = run.target.dbname
        self._typed = text_field("database", "", f"type {name}") if asked else None
        self._box = widgets.VBox()

    def offer(self, first: Step, last: Step) -> None:
        """Show the button for the steps from one to another."""
        self._name(first, last)
        show(self._box)
        self._progress, self._result, self._list = Spot(), Spot(), Spot()
        self._list.show(show_steps(self._run))

    def _name(self, first: Step, last: Step) -> None:
        steps = self._run.plan.steps
        number, to = steps.index(first) + 1, steps.index(last) + 1
        which = f"{number} to {to}" if to > number else str(number)
        button = widgets.Button(
            description=f"Apply {which} of {len(steps)}: {first.name}",
            button_style="primary",
            layout=widgets.Layout(width="max-content"),
        )
        until = last.name if last != first else ""
        button.on_click(partial(self._press, first.name, until))
        self._box.children = [*filter(None, [self._typed]), button]

    def _press(self, step: str, until: str, button: widgets.Button) -> None:
        button.disabled = True
        try:
            if self._typed is not None:
                check_confirmed(self._run, self._typed.value)
            with self._progress.taken():
                self._result.show(self._act(self._run, step, until))
        except (RunbookError, KeyboardInterrupt) as error:  # no cell fails, nobody else says it
            self._result.show(card_of(error, self._run))
        try:
            self._list.show(show_steps(self._run))
            self._go_on(until)
        except RunbookError as error:
            self._list.show(card_of(error, self._run))
            button.disabled = False

    def _go_on(self, until: str) -> None:
        """Show the button of the next step, or of those that are left up to the same one."""
        left = self._run.pending()
        if not left:
            self._box.children = []
            return
        named = [step for step in left if step.name == until]
        self._name(left[0], (named or left)[0])
