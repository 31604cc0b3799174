"""Give each test a redactor that knows no secret yet."""

from collections.abc import Iterator

import pytest

from runbook_lib import redaction


@pytest.fixture(autouse=True)
def secrets_of_this_test_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_secrets", {})
    monkeypatch.setattr(redaction, "_words", set())
    redaction.know_words(())
    yield
