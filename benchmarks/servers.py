"""Give a benchmark a server of its own, settings of production, thrown away afterwards."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from runbook_lib.postgres import process, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox


@contextmanager
def server() -> Iterator[Database]:
    """Run a server in a temporary directory; yield its maintenance database."""
    with tempfile.TemporaryDirectory() as directory, Sandbox(Path(directory)) as sandbox:
        yield Database(sandbox.conninfo())


def psql(database: Database, *arguments: str) -> None:
    """Run psql, which stops at the first error."""
    program = tools.find_program("psql")
    argv = [str(program), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.conninfo()]
    process.run([*argv, *arguments])


def timed(work: Callable[[], object]) -> float:
    """Return how long it took, in seconds."""
    begin = perf_counter()
    work()
    return perf_counter() - begin


def ratios(own: Sequence[float], peer: Sequence[float]) -> str:
    """Write the ratios pair by pair: median, smallest and largest."""
    each = [mine / theirs for mine, theirs in zip(own, peer, strict=True)]
    return (
        f"ratio {median(each):.2f} (median of {len(each)} pairs, {min(each):.2f}-{max(each):.2f})"
    )


def shown(name: str, seconds: Sequence[float]) -> str:
    """Write times: the median, then each."""
    each = " ".join(f"{value:.2f}" for value in seconds)
    return f"{name:<24} {median(seconds):.2f} s  ({each})"
