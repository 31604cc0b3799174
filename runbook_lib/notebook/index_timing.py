"""The acts of 50_index_timing: each index with its time, and estimates beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration, minutes, size
from runbook_lib.notebook.charts import BLUE, GREY, RC, Chart, annotate, bars, new_figure, plain
from runbook_lib.notebook.show import Table
from runbook_lib.postgres import catalog
from runbook_lib.postgres.catalog import IndexBuild
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.model import IndexEstimate, Release
from runbook_lib.release.plan import Step, StepKind

_ESTIMATED, _MEASURED = "estimated in the brief", "measured"


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
                    wanted[item.qualified] = seconds
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


def _builds(run: Run) -> tuple[IndexBuild, ...]:
    with run.database.runner_session() as connection:
        return read_builds(connection, run.release, run.plan.steps, run.journal.runs())


def time_indexes(run: Run) -> Table:
    """Show each index this run built on an older table: time, rows, size, whether it is valid."""
    builds = _builds(run)
    invalid = [build.name for build in builds if not build.valid]
    run.record(not invalid, {"indexes": builds, "failed": invalid})
    rows = [
        {
            "index": build.name,
            "table": build.table,
            "method": build.method,
            "ms": round((build.seconds or 0) * 1000, 1),
            "rows": build.rows,
            "size": size(build.size),
            "status": "pass" if build.valid else "fail",
        }
        for build in builds
    ]
    total = duration(sum(build.seconds or 0 for build in builds))
    return Table(f"{len(builds)} indexes built in {total}, {len(invalid)} invalid", rows)


def chart_indexes(run: Run) -> Chart | Table:
    """Draw the build times of the indexes, the slowest on top."""
    builds = _builds(run)
    return index_chart(builds) if builds else Table("This run built no index", [])


def compare_estimates(run: Run) -> Table:
    """Show the brief's estimates of index creation time beside what was measured."""
    groups = by_group(_builds(run), run.release.index_estimates)
    rows = [
        {
            "group": group.group,
            "rows in the brief": f"< {group.estimated_rows:,}",
            "rows here": group.rows,
            "estimated": minutes(group.estimated),
            "measured": duration(group.measured),
        }
        for group in groups
    ]
    return Table("Index creation: estimated in the brief against measured", rows)


def chart_estimates(run: Run) -> Chart | Table:
    """Draw the brief's estimates beside what was measured."""
    groups = by_group(_builds(run), run.release.index_estimates)
    if not any(group.measured for group in groups):
        return Table("The release estimates no index, or this run built none", [])
    return estimate_chart(groups)


def index_chart(builds: Sequence[IndexBuild], shown: int = 15) -> Chart:
    """Answer which index took longest to build."""
    known = [build for build in builds if build.seconds is not None]
    total = sum(build.seconds or 0 for build in known)
    slowest = known[0]
    title = (
        f"{len(known)} indexes were built in {duration(total)}; "
        f"{slowest.name} took longest ({duration(slowest.seconds or 0)})"
    )
    top, rest = known[:shown], known[shown:]
    names = [build.name for build in top]
    seconds = [build.seconds or 0 for build in top]
    notes = [f"{build.rows:,} rows, {size(build.size)}, {build.method}" for build in top]
    if rest:
        names.append(f"{len(rest)} others together")
        seconds.append(sum(build.seconds or 0 for build in rest))
        notes.append("")
    return bars(title, names, seconds, notes)


def estimate_chart(groups: Sequence[GroupTiming]) -> Chart:
    """Answer whether the brief's estimates of index creation time held."""
    seen = [group for group in groups if group.measured > 0]
    late = [group.group for group in seen if group.measured > group.estimated[1]]
    factor = min((group.estimated[0] / group.measured for group in seen), default=0)
    title = (
        f"Longer than the brief estimated: {', '.join(late)}"
        if late
        else f"Every group was built in less time than estimated, {factor:,.0f} times less or more"
    )
    with mpl.rc_context(RC):
        figure, axes = new_figure(title, 1.6 + 0.5 * len(seen))
        for place, group in enumerate(seen):
            low, high = group.estimated
            # "1 min" is no range: draw it a tenth wide, or it could not be seen.
            width = max(high - low, low / 10)
            axes.barh(place, width, left=low, color=GREY, height=0.5, label=_ESTIMATED)
            axes.scatter(group.measured, place, color=BLUE, zorder=3, label=_MEASURED)
            annotate(axes, duration(group.measured), (group.measured, place))
            annotate(axes, minutes(group.estimated), (low + width, place))
        axes.set_yticks(range(len(seen)), [plain(_group_label(group)) for group in seen])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.margins(x=0.1)
        axes.set_xlabel("time (logarithmic)")
        axes.xaxis.set_major_formatter(lambda value, _: duration(value))
        handles, labels = axes.get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))  # every group has drawn both
        figure.legend(
            once.values(), once.keys(), loc="outside lower center", ncols=2, frameon=False
        )
    return Chart(title, figure)


def _group_label(group: GroupTiming) -> str:
    return f"{group.group}\n{group.rows:,} rows (brief: < {group.estimated_rows:,})"
