"""What was approved is what is run: whatever changes afterwards is named before the first act."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from runbook_lib import (
    check_target,
    rehearse,
    review_release,
    take_backup,
)
from runbook_lib.errors import GateError
from runbook_lib.evidence.approvals import FILE, Approval, approvals_text
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.failure import card_of
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.defects import Project, project
from tests.support.releases import write_release

pytestmark = pytest.mark.xdist_group("digests")  # one run is brought that far once

PEOPLE = {"DBA": "Ann Onym", "Lead": "Bo Oster"}
STRICT = """
[test.policy.locks]
timeout = 3.0
tries = 1

[test.policy.rehearsal]
required = true

[test.policy.approvals]
confirm = true
roles = ["DBA", "Lead"]

[test.application]
stop = ["stop-shop --pin 4711-secret"]
"""
FILES = {
    "0001_users": "CREATE TABLE users (id int PRIMARY KEY);",
    "0002_orders": "CREATE TABLE orders (id int PRIMARY KEY);",
}
CHECK = "-- Why.\n-- name: {0}\n-- severity: error\n-- expect: = 1\n-- remedy: mend it\nSELECT 1\n"
BESIDE = {
    "release.toml": 'name = "shop"\ntitle = "Shop"\n',
    "0001_users/down.sql": "DROP TABLE users;\n",
    "checks/one.sql": CHECK.format("one"),
    "checks/pre/two.sql": CHECK.format("two"),
}


@pytest.fixture(scope="module")
def shop(server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Bring a release to where its migration may begin: everything passed, everybody approved."""
    root = tmp_path_factory.mktemp("digests")
    target = Database(server.conninfo("digests"))
    target.create(target.dbname)
    release = write_release(root / "release", FILES)
    for name, text in BESIDE.items():
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / name).write_text(text)
    try:
        with project(root, dict(target.parameters)) as made:
            settings = root / "environments.toml"
            settings.write_text(settings.read_text() + STRICT)
            prepared(made)
            yield made
    finally:
        target.drop(target.dbname)


def opened(shop: Project, phase: str) -> Run:
    return shop.run(shop.root / "release", phase)


def prepared(shop: Project) -> None:
    """Do everything that has to be done before the migration."""
    run = opened(shop, "prechecks")
    review_release(run)
    check_target(run)
    take_backup(opened(shop, "backup"))
    rehearse(opened(shop, "rehearsal"))
    if run.policy.approvals.roles:
        now = datetime.now(UTC)
        given = [Approval(role, name, now) for role, name in PEOPLE.items()]
        text = approvals_text(run.plan.digest, run.target.dbname, given)
        (run.directory.path / FILE).write_text(text)


SETTING = "environments.toml: {} was {} when the plan was approved and is {}"
CHANGES = {
    "a lock timeout": (
        "environments.toml",
        "timeout = 3.0",
        "timeout = 5.0",
        SETTING.format("policy.locks.timeout", "3.0", "5.0"),
    ),
    "a default": (
        "environments.toml",
        "tries = 1\n",
        "",
        SETTING.format("policy.locks.tries", "1", "10"),
    ),
    "who approves": (
        "environments.toml",
        '["DBA", "Lead"]',
        '["DBA"]',
        SETTING.format("policy.approvals.roles", '["DBA", "Lead"]', '["DBA"]'),
    ),
    "the confirmation": (
        "environments.toml",
        "confirm = true",
        "confirm = false",
        SETTING.format("policy.approvals.confirm", "true", "false"),
    ),
    "the split": (
        "environments.toml",
        "[test.policy.locks]",
        "[test.policy.indexes]\nconcurrent = false\n[test.policy.locks]",
        SETTING.format("policy.indexes.concurrent", "true", "false"),
    ),
    "a hook": (
        "environments.toml",
        "stop-shop",
        "start-shop",
        "environments.toml: application.stop was another when the plan was approved",
    ),
    "a new hook": (
        "environments.toml",
        "[test.application]",
        '[test.application]\nstart = ["true"]',
        "environments.toml: application.start was another when the plan was approved",
    ),
    "its time limit": (
        "environments.toml",
        "[test.application]",
        "[test.application]\ntime_limit = 7.0",
        SETTING.format("application.time_limit", "60.0", "7.0"),
    ),
    **{
        f"a byte of {name}": (
            f"release/{name}",
            text,
            f"{text}\n",
            f"the release: {name} was changed since the plan was approved",
        )
        for name, text in BESIDE.items()
    },
    "a migration": (
        "release/0002_orders/migration.sql",
        "int",
        "bigint",
        "the release: 0002_orders/migration.sql was changed since the plan was approved",
    ),
    "another down file": (
        "release/0002_orders/down.sql",
        "",
        "DROP TABLE orders;",
        "the release: 0002_orders/down.sql was added since the plan was approved",
    ),
    "another check": (
        "release/checks/three.sql",
        "",
        CHECK.format("three"),
        "the release: checks/three.sql was added since the plan was approved",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_after_the_approval_is_named_and_undone_it_counts_again(
    what: str, shop: Project
) -> None:
    name, old, new, said = CHANGES[what]
    approved = opened(shop, "migrate")
    path = shop.root / name
    before = path.read_text() if path.exists() else None
    path.write_text((before or "").replace(old, new, 1) if before else new)
    try:
        with pytest.raises(GateError) as caught:
            opened(shop, "migrate")
    finally:
        path.unlink() if before is None else path.write_text(before)
    void = re.escape("; this voids what was approved by Ann Onym (DBA, ")
    waits = re.escape(f"Migration waits for Prechecks of a new plan: {said}")
    who = rf"{waits}{void}.* UTC\) and Bo Oster \(Lead, .* UTC\)\."
    assert re.fullmatch(who, caught.value.message)
    assert caught.value.remedy is not None
    assert "the rehearsal" in caught.value.remedy
    with shop.target.connect() as session:
        assert session.value("SELECT to_regclass('users')") is None
    again = opened(shop, "migrate")
    assert (again.directory, again.plan) == (approved.directory, approved.plan)


def test_a_refusal_shows_the_bytes_that_changed_since_the_approval(shop: Project) -> None:
    path = shop.root / "release/0002_orders/migration.sql"
    before = path.read_text()
    approved = opened(shop, "migrate")
    path.write_text(before.replace("int", "bigint"))
    try:
        with pytest.raises(GateError) as caught:
            opened(shop, "migrate")
        shown = repr(card_of(caught.value, opened(shop, "brief")))
        edited = repr(card_of(caught.value, approved))  # its page was open all the while
    finally:
        path.write_text(before)
    for card in (shown, edited):
        assert "0002_orders/migration.sql:\n" in card
        assert "-lines 1 to 1 as they were planned" in card
        assert "+CREATE TABLE orders (id bigint PRIMARY KEY);" in card
        assert "0001_users" not in card
    assert "+CREATE" not in repr(card_of(caught.value, opened(shop, "migrate")))


def test_a_file_whose_text_was_not_kept_is_named_without_its_bytes(shop: Project) -> None:
    path = shop.root / "release/0001_users/down.sql"
    before, run = path.read_text(), opened(shop, "migrate")
    kept = run.directory.path / "release_lines.json"
    texts = kept.read_text()
    kept.unlink()
    path.write_text(f"{before}-- more\n")
    try:
        card = repr(card_of(GateError("It changed."), run))
    finally:
        path.write_text(before)
        kept.write_text(texts)
    assert "0001_users/down.sql:\n    It was changed; its lines as planned were not kept" in card


@pytest.mark.slow
def test_approvals_of_another_plan_are_refused_with_what_changed_since(shop: Project) -> None:
    path = shop.root / "environments.toml"
    before = path.read_text()
    run = opened(shop, "migrate")
    given = (run.directory.path / FILE).read_text()
    path.write_text(before.replace("timeout = 3.0", "timeout = 4.0"))
    try:
        prepared(shop)
        (run.directory.path / FILE).write_text(given)  # those of the plan before
        with pytest.raises(GateError) as caught:
            opened(shop, "migrate")
    finally:
        path.write_text(before)
        prepared(shop)
    change = SETTING.format("policy.locks.timeout", "3.0", "4.0")
    assert f"lacks the digest of this plan; {change}; this voids " in caught.value.message


def test_the_target_and_who_migrates_it_are_approved_with_the_plan(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**shop.target.parameters, "user": "another_dba"}
    with shop.target.connect() as session:
        session.execute("CREATE ROLE another_dba LOGIN SUPERUSER")
    try:
        with monkeypatch.context() as patch:
            url = " ".join(f"{key}='{value}'" for key, value in other.items())
            patch.setenv("RUNBOOK_TEST_URL", url)
            with pytest.raises(GateError, match=r"the target: user was .* and is another_dba"):
                opened(shop, "migrate")
    finally:
        with shop.target.connect() as session:
            session.execute("DROP ROLE another_dba")
    opened(shop, "migrate")


def test_a_hook_is_in_no_record_as_it_is_written(shop: Project) -> None:
    run = opened(shop, "migrate")
    texts = [path.read_text() for path in run.directory.path.rglob("*") if path.is_file()]
    assert "stop-shop" not in "".join(texts)
    stored = json.loads((run.directory.path / "plan.json").read_text())["settings"]
    assert stored["application.stop"].startswith("SHA-256 ")
