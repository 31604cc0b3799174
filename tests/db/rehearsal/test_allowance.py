"""What was counted as lost blocks, unless it is accepted by name, and at most so much of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.run import Run
from runbook_lib.findings import Finding
from runbook_lib.hazards.data_loss import find_losses
from runbook_lib.hazards.rules import Facts, TableFacts
from runbook_lib.postgres.connection import Database
from runbook_lib.rehearsal.allowance import Allowance
from runbook_lib.rehearsal.rehearse import Rehearsal, rehearse
from runbook_lib.rehearsal.verdict import all_findings
from runbook_lib.release.model import Acceptance
from tests.support.releases import migration_of
from tests.support.snapshots import SHOP, back_up
from tests.support.worlds import run_of

CASCADE = """
ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;
ALTER TABLE orders ADD CONSTRAINT own FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
DELETE FROM users WHERE id <= 2;
DELETE FROM users WHERE id < 0;
UPDATE users SET name = name;
UPDATE users SET name = 'x' WHERE id = 3;
"""


@pytest.fixture(scope="module")
def seen(
    shared: Database, shared_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, Backup, Rehearsal]:
    """Rehearse one file that deletes 2 users, so 5 orders, and changes one name."""
    directory = tmp_path_factory.mktemp("allowance")
    with shared.connect() as connection:
        connection.execute(SHOP)
    backup = back_up(shared, directory / "backups")
    journal = Journal(directory / "journal.jsonl")
    run = run_of(shared, shared_root, journal, migration_of(directory, CASCADE))
    return run, backup, rehearse(run, backup, journal.emit)


def found(
    seen: tuple[Run, Backup, Rehearsal], *accepts: Acceptance
) -> dict[tuple[str, str], Finding]:
    run, backup, rehearsal = seen
    release = replace(run.release, accepts=accepts)
    findings = all_findings(replace(run, release=release), rehearsal, backup)
    return {(item.rule, item.object): item for item in findings if item.object}


def test_what_is_gone_blocks_with_its_count_wherever_it_was(
    seen: tuple[Run, Backup, Rehearsal],
) -> None:
    items = found(seen)
    users, orders = (items["deletes-rows", f"public.{name}"] for name in ("users", "orders"))
    assert (users.blocks, orders.blocks) == (True, True)
    assert "2 of 20 rows" in users.cause
    assert "5 of 50 rows" in orders.cause
    changed = items["changes-rows", "public.users.name"]
    assert not changed.blocks
    assert "1 of 20 rows" in changed.cause


@pytest.mark.parametrize(
    ("of", "at_most", "blocks"),
    [
        ("public.orders", 5, False),
        ("orders", None, False),
        ("public.orders", 4, True),
        ("public.users", 9, True),
    ],
)
def test_it_is_accepted_by_name_and_at_most_so_much(
    seen: tuple[Run, Backup, Rehearsal], of: str, at_most: int | None, blocks: bool
) -> None:
    accept = Acceptance("deletes-rows", "they are test users", object=of, at_most=at_most)
    item = found(seen, accept)["deletes-rows", "public.orders"]
    assert item.blocks is blocks
    assert ("at most 4 are accepted" in item.cause) is (at_most == 4)


def test_a_change_of_more_than_is_accepted_blocks(seen: tuple[Run, Backup, Rehearsal]) -> None:
    accept = Acceptance("changes-rows", "none of them", object="users.name", at_most=0)
    assert found(seen, accept)["changes-rows", "public.users.name"].blocks


def test_a_cascade_stands_with_the_delete_that_it_came_of(
    seen: tuple[Run, Backup, Rehearsal],
) -> None:
    run, _, rehearsal = seen
    old = {f"public.{name}": TableFacts(9, 8192, {"id": "int"}) for name in ("users", "orders")}
    read = find_losses(run.release.migrations, Facts(17, old, {}), ())
    items = list(Allowance(run, rehearsal, read).findings())
    assert {item.line for item in items if item.rule == "deletes-rows" and item.blocks} == {4}


def test_what_reading_expects_and_the_server_does_not_do_blocks_no_more(
    seen: tuple[Run, Backup, Rehearsal],
) -> None:
    run, _, rehearsal = seen
    old = {"public.users": TableFacts(9, 8192, {"id": "int"})}
    read = find_losses(run.release.migrations, Facts(17, old, {}), ())
    lossless = replace(rehearsal, losses=())
    assert any(item.blocks for item in read)
    assert not any(item.blocks for item in Allowance(run, lossless, read).findings())
    uncounted = replace(rehearsal, losses=None)
    assert any(item.blocks for item in Allowance(run, uncounted, read).findings())
