"""No name, title or value acts on the screen that shows it; what is safe is shown with it."""

from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.errors import GateError
from runbook_lib.findings import Finding, Severity
from runbook_lib.notebook.charts import bars
from runbook_lib.notebook.show import Progress, Table, findings_table

ACTING = '<script>alert(1)</script> & "b" \x1b[31mred\x1b[0m \u202elqs'
WRITTEN = r"\x1b[31mred\x1b[0m \u202elqs"


@pytest.mark.parametrize("rows", [[], [{"run": ACTING, "value": 1.0}]])
def test_a_table_shows_markup_and_control_characters_as_they_are_written(
    rows: list[dict[str, object]],
) -> None:
    table = Table(ACTING, rows)
    page, text = table._repr_html_(), repr(table)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp;") == 1 + len(rows)
    assert "<script>" not in page
    assert text.count(WRITTEN) == page.count(WRITTEN) == 1 + len(rows)
    assert "\x1b" not in page + text


def test_progress_and_errors_show_them_so_as_well() -> None:
    bar = Progress("Migrate", 1)
    bar.at(ACTING)
    assert WRITTEN in bar._label.value
    assert str(GateError(ACTING)).endswith(WRITTEN)


def test_a_chart_takes_any_name_for_a_name() -> None:
    chart = bars(r"$\frac{$ and a_$1$", [r"t_$\x$", "$"], [1.0, 2.0], [r"$\sum$", ""])
    assert chart._repr_png_().startswith(b"\x89PNG")


SAFE = (("CREATE INDEX CONCURRENTLY i ON t USING btree (n)",), ("-- done", "SELECT '</pre>'"))


def found(**other: Any) -> Finding:
    item = Finding(
        "reading", "index-not-concurrent", Severity.WARNING, "f.sql", 1, "Index i", "Waits.", "Do."
    )
    return replace(item, was="CREATE INDEX i ON t (n)", safe=SAFE, **other)


def test_a_safe_form_is_a_diff_folded_below_the_remedy_and_escaped() -> None:
    text = findings_table("Read", [found()])._repr_html_()
    assert "Do.<details><summary>" in text
    assert "- CREATE INDEX i ON t (n);" in text
    assert "+ CREATE INDEX CONCURRENTLY i ON t USING btree (n);" in text
    assert "+ -- in a later file:" in text
    assert "+ -- done</span>" in text
    assert "SELECT &#x27;&lt;/pre&gt;&#x27;;" in text


def test_what_the_plan_does_by_itself_passes_and_is_said() -> None:
    done = found(severity=Severity.INFO, planned=True)
    table = findings_table("Read", [found(), done])
    assert [row["status"] for row in table.rows] == ["warn", "pass"]
    assert "nothing found" not in findings_table("Read", [done]).caption


def test_a_finding_leads_to_the_page_of_its_rule_where_there_are_pages() -> None:
    page = '<a href="../docs/rules/index-not-concurrent.md">index-not-concurrent</a>'
    assert page in findings_table("Read", [found()], "../docs/rules")._repr_html_()
    assert "<a " not in findings_table("Read", [found()])._repr_html_()
    other = replace(found(), rule="missing-table")
    assert "<a " not in findings_table("Read", [other], "../docs/rules")._repr_html_()


def test_of_many_rows_those_that_failed_are_open_and_the_rest_is_folded() -> None:
    rows = [
        {"step": f"s{at}", "outcome": "failed" if at in {5, 700} else "done"} for at in range(800)
    ]
    page, text = Table("800 steps", rows)._repr_html_(), repr(Table("800 steps", rows))
    seen, folded = page.split("<details>")
    assert all(f">s{at}<" in seen for at in (0, 5, 700))
    assert seen.count(">failed<") == 2
    assert "<summary>778 more</summary>" in folded
    assert folded.count("<tr>") == 1 + 778
    assert text.endswith("... and 778 more")
    assert len(page) < 60_000


def test_of_very_many_rows_a_notebook_has_a_part() -> None:
    page = Table("many", [{"line": at, "statement": "insert into t"} for at in range(50_000)])
    folded = page._repr_html_().split("<details>")[1]
    assert folded.startswith("<summary>49,980 more, of which 1,000 are here</summary>")
    assert folded.count("<tr>") == 1 + 1_000


def test_a_few_rows_are_all_open() -> None:
    table = Table("40 steps", [{"step": at} for at in range(40)])
    assert "<details>" not in table._repr_html_()
    assert "more" not in repr(table)


def test_what_is_folded_shows_markup_as_it_is_written() -> None:
    folded = Table("many", [{"step": ACTING}] * 50)._repr_html_().split("<details>")[1]
    assert WRITTEN in folded
    assert "<script>" not in folded


def test_of_many_bars_the_longest_are_drawn_and_the_others_are_one() -> None:
    few = bars("t", ["a"], [1.0], [""]).figure.get_size_inches()
    names = [f"s{at}" for at in range(800)]
    many = bars("t", names, [float(at) for at in range(800)], [""] * 800).figure
    labels = [text.get_text() for text in many.axes[0].get_yticklabels()]
    assert labels[-2:] == ["s799", "761 others"]
    assert len(labels) == 40
    assert many.get_size_inches()[1] < 12 * few[1]
