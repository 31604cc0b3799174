"""Hide secrets in everything that is written or shown."""

import html
import json
from urllib.parse import quote as percent_encoded

_HIDDEN = "***"
_SHORTEST_SECRET = 4  # a shorter one would blot out ordinary words; none is ever written knowingly
_secrets: set[str] = set()


def keep_secret(*values: str) -> None:
    """Hide these values, and their encoded forms, in everything that is written or shown."""
    for value in values:
        if len(value) >= _SHORTEST_SECRET:
            _secrets.update(_forms(value))


def _forms(value: str) -> set[str]:
    """Return the value as a URL, Python and HTML write it, each also as JSON (a notebook) does."""
    plain = {value, percent_encoded(value, safe=""), percent_encoded(value), repr(value)[1:-1]}
    both = (True, False)
    shown = plain | {html.escape(form, quote=quotes) for form in plain for quotes in both}
    escaped = {json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in shown for ascii_ in both}
    return shown | escaped


def redact(text: str) -> str:
    """Return the text with every secret hidden."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text
