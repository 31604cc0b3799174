"""No name, title or value acts on the screen that shows it; what is safe is shown with it."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from runbook_lib.errors import GateError
from runbook_lib.findings import Finding, Severity
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table, findings_table


class Page(HTMLParser):
    """Read the rows of a table, by the names of its columns, and what it is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.kinds: set[str] = set()
        self.attributes: set[str] = set()
        self.styles: list[str] = []
        self._cells: list[list[str]] = []
        self.feed(text)

    @property
    def rows(self) -> list[dict[str, str]]:
        """Return the rows below the head."""
        return [dict(zip(self._cells[0], row, strict=True)) for row in self._cells[1:]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.styles += [value or "" for name, value in attrs if name == "style"]
        if tag == "tr":
            self._cells.append([])
        elif tag in {"th", "td"}:
            self._cells[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._cells and self._cells[-1] and self.lasttag != "summary":
            self._cells[-1][-1] += data.strip()


KINDS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "span", "details", "summary"}
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
    progress = Progress("Migrate", 1)
    progress.at(ACTING)
    assert WRITTEN in repr(progress.card)
    assert WRITTEN in progress.card._repr_html_()
    assert "<script>" not in progress.card._repr_html_()
    assert str(GateError(ACTING)).endswith(WRITTEN)


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
    assert [row["step"] for row in Page(seen).rows] == ["s5", "s700"]
    assert "<summary>show 798 more: 798 done</summary>" in folded
    assert len(Page(folded).rows) == 798
    assert "outcome" not in Page(folded).rows[0]  # the summary says it
    assert text.endswith("... and 798 more: 798 done")
    assert len(page) < 60_000


def test_of_many_rows_that_are_well_the_first_are_open() -> None:
    rows = [{"check": f"c{at}", "status": "pass"} for at in range(33)]
    seen, folded = Table("33 checks", rows)._repr_html_().split("<details>")
    assert [row["check"] for row in Page(seen).rows] == [f"c{at}" for at in range(20)]
    assert "<summary>show 13 more: 13 pass</summary>" in folded


def test_of_many_warnings_some_are_open_and_of_failures_all() -> None:
    words = ["fail"] * 30 + ["warn"] * 30
    rows = [{"check": f"c{at}", "status": word} for at, word in enumerate(words)]
    assert len(Table("60", rows).frame) == 30
    assert len(Table("60", rows[::-1]).frame) == 50


def test_of_very_many_rows_a_notebook_has_a_part() -> None:
    page = Table("many", [{"line": at, "statement": f"insert {at}"} for at in range(50_000)])
    folded = page._repr_html_().split("<details>")[1]
    assert folded.startswith(
        "<summary>show 49,980 more; 1,000 of them are here, the records have all</summary>"
    )
    assert len(Page(folded).rows) == 1_000


def test_a_thousand_statements_take_little_more_than_their_words() -> None:
    rows = [
        {
            "file": "20251205_everything/migration.sql",
            "line": at,
            "statement": f"insert into some_table_{at}",
            "outcome": "done",
            "ms": 1.25,
        }
        for at in range(1_000)
    ]
    assert len(Table("1,000 statements", rows)._repr_html_()) < 110_000


def test_a_few_rows_are_all_open() -> None:
    table = Table("20 steps", [{"step": at} for at in range(20)])
    assert "<details>" not in table._repr_html_()
    assert "more" not in repr(table)


def test_a_table_needs_no_style_sheet_and_asks_for_no_theme() -> None:
    rows = [{"name": "n" * 60, "status": word, "ms": 1} for word in ("pass", "warn", "fail")] * 10
    page = Page(Table("mixed", rows)._repr_html_())
    assert page.kinds == KINDS
    assert page.attributes == {"style"}
    plain = [style for style in page.styles if "background" not in style and "color" in style]
    assert plain == []  # a text's colour is the page's own, but on a ground that is ours


def test_numbers_stand_to_the_right_and_long_names_break() -> None:
    page = Table("t", [{"name": "a_long_name_" * 5, "rows": 1234567}])._repr_html_()
    assert '<td style="text-align:right;vertical-align:top">1,234,567</td>' in page
    assert "overflow-wrap:anywhere" in page


def test_what_is_folded_shows_markup_as_it_is_written() -> None:
    folded = Table("many", [{"step": ACTING}] * 50)._repr_html_().split("<details>")[1]
    assert WRITTEN in folded
    assert "<script>" not in folded
