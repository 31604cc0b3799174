"""What changed between two plans is said in words."""

from dataclasses import fields, replace
from typing import Any

import pytest

from runbook_lib.release.changes import changes
from runbook_lib.release.plan import Target
from tests.support.plans import PLAN, TARGET


def said(**changed: Any) -> tuple[str, ...]:
    return changes(PLAN, replace(PLAN, **changed), "approved")


def test_of_a_plan_that_is_the_same_nothing_is_said() -> None:
    assert said() == ()


def test_each_change_is_named() -> None:
    assert said(
        settings={"policy.locks.timeout": "5.0", "scale": "1.0"},
        release_files={"b.sql": "1"},
        schema_fingerprint="f2",
    ) == (
        "environments.toml: policy.locks.timeout was 3.0 when the plan was approved and is 5.0",
        "environments.toml: scale was not there when the plan was approved and is 1.0",
        "the target: its schema was another when the plan was approved",
        "the release: a.sql was taken out since the plan was approved",
        "the release: b.sql was added since the plan was approved",
    )


@pytest.mark.parametrize("name", [item.name for item in fields(Target)])
def test_every_field_of_the_target_is_named(name: str) -> None:
    value: Any = getattr(TARGET, name)
    other: Any = f"{value}x" if isinstance(value, str) else not value
    (clause,) = said(target=replace(TARGET, **{name: other}))
    assert clause == f"the target: {name} was {value} when the plan was approved and is {other}"
