"""Read index builds back: how long each took, over how many rows, and what it weighs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.evidence.records import IndexBuild
from runbook_lib.parser.statement import Release, Step, StepKind
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.model import IndexEstimate


@dataclass(frozen=True)
class GroupTiming:
    """Hold one row of the brief's estimates beside what was measured; times in seconds."""

    group: str
    tables: tuple[str, ...]
    estimated_rows: int
    rows: int
    estimated: tuple[float, float]
    measured: float


def read_builds(
    connection: Connection,
    release: Release,
    steps: Iterable[Step],
    runs: Iterable[Mapping[str, Any]],
) -> tuple[IndexBuild, ...]:
    """Return the indexes this run built on tables that were there before, slowest first.

    An index of a table that its own file creates is built over nothing: its time says nothing.
    ``runs`` are the journal's statements; the rest is read from the catalog.
    """
    took = {(run["path"], run["number"]): float(run["seconds"]) for run in runs}
    wanted: dict[str, float] = {}
    for step in steps:
        if step.kind is not StepKind.APPLY:
            continue
        migration = release.migration(step.name)
        fresh = {(item.schema, item.name) for item in migration.creates if item.kind == "table"}
        for statement in migration.statements:
            seconds = took.get((statement.path, statement.number))
            for item in statement.creates:
                old = item.kind == "index" and (item.schema, item.table) not in fresh
                if old and seconds is not None:
                    wanted[f"{item.schema}.{item.name}"] = seconds
    builds = catalog.read_indexes(connection, wanted, wanted)
    return tuple(sorted(builds, key=lambda build: -(build.seconds or 0)))


def by_group(
    builds: Iterable[IndexBuild], estimates: Iterable[IndexEstimate]
) -> tuple[GroupTiming, ...]:
    """Sum the builds by the groups of the brief's table of estimates."""
    kept = list(builds)
    found = []
    for estimate in estimates:
        group = [build for build in kept if build.table in estimate.tables]
        rows = {build.table: build.rows for build in group}
        found.append(
            GroupTiming(
                group=estimate.group,
                tables=estimate.tables,
                estimated_rows=estimate.rows,
                rows=sum(rows.values()),
                estimated=(estimate.minutes[0] * 60, estimate.minutes[1] * 60),
                measured=sum(build.seconds or 0 for build in group),
            )
        )
    return tuple(found)
