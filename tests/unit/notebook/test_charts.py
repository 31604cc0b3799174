"""A chart is lines and points, says in words what it shows, and names what was not done."""

import base64
import re
from itertools import pairwise
from typing import Any

import pytest

from runbook_lib.notebook.charts import Chart, Doing, Span, bars, label, timeline
from runbook_lib.notebook.index_timing import GroupTiming, estimate_chart
from runbook_lib.notebook.traffic import moment, read_spans

SPANS = [
    Span("products", 0.0, 2.0),
    Span("products", 0.5, 0.5, Doing.WAITING),
    Span("in transactions", 2.0, 1.0, Doing.RESTING),
]
SAMPLES = [(0.1 * at, 0.001) for at in range(300)]


def drawn(chart: Chart) -> dict[str, str]:
    return chart._repr_mimebundle_()[0]


def test_a_chart_takes_any_name_for_a_name() -> None:
    chart = bars(r"$\frac{$ and a_$1$", [r"t_$\x$", "$"], [1.0, 2.0], [r"$\sum$", ""])
    assert base64.b64decode(drawn(chart)["image/png"]).startswith(b"\x89PNG")


def test_a_chart_is_lines_and_points_and_the_same_each_time() -> None:
    first, second = (drawn(timeline("t", SPANS, SAMPLES, 3.0)) for _ in range(2))
    assert first == second
    assert {"text/plain", "image/svg+xml", "image/png"} == set(first)
    assert not re.search(r"<dc:date>|20\d\d-\d\d", first["image/svg+xml"])


def test_a_chart_says_in_words_what_it_shows() -> None:
    data, metadata = bars("17 indexes in 3 s", ["a"], [3.0], [""])._repr_mimebundle_()
    assert data["text/plain"] == "Chart: 17 indexes in 3 s"
    assert metadata["image/png"]["alt"] == "17 indexes in 3 s"
    assert "<title>17 indexes in 3 s</title>" in data["image/svg+xml"]


def bars_of(count: int) -> Chart:
    names = [f"20251205_a_rather_long_name_of_a_migration_{at}" for at in range(count)]
    return bars("t", names, [1.0 + at for at in range(count)], ["12 statements"] * count)


@pytest.mark.parametrize(
    ("chart", "most"),
    [
        (bars_of(15), 60_000),
        (bars_of(400), 130_000),
        (timeline("t", SPANS, SAMPLES, 30.0), 60_000),
    ],
    ids=["fifteen bars", "many bars", "a timeline"],
)
def test_a_chart_is_small_and_draws_no_ground(chart: Chart, most: int) -> None:
    data = drawn(chart)
    assert len(data["image/svg+xml"]) + len(data["image/png"]) < most
    assert "fill: #ffffff" not in data["image/svg+xml"]
    assert "#000000" not in data["image/svg+xml"]


def test_of_many_bars_the_longest_are_drawn_and_the_others_are_one() -> None:
    few = bars("t", ["a"], [1.0], [""]).figure.get_size_inches()
    names = [f"s{at}" for at in range(800)]
    many = bars("t", names, [float(at) for at in range(800)], [""] * 800).figure
    labels = [text.get_text() for text in many.axes[0].get_yticklabels()]
    assert labels[-2:] == ["s799", "761 others"]
    assert len(labels) == 40
    assert many.get_size_inches()[1] < 14 * few[1]


def test_a_long_name_stands_beside_its_bar_without_its_middle() -> None:
    assert label("add_performance_indexes") == "add_performance_indexes"
    short = label("20251202_add_owner_relation_and_role_permissions")
    assert len(short) == 36
    assert (short[:8], short[-11:]) == ("20251202", "permissions")


def test_without_a_measured_write_none_is_drawn() -> None:
    assert len(timeline("t", SPANS, SAMPLES, 3.0).figure.axes) == 2
    assert len(timeline("t", SPANS, [], 3.0).figure.axes) == 1


def test_what_waited_and_what_rested_is_told_apart_and_named() -> None:
    svg = drawn(timeline("t", SPANS, [], 3.0))["image/svg+xml"]
    for doing in Doing:
        assert doing.value in svg
    assert "waiting" not in drawn(timeline("t", SPANS[:1], [], 3.0))["image/svg+xml"]


def test_estimate_forecast_and_measurement_stand_in_one_chart() -> None:
    group = GroupTiming("Orders", ("orders",), 1000, 800, (60.0, 120.0), 2.0, 1.5)
    svg = drawn(estimate_chart([group]))["image/svg+xml"]
    for word in ("estimated in the brief", "forecast by the rehearsal", "measured"):
        assert word in svg


# --- the timeline as the journal tells it --------------------------------------------------------


def at(second: float) -> str:
    return f"2026-03-01T10:00:{second:06.3f}+00:00"


def ran(label: str, begin: float, seconds: float) -> dict[str, Any]:
    return {"label": label, "started_at": at(begin), "seconds": seconds}


def read(done: list[dict[str, Any]], *events: dict[str, Any]) -> list[Span]:
    spans = read_spans(done, events, moment(at(0)))
    return [Span(x.lane, round(x.begin, 3), round(x.seconds, 3), x.doing) for x in spans]


BUILD = ran("create index concurrently i on products", 0, 8)


def test_a_build_waits_in_its_table_s_lane_until_its_next_phase() -> None:
    notes = [
        {"event": "phase", "at": at(1), "index": "public.i", "phase": "waiting for old snapshots"},
        {"event": "phase", "at": at(2), "index": "other", "phase": "building index"},
        {"event": "phase", "at": at(4), "index": "public.i", "phase": "building index"},
    ]
    assert read([BUILD], *notes) == [
        Span("products", 0, 8),
        Span("products", 1, 3, Doing.WAITING),
    ]


def test_a_wait_without_an_end_lasts_as_long_as_its_statement() -> None:
    note = {"event": "waiting", "at": at(5), "statement": "i", "blockers": []}
    assert read([BUILD], note)[1] == Span("products", 5, 3, Doing.WAITING)


def test_a_retry_rests_after_it_was_noted_and_a_pause_before_it_ended() -> None:
    done = [ran("alter table a", 6, 1)]
    retried = {"event": "retried", "at": at(1), "attempt": 1, "pause": 2.0, "error": ""}
    resumed = {"event": "resumed", "at": at(5), "seconds": 1.5}
    assert read(done, retried, resumed)[1:] == [
        Span("in transactions", 1, 2, Doing.RESTING),
        Span("in transactions", 3.5, 1.5, Doing.RESTING),
    ]


def test_of_many_tables_those_that_took_longest_have_a_lane() -> None:
    done = [ran(f"create index concurrently i{n} on t{n}", n, n + 1) for n in range(20)]
    lanes = [span.lane for span in read(done)]
    assert lanes[-12:] == [f"t{n}" for n in range(8, 20)]
    assert set(lanes[:-12]) == {"8 other tables"}
    assert all(one.begin <= two.begin for one, two in pairwise(read(done)))
