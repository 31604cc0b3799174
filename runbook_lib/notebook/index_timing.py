"""The acts of 50_index_timing: each index with its time, and estimates beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.markers import MarkerStyle

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Outcome
from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration, minutes, size
from runbook_lib.notebook.acts import one_writer
from runbook_lib.notebook.charts import (
    AMBER,
    BLUE,
    GREY,
    RC,
    Chart,
    annotate,
    bared,
    bars,
    label,
    new_figure,
)
from runbook_lib.notebook.show import Table
from runbook_lib.postgres import catalog
from runbook_lib.postgres.catalog import IndexBuild
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.model import IndexEstimate, Release
from runbook_lib.release.plan import Step, StepKind

_ESTIMATED, _FORECAST = "estimated in the brief", "forecast by the rehearsal"
_MEASURED = "measured"


@dataclass(frozen=True)
class GroupTiming:
    """Hold one row of the brief's estimates beside what was measured; times in seconds.

    The forecast is what the rehearsal took for the same indexes, 0 where it built none.
    """

    group: str
    tables: tuple[str, ...]
    estimated_rows: int
    rows: int
    estimated: tuple[float, float]
    measured: float
    forecast: float = 0.0


def read_builds(
    connection: Connection,
    release: Release,
    steps: Iterable[Step],
    runs: Iterable[Mapping[str, Any]],
) -> tuple[IndexBuild, ...]:
    """Return the indexes this run built on tables that were there before, slowest first.

    An index of a table that its own file creates is built over nothing: its time says nothing.
    ``runs`` are the journal's statements, of which those count that ended well; the rest is read
    from the catalog.
    """
    wanted = seconds_of_indexes(release, steps, runs)
    builds = catalog.read_indexes(connection, wanted, wanted)
    return tuple(sorted(builds, key=lambda build: -(build.seconds or 0)))


def seconds_of_indexes(
    release: Release, steps: Iterable[Step], runs: Iterable[Mapping[str, Any]]
) -> dict[str, float]:
    """Return what each index on an older table took, by its name with its schema."""
    done = (run for run in runs if run["outcome"] == Outcome.DONE)
    took = {(run["path"], run["number"]): float(run["seconds"]) for run in done}
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
    return wanted


def by_group(
    builds: Iterable[IndexBuild],
    estimates: Iterable[IndexEstimate],
    forecast: Mapping[str, float] = MappingProxyType({}),
) -> tuple[GroupTiming, ...]:
    """Sum the builds by the groups of the brief's table of estimates.

    ``forecast`` are the rehearsal's seconds by the name of an index.
    """
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
                forecast=sum(forecast.get(build.name, 0) for build in group),
            )
        )
    return tuple(found)


def _builds(run: Run) -> tuple[IndexBuild, ...]:
    with run.database.runner_session() as connection:
        return read_builds(connection, run.release, run.plan.steps, run.journal.runs())


def _groups(run: Run) -> tuple[GroupTiming, ...]:
    rehearsed = Journal(run.directory.path / "rehearsal.jsonl").runs()
    forecast = seconds_of_indexes(run.release, run.plan.steps, rehearsed)
    by_name = {name.rpartition(".")[2]: seconds for name, seconds in forecast.items()}
    return by_group(_builds(run), run.release.index_estimates, by_name)


@one_writer
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
    timed = [build for build in builds if build.seconds is not None]
    return index_chart(timed) if timed else Table("This run built no index", [])


def compare_estimates(run: Run) -> Table:
    """Show the brief's estimates of index creation time beside forecast and measurement."""
    groups = _groups(run)
    rows = [
        {
            "group": group.group,
            "rows in the brief": f"< {group.estimated_rows:,}",
            "rows here": group.rows,
            "estimated": minutes(group.estimated),
            "forecast": duration(group.forecast) if group.forecast else "",
            "measured": duration(group.measured),
        }
        for group in groups
    ]
    return Table(
        "Index creation: estimated in the brief, forecast by the rehearsal, measured", rows
    )


def chart_estimates(run: Run) -> Chart | Table:
    """Draw the brief's estimates beside what was forecast and what was measured."""
    groups = _groups(run)
    if not any(group.measured for group in groups):
        return Table("The release estimates no index, or this run built none", [])
    return estimate_chart(groups)


def index_chart(known: Sequence[IndexBuild], shown: int = 15) -> Chart:
    """Answer which index took longest to build; the slowest comes first."""
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
        names = [_group_label(group) for group in seen]
        figure = new_figure(title, 0.2 + 0.5 * len(seen), names, below=0.75)
        axes = bared(figure.subplots())
        for place, group in enumerate(seen):
            _draw_group(axes, place, group)
        axes.set_yticks(range(len(seen)), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.margins(x=0.1)
        axes.set_xlabel("time (logarithmic)")
        axes.xaxis.set_major_formatter(lambda value, _: duration(value))
        handles, labels = axes.get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))  # every group has drawn them
        figure.legend(once.values(), once.keys(), loc="lower right", ncols=3, frameon=False)
    return Chart(title, figure)


def _draw_group(axes: Axes, place: int, group: GroupTiming) -> None:
    low, high = group.estimated
    # "1 min" is no range: draw it a tenth wide, or it could not be seen.
    width = max(high - low, low / 10)
    axes.barh(place, width, left=low, color=GREY, height=0.5, label=_ESTIMATED)
    if group.forecast:
        hollow = MarkerStyle("D", fillstyle="none")
        axes.scatter(
            group.forecast, place, s=60, color=AMBER, marker=hollow, zorder=2, label=_FORECAST
        )
    axes.scatter(group.measured, place, color=BLUE, zorder=3, label=_MEASURED)
    annotate(axes, duration(group.measured), (max(group.measured, group.forecast), place))
    annotate(axes, minutes(group.estimated), (low + width, place))


def _group_label(group: GroupTiming) -> str:
    return f"{label(group.group)}\n{group.rows:,} rows (brief: < {group.estimated_rows:,})"
