"""A card says of a way back all that a person decides by, on any page that shows it."""

import ast
import re

import pytest

from runbook_lib.notebook.ways import Card, Ways
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
