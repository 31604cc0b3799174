"""Draw charts: each answers one question, and its title is that answer."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration, visible
from runbook_lib.notebook.show import Table
from runbook_lib.redaction import redact

BLUE, GREY, AMBER = "#0969da", "#8c959f", "#bf8700"
INK = "#797979"
"""The colour of words and lines: no ground is drawn, so it reads on white and on black."""
_BARS = 40  # of a chart at most
_WIDTH, _TITLE = 9.0, 92  # inches of a chart, and letters of a line of its title
_NAME = 36  # letters of a name beside a bar
_POINTS = 100  # of a line that are drawn each
_PALETTE = 32  # colours of the picture: a quarter of the size
RC: Any = {
    "font.size": 9,
    "figure.dpi": 110,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # words stay words, and are a third of the size
    "svg.hashsalt": "runbook",  # the same figure has the same ids
    "hatch.linewidth": 0.6,
    "legend.labelcolor": INK,
    "text.color": INK,
    **{f"{item}.color": INK for item in ("xtick", "ytick")},
    **{f"axes.{item}color": INK for item in ("label", "edge")},
}


@dataclass(frozen=True)
class Chart:
    """Hold a figure; its title is the answer to the question it was drawn for."""

    title: str
    figure: Figure

    def __repr__(self) -> str:
        return f"Chart: {self.words}"

    @property
    def words(self) -> str:
        """Return what is said where the picture is not seen."""
        return visible(redact(self.title))

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        """Return it as lines and as points: a page that is not trusted shows no SVG."""
        with mpl.rc_context(RC):
            data = {"text/plain": repr(self), "image/svg+xml": self._lines(), "image/png": ""}
            data["image/png"] = base64.b64encode(self._points()).decode()
        return data, {"image/png": {"alt": self.words}}

    def _lines(self) -> str:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Title": self.words})
        return buffer.getvalue().decode()

    def _points(self) -> bytes:
        """Return a PNG with no more colours than a chart has."""
        canvas, buffer = FigureCanvasAgg(self.figure), io.BytesIO()
        canvas.draw()  # type: ignore[no-untyped-call]
        size = canvas.get_width_height()
        points = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        picture = Image.frombuffer("RGBA", size, points, "raw", "RGBA", 0, 1)
        picture.quantize(_PALETTE).save(buffer, "png")
        return buffer.getvalue()


def new_figure(title: str, height: float, names: Sequence[str], below: float = 0.5) -> Figure:
    """Make a figure with the answer over its whole width and room for names to the left.

    ``height`` is that of the axes; ``below`` them is room for words. All is in inches. Matplotlib
    would find the room itself, in as much time as it takes to draw.
    """
    lines = wrap(plain(title), _TITLE)
    above = 0.3 + 0.19 * len(lines)
    whole = above + height + below
    left = max([0.75, *(0.2 + 0.08 * len(x) for name in names for x in name.splitlines())])
    figure = Figure(figsize=(_WIDTH, whole))
    place = (0.01, 1 - 0.1 / whole)
    figure.text(*place, "\n".join(lines), va="top", fontsize=11, fontweight="bold")
    figure.subplots_adjust(left / _WIDTH, below / whole, 0.98, 1 - above / whole, hspace=0.15)
    return figure


def bared(axes: Axes) -> Axes:
    """Return axes without the lines that say nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def bars(title: str, names: Sequence[str], seconds: Sequence[float], notes: Sequence[str]) -> Chart:
    """Draw times as horizontal bars, each with its time and a note behind it.

    Of many the longest are drawn, in their order, and the others as one.
    """
    names, seconds, notes = _longest(names, seconds, notes)
    with mpl.rc_context(RC):
        figure = new_figure(title, 0.1 + 0.26 * len(names), [label(name) for name in names])
        axes = bared(figure.subplots())
        unit, factor = ("ms", 1000.0) if max(seconds, default=0) < 1 else ("s", 1.0)
        axes.barh(range(len(names)), [value * factor for value in seconds], color=BLUE, height=0.7)
        axes.set_yticks(range(len(names)), [label(name) for name in names])
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


class Doing(StrEnum):
    """Name what a lane of a timeline does for a while; each is told apart without its colour."""

    RUNNING = "running or building"
    WAITING = "waiting for another session"
    RESTING = "resting before the next try"


_LOOKS: Mapping[Doing, Mapping[str, Any]] = {
    Doing.RUNNING: {"facecolor": BLUE},
    Doing.WAITING: {"facecolor": AMBER, "hatch": "////", "edgecolor": "#fff8c5", "linewidth": 0},
    Doing.RESTING: {"facecolor": "none", "edgecolor": GREY},
}


@dataclass(frozen=True)
class Span:
    """Hold what one lane of a timeline did for a while; seconds from its start."""

    lane: str
    begin: float
    seconds: float
    doing: Doing = Doing.RUNNING


def timeline(
    title: str, spans: Sequence[Span], samples: Sequence[tuple[float, float]], lasted: float
) -> Chart:
    """Draw what ran, waited and rested, over what a tiny write took meanwhile, if one was taken.

    ``samples`` are (seconds, seconds).
    """
    lanes = list(dict.fromkeys(span.lane for span in spans))
    height = 0.26 * max(len(lanes), 1)
    with mpl.rc_context(RC):
        ratios = [height, 1.2] if samples else [height]
        figure = new_figure(title, sum(ratios), [label(lane) for lane in lanes], below=0.75)
        parts = figure.subplots(len(ratios), sharex=True, height_ratios=ratios, squeeze=False)
        above, last = bared(parts[0][0]), bared(parts[-1][0])
        _draw_lanes(above, lanes, spans)
        if samples:
            marker = "." if len(samples) <= _POINTS else ""
            last.plot(*zip(*_in_ms(samples), strict=True), marker=marker, color=INK, linewidth=1)
            last.set_ylabel("probe write (ms)")
            last.set_ylim(bottom=0)
        last.set_xlabel("seconds since the step began")
        last.set_xlim(0, max(lasted, 0.001))
        seen = [doing for doing in Doing if any(span.doing is doing for span in spans)]
        patches = [Patch(label=doing.value, **_LOOKS[doing]) for doing in seen]
        figure.legend(handles=patches, loc="lower right", ncols=3, frameon=False)
    return Chart(title, figure)


def _in_ms(samples: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(at, took * 1000) for at, took in samples]


def _draw_lanes(axes: Axes, lanes: Sequence[str], spans: Sequence[Span]) -> None:
    """Draw each lane's spans, what waited over what ran."""
    for place, lane in enumerate(lanes):
        for doing, looks in _LOOKS.items():
            parts = [
                (span.begin, span.seconds)
                for span in spans
                if (span.lane, span.doing) == (lane, doing)
            ]
            axes.broken_barh(parts, (place - 0.35, 0.7), **looks)
    axes.set_yticks(range(len(lanes)), [label(lane) for lane in lanes])
    axes.invert_yaxis()


def plain(text: str) -> str:
    """Return a text as a chart shows it: for matplotlib two dollar signs make a formula."""
    return visible(text).replace("$", r"\$")


def label(name: str) -> str:
    """Return a name as it stands beside a bar: a long one without its middle."""
    half = _NAME // 2
    return plain(name if len(name) <= _NAME else f"{name[: half - 1]}\u2026{name[-half:]}")


def annotate(axes: Axes, text: str, at: tuple[float, float]) -> None:
    """Write a note to the right of a place, in the data's coordinates."""
    axes.annotate(
        plain(text),
        at,
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=INK,
        fontsize=8,
    )


def chart_steps(run: Run, journal: Journal, title: str) -> Chart | Table:
    """Draw the time of each step of the plan; ``title`` has a place for the total."""
    took = dict.fromkeys((step.name for step in run.plan.steps), 0.0)
    count = dict.fromkeys(took, 0)
    for line in journal.runs():
        if line["step"] in took:  # a way back sends statements of the release, too
            took[line["step"]] += line["seconds"]
            count[line["step"]] += 1
    if not any(count.values()):
        return Table("No statement has run yet: there is nothing to draw", [])
    total = duration(sum(took.values()))
    notes = [f"{number} statements" if number else "no statement" for number in count.values()]
    return bars(title.format(total=total), list(took), list(took.values()), notes)
