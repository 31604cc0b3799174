"""Show what a person has to read before anything else as a card: plain HTML, the same as text."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.notebook.show import shown
from runbook_lib.redaction import redact

MARK = "> "  # before the line of a file that is meant
_RED, _GREEN = "#cf222e", "#1a7f37"
_COLOURS = {MARK[0]: _RED, "-": _RED, "+": _GREEN}
_FRAME = (
    f"border-left: 4px solid {_RED}; padding: 0.2em 1em; max-width: 70em; text-align: left; "
    "overflow-wrap: anywhere;"
)
_CODE = "white-space: pre-wrap; overflow-wrap: anywhere; background: transparent; margin: 0;"


@dataclass(frozen=True)
class Part:
    """Hold one thing that a card says: what it is about, and its lines; ``code`` keeps spaces."""

    name: str
    lines: Sequence[str]
    code: bool = False


@dataclass(frozen=True)
class Card:
    """Hold one sentence and what belongs to it; both forms say the same, secrets hidden."""

    title: str
    parts: Sequence[Part]

    def __repr__(self) -> str:
        parts = (f"  {part.name}:\n    " + "\n    ".join(_shown(part)) for part in self.parts)
        return "\n".join([shown(self.title), *parts])

    def _repr_html_(self) -> str:
        title = f'<p style="font-weight: 600;">{html.escape(shown(self.title))}</p>'
        return f'<div style="{_FRAME}">{title}{"".join(map(_part, self.parts))}</div>'


def _shown(part: Part) -> list[str]:
    """Return the lines without secrets, also those of which a line holds only a half."""
    return [shown(line) for line in redact("\n".join(part.lines)).split("\n")]


def _part(part: Part) -> str:
    lines = [html.escape(line) for line in _shown(part)]
    if part.code:
        said = f'<pre style="{_CODE}">{"<br>".join(map(_coloured, lines))}</pre>'
    else:
        said = "<br>".join(lines)
    return (
        f'<div style="margin: 0.5em 0;"><strong>{html.escape(part.name)}</strong><br>{said}</div>'
    )


def _coloured(line: str) -> str:
    colour = _COLOURS.get(html.unescape(line)[:1])
    return f'<span style="color: {colour}; font-weight: 600;">{line}</span>' if colour else line
