"""Give each test a redactor that knows no secret yet, and one secret in all its forms."""

import html
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from runbook_lib import redaction

SECRET = 'p"a\\s<s>&/wörd%'
FORMS = {
    "raw": SECRET,
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded but the slash": quote(SECRET),
    "in JSON": json.dumps(SECRET)[1:-1],
    "in JSON, not ASCII": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "in HTML": html.escape(SECRET),
    "in HTML, quotes kept": html.escape(SECRET, quote=False),
    "in HTML in JSON": json.dumps(html.escape(SECRET))[1:-1],
    "in HTML in JSON, not ASCII": json.dumps(html.escape(SECRET), ensure_ascii=False)[1:-1],
    "as Python shows it": repr(SECRET)[1:-1],
}


@pytest.fixture(autouse=True)
def secrets_of_this_test_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_secrets", {})
    monkeypatch.setattr(redaction, "_words", set())
    redaction.know_words(())
    yield
