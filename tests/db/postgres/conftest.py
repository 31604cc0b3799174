"""Fixtures of the tests of servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.postgres import cluster
from tests.support.memory import MakeDirectory


@pytest.fixture
def base(in_memory: MakeDirectory) -> Iterator[Path]:
    """Return where a test's clusters are made that are thrown away."""
    base = in_memory("clusters") / ".runbook" / "rehearsal"
    yield base
    cluster.sweep(base)
