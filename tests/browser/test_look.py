"""What a notebook shows reads on every page it is met on: dark, narrow, on paper, on a forge."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

_PLAYWRIGHT = "no playwright: pip install playwright (it is in the extra 'dev')"
pytest.importorskip("playwright.sync_api", reason=_PLAYWRIGHT)

from playwright.sync_api import Browser  # noqa: E402

from runbook_lib.evidence.records import Status  # noqa: E402
from runbook_lib.findings import Finding, Severity  # noqa: E402
from runbook_lib.notebook.charts import Chart, Doing, Span, bars, timeline  # noqa: E402
from runbook_lib.notebook.show import Table, findings_table  # noqa: E402
from tests.support.lab import chromium, shots_in  # noqa: E402
from tests.support.screens import VIEWS, View, contact_sheet, exported, opened, photograph  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

BOOKS: Any = nbformat  # which has no types
LONG = "20251202_add_owner_relation_and_role_permissions"
FOUND = Finding(
    "reading",
    "index-not-concurrent",
    Severity.WARNING,
    f"{LONG}/migration.sql",
    12,
    f"Index idx_{LONG} is built over 1,200,000 rows while every write to the table waits for it.",
    "Writes to orders wait until it is built.",
    "Build it with CREATE INDEX CONCURRENTLY, in a file of its own.",
    was="CREATE INDEX i ON orders (created)",
    safe=(("CREATE INDEX CONCURRENTLY i ON orders USING btree (created)",),),
)
_STATES = {3: Status.FAIL, 5: Status.WARN, 8: Status.NOT_MEASURED}
CHECKS = [
    {
        "check": f"check number {at}",
        "status": (status := _STATES.get(at, Status.PASS)),
        "observed": f"{at} sessions, oldest transaction 12 s, limit 60 s",
        "expected": "none",
        "remedy": "" if status is Status.PASS else "Let them finish, or end them.",
    }
    for at in range(36)
]
WIDE = [
    {f"{name} {at}": LONG for at in range(2) for name in ("table", "index")}
    | {f"number {at}": 1_234_567 * at for at in range(6)}
]
SPANS = [Span("orders", 0, 3), Span("orders", 1, 1, Doing.WAITING), Span(LONG, 3, 2, Doing.RESTING)]
SHOWN = (
    Table("36 checks, 1 failed", CHECKS),
    findings_table("Read against the target", [FOUND]),
    Table("Ten columns", WIDE),
    Table("80 statements", [{"line": at, "statement": f"insert {at}"} for at in range(80)]),
    bars("The statements take 3 s", [LONG, "add_privacy_consent"], [2, 1], ["9 statements", ""]),
    timeline("It ran for 5 s", SPANS, [(0.1 * at, 0.002) for at in range(50)], 5.0),
)

_CONTRASTS = """() => {
    const light = text => {
        const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = item => {
        for (; item; item = item.parentElement) {
            const found = getComputedStyle(item).backgroundColor;
            if (!/^rgba\\(.*, 0\\)$/.test(found)) return light(found);
        }
        return 1;
    };
    return [...document.querySelectorAll('td, th, caption, td span, td a, summary')].map(item => {
        const [one, two] = [light(getComputedStyle(item).color), ground(item)];
        const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        return [item.textContent.slice(0, 40), ratio];
    }).filter(([, ratio]) => ratio < 4.5);
}"""
_SIDEWAYS = """() => [document.documentElement,
    ...document.querySelectorAll('.jp-OutputArea-output, .jp-RenderedHTMLCommon')]
    .filter(item => item.scrollWidth > item.clientWidth + 1)
    .map(item => [item.className, item.scrollWidth])"""
_ROWS = "() => [...document.querySelectorAll('td')].map(cell => cell.innerText.trim())"
_UNFOLD = "() => document.querySelectorAll('details').forEach(item => item.open = true)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(os.environ) as found:
        yield found


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shots_in(tmp_path_factory.mktemp("look"))


def _output(thing: Table | Chart) -> Any:
    if isinstance(thing, Chart):
        data, metadata = thing._repr_mimebundle_()
        return BOOKS.v4.new_output("display_data", data, metadata=metadata)
    data = {"text/plain": repr(thing), "text/html": thing._repr_html_()}
    return BOOKS.v4.new_output("display_data", data)


def _book() -> Any:
    cells = [BOOKS.v4.new_code_cell("shown", outputs=[_output(thing)]) for thing in SHOWN]
    return BOOKS.v4.new_notebook(cells=cells)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_page_reads_and_does_not_scroll_sideways(
    browser: Browser, shots: Path, view: View
) -> None:
    with opened(browser, exported(_book(), view), view) as page:
        photograph(page, view, shots / f"{view.name} folded.png")
        page.evaluate(_UNFOLD)
        assert page.evaluate(_CONTRASTS) == []
        wide = page.evaluate(_SIDEWAYS)
        narrow = view.width < 1440 or view.forge
        assert wide == [] or (narrow and "" not in dict(wide)), wide
        picture = photograph(page, view, shots / f"{view.name}.png")
    contact_sheet({"look": [picture, picture]}, shots / "sheet.png")
    assert (shots / "sheet.png").stat().st_size > 5_000


def test_a_page_says_the_same_with_and_without_its_styles(browser: Browser) -> None:
    said = []
    for view in (VIEWS[0], VIEWS[-1]):
        with opened(browser, exported(_book(), view), view) as page:
            page.evaluate(_UNFOLD)
            said.append(page.evaluate(_ROWS))
    assert said[0] == said[1]
    assert {"fail", "warn", "not measured"} <= set(said[0])


def test_the_rows_that_passed_are_folded_and_counted(browser: Browser) -> None:
    with opened(browser, exported(_book(), VIEWS[0]), VIEWS[0]) as page:
        summary = page.locator("summary", has_text="show 34 more: 33 pass, 1 not measured")
        assert summary.is_visible()
        assert not page.get_by_text("check number 35", exact=True).is_visible()
        summary.click()
        assert page.get_by_text("check number 35", exact=True).is_visible()
