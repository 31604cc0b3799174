"""Draw charts: each answers one question, and its title is that answer."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration, visible
from runbook_lib.redaction import redact


@dataclass(frozen=True)
class Chart:
    """Hold a figure; its title is the answer to the question it was drawn for."""

    title: str
    figure: Figure

    def __repr__(self) -> str:
        return f"Chart: {visible(redact(self.title))}"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png")
        return buffer.getvalue()


BLUE, GREY, DARK = "#0969da", "#d0d7de", "#24292f"
_BARS = 40  # of a chart at most
RC: Any = {"font.size": 9, "figure.dpi": 110}


def new_figure(title: str, height: float) -> tuple[Figure, Axes]:
    """Make a figure nine inches wide with the answer over its whole width."""
    figure = Figure(figsize=(9, height), layout="constrained")
    figure.suptitle(plain(title), x=0.01, ha="left", fontsize=11, fontweight="bold", wrap=True)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def bars(title: str, names: Sequence[str], seconds: Sequence[float], notes: Sequence[str]) -> Chart:
    """Draw times as horizontal bars, each with its time and a note behind it.

    Of many the longest are drawn, in their order, and the others as one.
    """
    names, seconds, notes = _longest(names, seconds, notes)
    with mpl.rc_context(RC):
        figure, axes = new_figure(title, 1.1 + 0.26 * len(names))
        unit, factor = ("ms", 1000.0) if max(seconds, default=0) < 1 else ("s", 1.0)
        axes.barh(range(len(names)), [value * factor for value in seconds], color=BLUE, height=0.7)
        axes.set_yticks(range(len(names)), [plain(name) for name in names])
        axes.invert_yaxis()
        for place, (value, note) in enumerate(zip(seconds, notes, strict=True)):
            annotate(axes, f"{duration(value)}   {note}", (value * factor, place))
        axes.set_xlabel(f"time ({unit})")
        axes.margins(x=0.35, y=0.01)
        axes.set_xlim(left=0)
    return Chart(title, figure)


def _longest(
    names: Sequence[str], seconds: Sequence[float], notes: Sequence[str]
) -> tuple[Sequence[str], Sequence[float], Sequence[str]]:
    if len(names) <= _BARS:
        return names, seconds, notes
    by_time = sorted(range(len(names)), key=lambda at: -seconds[at])
    drawn, others = sorted(by_time[: _BARS - 1]), by_time[_BARS - 1 :]
    rest, together = f"{len(others)} others", sum(seconds[at] for at in others)
    return (
        [*(names[at] for at in drawn), rest],
        [*(seconds[at] for at in drawn), together],
        [*(notes[at] for at in drawn), "together"],
    )


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
    with mpl.rc_context(RC):
        figure, axes = new_figure(title, 2.6 + 0.26 * len(lanes))
        axes.remove()
        above, below = figure.subplots(
            2, 1, sharex=True, height_ratios=(max(len(lanes), 1) * 0.26, 1.2)
        )
        for part in (above, below):
            part.spines[["top", "right"]].set_visible(False)
        for place, lane in enumerate(lanes):
            parts = [(span.begin, span.seconds) for span in spans if span.lane == lane]
            above.broken_barh(parts, (place - 0.35, 0.7), color=BLUE)
        above.set_yticks(range(len(lanes)), [plain(lane) for lane in lanes])
        above.invert_yaxis()
        times, took = [at for at, _ in samples], [seconds * 1000 for _, seconds in samples]
        below.plot(times, took, marker=".", color=DARK, linewidth=1)
        below.set_ylabel("a tiny write (ms)")
        below.set_xlabel("seconds since the step began")
        below.set_ylim(bottom=0)
        if not samples:
            below.set_yticks([])
        below.set_xlim(0, max(lasted, 0.001))
    return Chart(title, figure)


def plain(text: str) -> str:
    """Return a text as a chart shows it: for matplotlib two dollar signs make a formula."""
    return visible(text).replace("$", r"\$")


def annotate(axes: Axes, text: str, at: tuple[float, float]) -> None:
    """Write a note to the right of a place, in the data's coordinates."""
    axes.annotate(
        plain(text),
        at,
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        color=DARK,
        fontsize=8,
    )


def chart_steps(run: Run, journal: Journal, title: str) -> Chart:
    """Draw the time of each step of the plan; ``title`` has a place for the total."""
    took = dict.fromkeys((step.name for step in run.plan.steps), 0.0)
    count = dict.fromkeys(took, 0)
    for line in journal.runs():
        if line["step"] in took:  # a way back sends statements of the release, too
            took[line["step"]] += line["seconds"]
            count[line["step"]] += 1
    total = duration(sum(took.values()))
    notes = [f"{number} statements" if number else "no statement" for number in count.values()]
    return bars(title.format(total=total), list(took), list(took.values()), notes)
