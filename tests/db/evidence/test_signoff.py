"""A run is signed off once people said what was not measured; until then its policy decides."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import answer_criteria, apply_step, decide, show_approvals, sign_off
from runbook_lib.checks.query_checks import run_checks
from runbook_lib.errors import ConfigError, GateError
from runbook_lib.evidence.records import Status
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.schemas import SignedOff, read_record
from runbook_lib.evidence.signoff import read_standing
from runbook_lib.notebook.signoff import take
from runbook_lib.notebook.signoff_form import Filled, Word
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection
from runbook_lib.release.reader import read_checks
from tests.support.defects import Project, project
from tests.support.projects import REPOSITORY
from tests.support.releases import write_release

FILE = "0001_a"
MANIFEST = """
name = "shop"
title = "Shop"

[[migration]]
number = 1
name = "0001_a"
purpose = ""
risk = ""
estimate = ""
tables = ["a"]

[[criterion]]
section = "Application"
text = "Health checks pass"
check = ""

[[role]]
name = "Lead"
group = "Technical"
"""
ANSWERS = """plan = "{plan}"

[[answer]]
criterion = "Health checks pass"
answer = "{answer}"
who = "Ann Onym"
at = 2026-01-31T09:00:00Z

[[approval]]
role = "Lead"
name = "Bo Oster"
at = 2026-01-31T09:05:00Z
"""
REQUIRED = "[test.policy.signoff]\nrequired = true\n"


@pytest.fixture
def shop(database: dict[str, str], tmp_path: Path) -> Iterator[Project]:
    release = write_release(
        tmp_path / "release" / "migrations", {FILE: "CREATE TABLE a ();"}
    ).parent
    (release / "release.toml").write_text(MANIFEST, encoding="utf-8")
    with project(tmp_path, database) as made:
        yield made


def applied(shop: Project, policy: str = "") -> Run:
    """Carry the release out and verify it; return the run, open for its sign-off."""
    with (shop.root / "environments.toml").open("a", encoding="utf-8") as file:
        file.write(policy)
    run = shop.run(shop.root / "release", "run")
    apply_step(replace(run, phase="migrate"), FILE)
    run.record(True, {"failed": (), "checks": ()}, "60_verify")
    return shop.run(shop.root / "release", "signoff")


def answer(run: Run, word: str) -> None:
    text = ANSWERS.format(plan=run.plan.digest, answer=word)
    (run.directory.path / "answers.toml").write_text(text, encoding="utf-8")


def signed(run: Run) -> str:
    """Sign off, headless, and return the verdict."""
    shown = sign_off(run)
    assert shown is not None
    return str(shown.caption)


def test_an_open_sign_off_may_stay_open_and_a_new_run_follows(shop: Project) -> None:
    run = applied(shop)
    assert signed(run) == "Applied, sign-off open: 1 criterion, 1 approval"
    assert [row["status"] for row in decide(run).rows] == ["open"]
    assert not run.passed("signoff")
    assert shop.run(shop.root / "release", "signoff").directory == run.directory
    assert shop.run(shop.root / "release", "run").directory != run.directory


def test_where_it_is_required_the_same_run_goes_on_until_it_is_signed_off(shop: Project) -> None:
    run = applied(shop, REQUIRED)
    sign_off(run)
    with pytest.raises(GateError, match="sign-off is open: 1 criterion, 1 approval"):
        decide(run)
    again = shop.run(shop.root / "release", "run")
    assert again.directory == run.directory
    answer(run, "yes")
    assert signed(run) == "Signed off: 1 criterion holds; Bo Oster (Lead)"
    assert decide(run).caption == "Decision: go on"
    assert run.passed("signoff")
    assert shop.run(shop.root / "release", "run").directory != run.directory


def test_the_record_says_who_and_when(shop: Project) -> None:
    run = applied(shop)
    answer(run, "not applicable")
    sign_off(run)
    found = read_record(run.directory, "80_signoff", SignedOff)
    assert found is not None
    assert (found.status, found.open, found.failed) == ("passed", (), ())
    (line,), (seat,) = found.criteria, found.approvals
    assert str(line.answer) == "not applicable, Ann Onym, 2026-01-31 09:00 UTC"
    assert seat.approval is not None
    assert f"{seat.approval.name} {seat.approval.at:%H:%M}" == "Bo Oster 09:05"
    assert answer_criteria(run).rows[0]["answer"] == str(line.answer)
    assert show_approvals(run).caption == "Approvals: 1 of 1 given"


def test_a_no_fails_the_sign_off_and_can_be_answered_anew(shop: Project) -> None:
    run = applied(shop)
    answer(run, "no")
    assert signed(run) == "Applied, not signed off: 1 failed"
    with pytest.raises(GateError, match="Sign-off failed: Health checks pass: no, Ann Onym"):
        decide(run)
    answer(run, "yes")
    sign_off(run)
    assert run.passed("signoff")


def test_what_people_fill_in_is_kept_and_the_last_one_signs_the_run_off(shop: Project) -> None:
    run = applied(shop)
    words = {("Application", "Health checks pass"): Word("yes", 'all "green"', "https://x")}
    verdict, lines, _ = take(run, Filled("Ann <b>", words, {"Lead": ""}))
    assert verdict.caption == "Applied, sign-off open: 1 approval"
    assert "Ann &lt;b&gt;" in lines._repr_html_()
    verdict, *_ = take(run, Filled("", {}, {"Lead": "Bo Oster"}))
    assert verdict.caption == "Signed off: 1 criterion holds; Bo Oster (Lead)"
    (line,) = read_standing(run).lines
    assert line.answer is not None
    assert (line.answer.who, line.answer.note) == ("Ann <b>", 'all "green"')
    with pytest.raises(GateError, match=r"is signed off, recorded .*; nothing was done"):
        take(run, Filled("Cy Prus", {}, {"Lead": "Cy Prus"}))


def test_what_is_signed_off_is_not_recorded_again(shop: Project) -> None:
    run = applied(shop)
    answer(run, "yes")
    sign_off(run)
    before = run.recorded("signoff")
    answer(run, "no")
    assert signed(run).startswith("Signed off: ")
    assert run.recorded("signoff") == before


def test_an_answer_for_another_plan_is_refused(shop: Project) -> None:
    run = applied(shop)
    (run.directory.path / "answers.toml").write_text('plan = "0ld"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="not the digest of this run's plan"):
        sign_off(run)


@pytest.mark.parametrize("again", [False, True])
def test_a_migration_that_was_rolled_back_is_not_up_to_date(
    again: bool, connection: Connection
) -> None:
    """Prisma calls it up to date all the same."""
    ledger.create(connection, Connection.execute)
    rows = ["now()", *(["NULL"] if again else [])]
    for rolled_back in rows:
        connection.execute(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, "
            "rolled_back_at) VALUES (gen_random_uuid(), '', 'add_privacy_consent', now(), "
            f"{rolled_back})"
        )
    checks = [
        item for item in read_checks(REPOSITORY / "sql/checks") if item.name == "ledger_clean"
    ]
    (found,) = run_checks(connection, checks)
    assert found.status is (Status.PASS if again else Status.FAIL)
