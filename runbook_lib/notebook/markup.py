"""Write tables as HTML that says the same on every page.

Forges, untrusted pages and mail take away style sheets, classes and scripts: what a table needs
stands in its cells. A page has a theme of its own, so no ground is white here and no text black.
"""

import html
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from runbook_lib.evidence.records import Outcome, Status

MARKED = ("status", "outcome")
"""The columns whose words have a colour."""
_GREEN, _AMBER, _RED, _GREY = "#1a7f37", "#9a6700", "#cf222e", "#57606a"
_COLOURS: Mapping[str, str] = {
    Status.PASS: _GREEN,
    Status.WARN: _AMBER,
    Status.OPEN: _AMBER,
    Status.FAIL: _RED,
    Status.NOT_MEASURED: _GREY,
    Outcome.DONE: _GREEN,
    Outcome.ALREADY_DONE: _GREY,
    Outcome.FAILED: _RED,
    Outcome.UNKNOWN: _AMBER,
}
_CAPTION = "caption-side:top;text-align:left;font-weight:600;font-size:1.1em;padding:.4em 0"
# White on a dark ground reads on light and on dark themes, and stays so on paper.
_WORD = (
    "color:white;font-weight:600;padding:0 .4em;border-radius:3px;white-space:nowrap;"
    "print-color-adjust:exact"
)
_LONGEST = 16  # letters of a word that is not broken
_LONGEST_FOLDED = 50  # there a style for each cell of a thousand rows is heavy
# An untrusted page of JupyterLab knows the first of these alone.
_BREAK = "word-wrap:break-word;overflow-wrap:anywhere;min-width:8em"
_WIDEST, _PROSE = "max-width:34em", 64  # letters from which on a column is that wide at most

Row = Mapping[str, Any]


@runtime_checkable
class Markup(Protocol):
    """Hold what a cell shows as HTML; its text is what it says elsewhere."""

    @property
    def html(self) -> str:
        """Return it as HTML."""


def titled(caption: str) -> str:
    """Return the summary of a table that has no rows."""
    return f"<p><strong>{html.escape(caption)}</strong></p>"


def table(rows: Sequence[Row], frame: pd.DataFrame, caption: str) -> str:
    """Return rows as a table with its summary above; ``frame`` knows their columns."""
    head = f'<caption style="{_CAPTION}">{html.escape(caption)}</caption>'
    sides = {
        name: f"{_side(name, rows, frame, _LONGEST)};vertical-align:top" for name in frame.columns
    }
    return _table(head, sides, rows)


def folded(rows: Sequence[Row], frame: pd.DataFrame, summary: str) -> str:
    """Return rows as a table that a click opens, with as little around them as can be."""
    sides = {
        name: "" if _is_number(frame, name) else _side(name, rows, frame, _LONGEST_FOLDED)
        for name in frame.columns
    }
    shown = _table("", sides, rows)
    return f"<details><summary>{html.escape(summary)}</summary>{shown}</details>"


def coloured(text: str, word: str) -> str:
    """Return a text in the colour of a status; it is a ground, which reads on every theme."""
    return f'<span style="background-color:{_COLOURS[word]};color:white">{text}</span>'


def _table(head: str, sides: Mapping[Any, str], rows: Sequence[Row]) -> str:
    names = "".join(_element("th", side, html.escape(str(name))) for name, side in sides.items())
    lines = (
        "".join(_element("td", side, _cell(name, row.get(name))) for name, side in sides.items())
        for row in rows
    )
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>{head}<thead><tr>{names}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _element(kind: str, style: str, content: str) -> str:
    return f'<{kind} style="{style}">{content}</{kind}>' if style else f"<{kind}>{content}</{kind}>"


def _is_number(frame: pd.DataFrame, name: Hashable) -> bool:
    return pd.api.types.is_numeric_dtype(frame[name])


def _side(name: Hashable, rows: Sequence[Row], frame: pd.DataFrame, longest: int) -> str:
    """Return the style of a column: numbers to the right, long names broken, prose bounded."""
    if _is_number(frame, name):
        return "text-align:right"
    texts = [str(row.get(str(name), "")) for row in rows]
    words = (word for text in texts for word in text.replace("-", " ").split())
    parts = ["text-align:left"]
    parts += [_BREAK] if max(map(len, words), default=0) > longest else []
    parts += [_WIDEST] if max(map(len, texts), default=0) > _PROSE else []
    return ";".join(parts)


def _cell(name: Hashable, value: Any) -> str:
    if isinstance(value, Markup):
        return value.html
    text = html.escape(_text(value))
    colour = _COLOURS.get(str(value)) if name in MARKED else None
    return f'<span style="background-color:{colour};{_WORD}">{text}</span>' if colour else text


def _text(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
