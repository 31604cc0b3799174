"""docs/settings.md says what the types say."""

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from runbook_lib.config import settings
from runbook_lib.config.environments import Application, Environment, acting
from runbook_lib.config.policies import FLAT, Policy
from runbook_lib.config.setting import Setting, hints, matches, parts
from tests.support.projects import REPOSITORY


def test_the_page_is_that_of_the_types() -> None:
    written = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == settings.page(), "run make docs"


def every_setting(kind: type) -> list[tuple[str, Any, Setting]]:
    found = []
    for name, hint in hints(kind).items():
        part, setting = parts(hint)
        nested = isinstance(part, type) and is_dataclass(part)
        inner = every_setting(part) if nested else [(name, part, setting)]
        found += inner
    return found


def test_every_setting_says_what_happens_and_every_number_has_a_range() -> None:
    for name, kind, setting in every_setting(Environment):
        assert setting.does, name
        if kind in {int, float}:
            assert float("-inf") < setting.least < setting.most < float("inf"), name


def test_every_flat_key_of_before_leads_to_a_key_that_is_there() -> None:
    there = {
        f"{part.name}.{item.name}"
        for part in fields(Policy)
        for item in fields(getattr(Policy(), part.name))
    }
    assert set(FLAT.values()) <= there
    assert len(set(FLAT.values())) == len(FLAT)


def test_every_setting_acts_and_is_there_by_its_key() -> None:
    names = [name for name, _, _ in every_setting(Environment)]
    assert [key.rpartition(".")[2] for key in acting(Environment("dev", "shop"))] == names


def test_what_may_hold_a_secret_is_there_as_a_digest_that_tells_one_from_another() -> None:
    def stop(*commands: str) -> str:
        hooks = Application(stop=commands)
        return acting(Environment("dev", "shop", application=hooks))["application.stop"]

    assert "hunter" not in stop("sign-in hunter-2")
    assert len({stop(), stop("a", "b"), stop("a b"), stop("b", "a")}) == 4


@pytest.mark.timeout(20)
def test_a_pattern_that_would_go_back_for_ever_is_matched_at_once() -> None:
    assert not matches("^(a+)+$", "a" * 100_000 + "!")
    assert matches("a+!$", "a" * 100_000 + "!")
