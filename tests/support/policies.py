"""Policies that differ in a few fields."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runbook_lib.config.policies import Policy


def changed(policy: Policy, **parts: Mapping[str, Any]) -> Policy:
    """Return the policy with these fields of its parts, as ``locks={"timeout": 1.0}``."""
    new = {name: replace(getattr(policy, name), **fields) for name, fields in parts.items()}
    return replace(policy, **new)
