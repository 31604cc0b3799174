"""A DBA opens the notebooks in JupyterLab, runs them, reads them, and types the approvals."""

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

_PLAYWRIGHT = "no playwright: pip install playwright (it is in the extra 'dev')"
pytest.importorskip("playwright.sync_api", reason=_PLAYWRIGHT)

from playwright.sync_api import Locator, expect  # noqa: E402

from runbook_lib.evidence.run import PHASES  # noqa: E402
from tests.support.lab import (  # noqa: E402
    PATIENCE,
    REPOSITORY,
    Notebook,
    Screen,
    make_home,
    make_project,
    open_screen,
    run_python,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

_POLICY = '[dev.policy.approvals]\nconfirm = true\nroles = ["Database Administrator"]\n'
_PREPARE = """
from runbook_lib import check_target, open_run, review_release, show_plan, take_backup
show_plan(open_run("dev", "", "brief"))
run = open_run("dev", "", "prechecks")
review_release(run)
check_target(run)
take_backup(open_run("dev", "", "backup"))
"""


@dataclass(frozen=True)
class Desk:
    """What a DBA sits in front of: two projects in one JupyterLab, and a browser."""

    screen: Screen
    environment: dict[str, str]
    plain: Path
    guarded: Path

    def open(self, project: Path, name: str) -> AbstractContextManager[Notebook]:
        return self.screen.open(project / "notebooks" / f"{name}.ipynb")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    base = tmp_path_factory.mktemp("lab")
    environment = make_home(base / "home")
    plain, guarded = make_project(base / "plain"), make_project(base / "guarded", _POLICY)
    with open_screen(base, environment, plain, guarded) as screen:
        yield Desk(screen, environment, plain, guarded)


def _assert_clean(notebook: Notebook) -> None:
    """Every code cell was run in this session, in order, and none of them complained."""
    cells = notebook.cells()
    numbers = [cell.number for cell in cells]
    assert notebook.errors() == []
    assert numbers == [f"[{place}]:" for place in range(1, len(cells) + 1)], cells


def _assert_header(notebook: Notebook, place: int) -> None:
    header = notebook.table(f"Phase {place} of {len(PHASES)}: {PHASES[place - 1].title}")
    values = dict(zip(header.column("run"), header.column("value"), strict=True))
    assert values["environment"] == "dev"
    assert values["target"].startswith("citadelbuy_dev on PostgreSQL ")


def _assert_finished(notebook: Notebook, *titles: str) -> None:
    """Each card says that it is finished, its bar is full, and nothing of it is out of sight."""
    expect(notebook.progress()).to_have_count(len(titles))
    for place, title in enumerate(titles):
        card = notebook.progress().nth(place)
        card.scroll_into_view_if_needed()
        expect(card).to_have_text(re.compile(rf"{title}: finished in [0-9.]+ (ms|s|min)"))
        track = card.locator("> div")
        frame, bar = track.bounding_box(), track.locator("> div").bounding_box()
        assert frame is not None
        assert bar is not None
        assert frame["width"] > 50
        assert bar["width"] == pytest.approx(frame["width"], abs=1)
        assert _cut(card) == []


def _cut(labels: Locator) -> list[str]:
    """Return the texts that do not fit into their boxes."""
    found: list[str] = labels.evaluate_all(
        "labels => labels.filter(label => label.scrollWidth > label.clientWidth)"
        ".map(label => label.innerText)"
    )
    return found


def _run_directory(project: Path) -> Path:
    (directory,) = (project / "runs" / "dev").iterdir()
    return directory


def _assert_recorded(project: Path, name: str, since: datetime) -> None:
    text = (_run_directory(project) / f"{name}.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["status"] == "passed"
    assert datetime.fromisoformat(record["recorded_at"]) >= since.replace(microsecond=0)


def test_brief_and_prechecks_run_by_hand_show_what_a_dba_decides_on(desk: Desk) -> None:
    started = datetime.now(UTC)
    migrations = {path.name for path in (REPOSITORY / "sql" / "migrations").iterdir()}
    with desk.open(desk.plain, "00_brief") as brief:
        brief.run_all()
        _assert_clean(brief)
        _assert_header(brief, 1)
        release = brief.table(f"{len(migrations)} migrations as listed")
        assert set(release.column("migration")) == migrations
        assert {"purpose", "risk", "estimate", "statements"} <= set(release.columns)
        plan = brief.table("The plan: ")
        names = plan.column("name")
        assert migrations <= set(names)
        needy, needed = "20251202_add_owner_relation_and_role_permissions", "organization_module"
        assert names.index(needy) > names.index(needed)
        assert "organization" in plan.rows[names.index(needy)][plan.columns.index("why")]
        assert brief.table("Decision: go on").column("status") == ["pass"]
        assert [table.caption for table in brief.tables() if not table.fits] == []
        _assert_recorded(desk.plain, "00_brief", started)

        prechecks = brief.follow("Prechecks", desk.plain / "notebooks" / "10_prechecks.ipynb")
        prechecks.run_all()
        _assert_clean(prechecks)
        _assert_header(prechecks, 2)
        checks = prechecks.table("Prechecks: ")
        assert checks.columns[:2] == ("check", "status")
        assert set(checks.column("status")) <= {"pass", "warn", "not measured"}
        seen = [row[0] for table in prechecks.tables() for row in table.rows]
        assert "server version" in seen, "what passed is there, open or folded"
        assert prechecks.table("Decision: go on").column("next") == ["20_backup.ipynb"]
        assert [table.caption for table in prechecks.tables() if not table.fits] == []
        _assert_finished(prechecks, "Dry run", "Prechecks")
        _assert_recorded(desk.plain, "10_prechecks", started)


def test_approvals_typed_in_the_form_open_the_gate_of_the_migration(desk: Desk) -> None:
    notebooks = desk.guarded / "notebooks"
    run_python(desk.environment, notebooks, "-c", _PREPARE)
    approvals = _run_directory(desk.guarded) / "approvals.toml"
    name = 'the "quoted" name\'s é'
    with desk.open(desk.guarded, "30_rehearsal") as rehearsal:
        rehearsal.run_all()
        _assert_clean(rehearsal)
        _assert_finished(rehearsal, "Rehearsal")
        assert set(rehearsal.table("Rehearsed on ").column("status")) <= {"pass", "warn"}
        asked = rehearsal.table("Approvals for ")
        assert asked.column("approval") == ["Database Administrator", "typed confirmation"]
        assert asked.column("status") == ["warn", "warn"]

        migrate = rehearsal.follow("Migration", notebooks / "40_migrate.ipynb")
        migrate.run_all()
        refusal = " ".join(migrate.errors())
        assert "the approval of the Database Administrator" in refusal
        assert "the typed confirmation" in refusal
        assert migrate.cells()[-1].number == "[ ]:", "cells went on behind a closed gate"
        assert not approvals.exists()

        rehearsal.bring_to_front()
        form = rehearsal.panel.locator(".widget-vbox:has(button)")
        assert _cut(form.locator(".widget-label")) == []
        form.get_by_label("database", exact=True).press_sequentially("citadelbuy_dev")
        form.get_by_label("Database Administrator", exact=True).press_sequentially(name)
        started = datetime.now(UTC)
        form.get_by_role("button", name="Record approvals").click()
        expect(form).to_contain_text("Recorded.", timeout=PATIENCE * 1000)
        expect(form).to_contain_text("complete")
        rehearsal.photograph("form")

    written = tomllib.loads(approvals.read_text(encoding="utf-8"))
    assert written["confirm"] == "citadelbuy_dev"
    (given,) = written["approval"]
    assert (given["role"], given["name"]) == ("Database Administrator", name)
    assert given["at"] >= started.replace(microsecond=0)
    plan = json.loads((approvals.parent / "plan.json").read_text(encoding="utf-8"))
    assert written["plan"] == plan["digest"]

    executed = desk.guarded / "40_migrate.out.ipynb"
    run_python(desk.environment, notebooks, "-m", "papermill", "40_migrate.ipynb", str(executed))
    output = executed.read_text(encoding="utf-8")
    assert f"7 of {len(plan['steps'])} steps to do" in output
