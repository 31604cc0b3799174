"""Show things: the only module that imports IPython, ipywidgets and matplotlib."""

import hashlib
import html
import io
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ipywidgets as widgets
import matplotlib as mpl
import pandas as pd
from IPython import get_ipython
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runbook_lib.evidence.directory import redact
from runbook_lib.evidence.records import IndexBuild, Outcome, Status
from runbook_lib.formatting import duration, minutes, size
from runbook_lib.notebook.index_timing import GroupTiming

_COLOURS = {
    Status.PASS: "#1a7f37",
    Status.WARN: "#9a6700",
    Status.FAIL: "#cf222e",
    Status.NOT_MEASURED: "#57606a",
    Outcome.DONE: "#1a7f37",
    Outcome.ALREADY_DONE: "#57606a",
    Outcome.FAILED: "#cf222e",
    Outcome.UNKNOWN: "#9a6700",
}
_ESTIMATED, _MEASURED = "estimated in the brief", "measured"
_BLUE, _GREY, _DARK = "#0969da", "#d0d7de", "#24292f"
_ORDER = list(Status)
_MARKED = ("status", "outcome")
_RC: Any = {"font.size": 9, "figure.dpi": 110}


@dataclass(frozen=True)
class Table:
    """Show rows as a table in a notebook and as text elsewhere, secrets hidden."""

    caption: str
    rows: Sequence[Mapping[str, Any]]

    @property
    def frame(self) -> "pd.DataFrame":
        """Return the rows as pandas knows them."""
        hidden = [
            {key: redact(item) if isinstance(item, str) else item for key, item in row.items()}
            for row in self.rows
        ]
        return pd.DataFrame(hidden)

    def __repr__(self) -> str:
        text = "" if not self.rows else "\n" + self.frame.to_string(index=False)
        return redact(self.caption) + text

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p><strong>{html.escape(redact(self.caption))}</strong></p>"
        identity = hashlib.sha256(self.caption.encode()).hexdigest()[:8]
        style = self.frame.style.hide(axis="index").set_uuid(identity)
        style = style.set_caption(redact(self.caption)).format(_cell, escape="html")
        style = style.set_table_styles(
            [
                {
                    "selector": "caption",
                    "props": "caption-side: top; text-align: left; font-weight: 600; "
                    "font-size: 1.1em; padding: 0.4em 0;",
                },
                {"selector": "th, td", "props": "vertical-align: top;"},
                {"selector": "td", "props": "max-width: 34em; overflow-wrap: break-word;"},
            ]
        )
        sides: Any = {
            name: [{"selector": "", "props": f"text-align: {_side(self.frame, name)};"}]
            for name in self.frame.columns
        }
        style = style.set_table_styles(sides, overwrite=False)
        marked: list[Hashable] = [name for name in _MARKED if name in self.frame.columns]
        style = style.map(_colour, subset=marked)
        return str(style.to_html())


def _side(frame: "pd.DataFrame", name: Hashable) -> str:
    return "right" if pd.api.types.is_numeric_dtype(frame[name]) else "left"


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _colour(value: object) -> str:
    colour = _COLOURS.get(str(value), "")  # type: ignore[call-overload]
    # White on a dark ground reads on light and on dark themes.
    return f"background-color: {colour}; color: white; font-weight: 600" if colour else ""


def worst_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort rows by their status, failures on top, else as they were."""
    return sorted(rows, key=lambda row: _ORDER.index(row["status"]))


def show(thing: object) -> None:
    """Display a value from inside a call; nothing happens outside a notebook."""
    if get_ipython() is not None:
        display(thing)  # type: ignore[no-untyped-call]


class Progress:
    """Show a bar while a phase works; it ends in a still state that says what came of it."""

    def __init__(self, title: str, total: int) -> None:
        self._bar = widgets.IntProgress(value=0, max=max(total, 1), description=title)
        self._bar.style.description_width = "initial"
        self._label = widgets.Label(value="starting")
        self._title = title

    def __enter__(self) -> Self:
        show(widgets.HBox([self._bar, self._label]))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._bar.value = self._bar.max
            self._bar.bar_style = "success"
            self._label.value = "finished"
        else:
            self._bar.bar_style = "danger"
            self._label.value = redact(f"stopped at: {self._label.value}")

    def at(self, what: str) -> None:
        """Say what is being worked on."""
        self._label.value = redact(what)

    def advance(self) -> None:
        """Count one more part as done."""
        self._bar.value = min(self._bar.value + 1, self._bar.max)


def approval_form(
    names: Mapping[str, str],
    dbname: str,
    confirmed: str,
    save: Callable[[str, dict[str, str]], Table],
) -> None:
    """Show fields for the typed confirmation and the approvals, and a button that records them.

    ``names`` holds what each role gave before. ``save`` returns what stands then.
    """
    confirm = _text_field("database", confirmed, f"type {dbname}")
    fields = {role: _text_field(role, name, "name") for role, name in names.items()}
    button = widgets.Button(description="Record approvals", button_style="primary")
    said = widgets.HTML()

    def record(_: object) -> None:
        state = save(confirm.value, {role: field.value for role, field in fields.items()})
        said.value = f"Recorded. {state._repr_html_()}"

    button.on_click(record)
    show(widgets.VBox([confirm, *fields.values(), button, said]))


def _text_field(label: str, value: str, placeholder: str) -> widgets.Text:
    """Make a field that sends its text when it is left, once, before the click on a button.

    Sent letter by letter, the last ones wait for the kernel's answer to the first: a click that
    comes before it would record half a name.
    """
    field = widgets.Text(
        value=value, description=label, placeholder=placeholder, continuous_update=False
    )
    field.style.description_width = "16em"
    field.layout.width = "40em"
    return field


def executed_cells() -> list[str]:
    """Return the sources of the cells this kernel executed; none outside a notebook."""
    shell = get_ipython()
    return list(shell.user_ns.get("In", [])) if shell is not None else []


@dataclass(frozen=True)
class Chart:
    """Hold a figure; its title is the answer to the question it was drawn for."""

    title: str
    figure: Figure

    def __repr__(self) -> str:
        return f"Chart: {redact(self.title)}"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png")
        return buffer.getvalue()


def _figure(title: str, height: float) -> tuple[Figure, Axes]:
    """Make a figure nine inches wide with the answer over its whole width."""
    figure = Figure(figsize=(9, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", wrap=True)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def bars(title: str, names: Sequence[str], seconds: Sequence[float], notes: Sequence[str]) -> Chart:
    """Draw times as horizontal bars, each with its time and a note behind it."""
    with mpl.rc_context(_RC):
        figure, axes = _figure(title, 1.1 + 0.26 * len(names))
        unit, factor = ("ms", 1000.0) if max(seconds, default=0) < 1 else ("s", 1.0)
        axes.barh(range(len(names)), [value * factor for value in seconds], color=_BLUE, height=0.7)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        for place, (value, note) in enumerate(zip(seconds, notes, strict=True)):
            _annotate(axes, f"{duration(value)}   {note}", (value * factor, place))
        axes.set_xlabel(f"time ({unit})")
        axes.margins(x=0.35, y=0.01)
        axes.set_xlim(left=0)
    return Chart(title, figure)


@dataclass(frozen=True)
class Span:
    """Hold what ran in one lane of a timeline; seconds from its start."""

    lane: str
    begin: float
    seconds: float


def timeline(
    title: str, spans: Sequence[Span], samples: Sequence[tuple[float, float]], lasted: float
) -> Chart:
    """Draw what ran over what a tiny write took meanwhile; samples are (seconds, seconds)."""
    lanes = list(dict.fromkeys(span.lane for span in spans))
    with mpl.rc_context(_RC):
        figure, axes = _figure(title, 2.6 + 0.26 * len(lanes))
        axes.remove()
        above, below = figure.subplots(
            2, 1, sharex=True, height_ratios=(max(len(lanes), 1) * 0.26, 1.2)
        )
        for part in (above, below):
            part.spines[["top", "right"]].set_visible(False)
        for place, lane in enumerate(lanes):
            parts = [(span.begin, span.seconds) for span in spans if span.lane == lane]
            above.broken_barh(parts, (place - 0.35, 0.7), color=_BLUE)
        above.set_yticks(range(len(lanes)), lanes)
        above.invert_yaxis()
        times, took = [at for at, _ in samples], [seconds * 1000 for _, seconds in samples]
        below.plot(times, took, marker=".", color=_DARK, linewidth=1)
        below.set_ylabel("a tiny write (ms)")
        below.set_xlabel("seconds since the step began")
        below.set_ylim(bottom=0)
        if not samples:
            below.set_yticks([])
        below.set_xlim(0, max(lasted, 0.001))
    return Chart(title, figure)


def _annotate(axes: Axes, text: str, at: tuple[float, float]) -> None:
    axes.annotate(
        text,
        at,
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        color=_DARK,
        fontsize=8,
    )


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
    with mpl.rc_context(_RC):
        figure, axes = _figure(title, 1.6 + 0.5 * len(seen))
        for place, group in enumerate(seen):
            low, high = group.estimated
            # "1 min" is no range: draw it a tenth wide, or it could not be seen.
            width = max(high - low, low / 10)
            axes.barh(place, width, left=low, color=_GREY, height=0.5, label=_ESTIMATED)
            axes.scatter(group.measured, place, color=_BLUE, zorder=3, label=_MEASURED)
            _annotate(axes, duration(group.measured), (group.measured, place))
            _annotate(axes, minutes(group.estimated), (low + width, place))
        axes.set_yticks(range(len(seen)), [_group_label(group) for group in seen])
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
