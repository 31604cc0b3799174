"""How the time of a run grows with its files, and with the statements of one file.

Wall seconds of planning, of the review with its dry run, and of the migration into an empty
database. An exponent of 1 is linear; below it what a run takes at the least weighs.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.reading import exponent
from benchmarks.servers import server
from runbook_lib import apply_step, open_run, review_release
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.run import migrations
from runbook_lib.postgres.connection import Database
from tests.support.defects import project
from tests.support.histories import HISTORIES
from tests.support.releases import write_release
from tests.support.servers import scratch_database

FILES = (125, 250, 500, 1_000)
STATEMENTS = (2_500, 5_000, 10_000, 20_000)


def files_of(count: int) -> dict[str, str]:
    """Return so many files of a few statements."""
    write = HISTORIES["tenants"].write
    return {f"{number:05}_step": write(number) for number in range(1, count + 1)}


def statements_of(count: int) -> dict[str, str]:
    """Return one file of so many statements."""
    insert = "INSERT INTO t VALUES ({}, 'a; b');"
    rows = (insert.format(number) for number in range(count - 1))
    return {"00001_many": "\n".join(["CREATE TABLE t (id int, what text);", *rows])}


def seconds(database: Database, files: Mapping[str, str]) -> dict[str, float]:
    """Return what each part of a run of these files takes."""
    took: dict[str, float] = {}

    def timed(part: str, act: Callable[[], object]) -> None:
        begin = time.perf_counter()
        act()
        took[part] = took.get(part, 0.0) + time.perf_counter() - begin

    with tempfile.TemporaryDirectory() as directory:
        release = write_release(Path(directory) / "release", files)
        with project(Path(directory), dict(database.parameters)):
            opened: list[Run] = []
            timed("plan", lambda: opened.append(open_run("test", str(release), "prechecks")))
            timed("review", lambda: review_release(opened[0]))
            run = replace(opened[0], phase="migrate")
            for part, _ in migrations(run):
                step, until = part["step"], part.get("until", "")
                timed("migrate", lambda step=step, until=until: apply_step(run, step, until))  # type: ignore[misc]
    return took


def main() -> None:
    """Print a line for each size, and the exponent of each part."""
    kinds = {"files": (FILES, files_of), "statements": (STATEMENTS, statements_of)}
    with server() as maintenance:
        for what, (sizes, made) in kinds.items():
            found: dict[str, dict[int, float]] = {}
            for count in sizes:
                with scratch_database(maintenance, "bench_growth") as database:
                    for part, took in seconds(database, made(count)).items():
                        found.setdefault(part, {})[count] = took
                shown = ", ".join(f"{part} {by[count]:6.2f} s" for part, by in found.items())
                sys.stdout.write(f"{count:>7,} {what}: {shown}\n")
                sys.stdout.flush()
            shown = ", ".join(f"{part} {exponent(by):.2f}" for part, by in found.items())
            sys.stdout.write(f"exponents by {what}: {shown}\n")


if __name__ == "__main__":
    main()
