"""A card says of a way back all that a person decides by, on any page that shows it."""

import ast
import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import ipywidgets as widgets
import pytest

from runbook_lib.errors import GateError
from runbook_lib.notebook import buttons
from runbook_lib.notebook import ways as ways_module
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.ways import Card, Form, Ways
from runbook_lib.rollback.attempt import IN_PLACE, REVERT
from runbook_lib.rollback.choice import Option

ACTING = 'public."<script>alert(1)</script> \x1b[31m"'


def card(option: Option, *, proposed: bool = False) -> Card:
    return Card(option, proposed, "drops what was made", "older rows", "2.0 s", "its COMMIT")


@pytest.fixture
def ways() -> Ways:
    made = {f"public.t{n:04}": n for n in range(1, 2001)}
    revert = Option(REVERT, loses={**made, ACTING: 5000})
    return Ways("No way is free", [card(revert), card(Option(IN_PLACE, refused="a trigger"))])


def test_the_largest_losses_are_open_and_the_others_folded_and_counted(ways: Ways) -> None:
    page = ways._repr_html_()
    seen, _, folded = page.partition("<details>")
    assert re.findall(r">(\d[\d,]*)</td>", seen)[:3] == ["5,000", "2,000", "1,999"]
    assert "public.t1993" not in seen
    assert "public.t1993" in folded
    assert "<summary>1,000 more, and 993 that are smaller</summary>" in page
    assert page.count("<details>") == 1


def test_a_card_needs_no_style_sheet_and_no_name_acts_on_its_page(ways: Ways) -> None:
    page, text = ways._repr_html_(), repr(ways)
    assert not re.search(r"<style|class=|<script", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31m" in page
    assert "\x1b" not in page + text


def test_its_text_says_the_same_and_its_last_line_can_be_pasted(ways: Ways) -> None:
    text, (revert, _) = repr(ways), ways.cards
    for words in ("Revert: proven", "In place: not possible: a trigger", "2.0 s", "its COMMIT"):
        assert words in text
    assert "2,006,000 rows of 2,001 tables: " in revert.line
    (pasted,) = ast.parse(revert.line).body
    assert isinstance(pasted, ast.Assign)
    assert ast.literal_eval(pasted.value) == revert.option.code
    assert revert.line in text
    assert text.index("5,000 public") < text.index("2,000 public.t2000")


class Screen:
    """What a form has put on the screen; its act is refused once, and the loss is another then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows, self.acts = 1, list[tuple[str, str, str]]()
        self.ends = list[object]()
        monkeypatch.setattr(buttons, "Spot", lambda: self)
        monkeypatch.setattr(ways_module, "show", lambda box: setattr(self, "box", box))
        Form(self.read, self.act, "shop", asks=True).show()

    def show(self, end: object) -> None:
        self.ends.append(end)

    def taken(self) -> AbstractContextManager[None]:
        return nullcontext()  # nothing is in progress

    def read(self) -> list[Card]:
        asked = Option(REVERT, unproven="not tried", loses={"public.notes": self.rows})
        return [card(asked), card(Option(IN_PLACE, refused="a trigger"))]

    def act(self, confirm: str, way: str, accept: str) -> Table:
        self.acts.append((confirm, way, accept))
        if self.rows == 1:
            self.rows = 2
            raise GateError("Now it is 2 rows.")
        return Table("Reverted", [])

    def all(self, kind: type[Any]) -> list[Any]:
        return list(_inside(self.box, kind))  # type: ignore[attr-defined]


def _inside(widget: Any, kind: type[Any]) -> Any:
    if isinstance(widget, kind):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from _inside(child, kind)


def test_a_button_waits_for_every_tick_and_names_what_its_card_showed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen(monkeypatch)
    screen.all(widgets.Text)[0].value = "shop"
    for rows in (1, 2):
        (button,), (unproven, loss) = screen.all(widgets.Button), screen.all(widgets.Checkbox)
        assert f"lose {rows} row" in loss.description
        unproven.value = True
        assert button.disabled
        loss.value = True
        assert not button.disabled
        code = screen.read()[0].option.code
        button.click()
        assert screen.acts[-1] == ("shop", REVERT, code)
    assert list(map(repr, screen.ends)) == ["Now it is 2 rows.", "Reverted"]
    assert screen.all(widgets.Button) == []
