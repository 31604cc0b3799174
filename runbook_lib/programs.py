"""Find the PostgreSQL programs."""

import functools
from pathlib import Path

from runbook_lib.shell import find_program, installations, run, server_installation

__all__ = ["find_program", "installations", "server_installation", "version"]


@functools.cache
def version(program: Path) -> str:
    """Return the version a program tells of itself, for example ``17.10``."""
    return run([program, "--version"]).stdout.split()[2]
