"""What a card says of an act that stopped is what the server and the journal say."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import apply_step, chart_migration, chart_traffic
from runbook_lib.errors import RunbookError, StatementError
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.card import Card
from runbook_lib.notebook.failure import card_of
from runbook_lib.postgres.connection import Connection
from tests.support.defects import Project, project
from tests.support.releases import write_release

FILES = {
    "0001_notes": "ALTER TABLE notes ADD body text;\nALTER TABLE notes ADD title text;",
    "0002_half": """-- Each of these is a transaction.
CREATE TABLE made (id int);
CREATE INDEX CONCURRENTLY notes_id ON notes (id);
INSERT INTO made VALUES (1);
SELECT id FROM missing WHERE secret = 'PASSWORD ''hunter2''';
SELECT 'behind it';
""",
}
PATIENT = "\n[test.policy.locks]\ntimeout = 1.0\ntries = 1\n"


@pytest.fixture
def shop(database: dict[str, str], connection: Connection, tmp_path: Path) -> Iterator[Project]:
    connection.execute("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1), (2)")
    write_release(tmp_path / "release", FILES)
    with project(tmp_path, database) as made:
        settings = tmp_path / "environments.toml"
        settings.write_text(settings.read_text() + PATIENT)
        yield made


def opened(shop: Project) -> Run:
    """Open the run for the migration, which here waits for nothing."""
    return replace(shop.run(shop.root / "release", "run"), phase="migrate")


def stopped(run: Run, kind: type[RunbookError] = StatementError) -> Card:
    """Apply the next step, which fails, and return its card."""
    with pytest.raises(kind) as caught:
        apply_step(run)
    card = card_of(caught.value, run)
    assert card is not None
    return card


def said(card: Card, name: str) -> str:
    return "\n".join(line for part in card.parts if part.name == name for line in part.lines)


def test_a_lock_timeout_names_who_held_the_lock_and_what_can_be_done(
    shop: Project, connection: Connection
) -> None:
    run = opened(shop)
    connection.set({"application_name": "the shop"})
    with connection.transaction():
        connection.execute("UPDATE notes SET id = 3 WHERE id = 4711")
        card = stopped(run)
    way = said(card, "Who is in the way")
    assert f"pid {connection.pid} (" in way
    assert "the shop" in way
    assert "now: idle in transaction" in way
    assert "UPDATE notes SET id = $1 WHERE id = $2" in way
    assert "4711" not in repr(card)
    assert f"SELECT pg_terminate_backend({connection.pid})" in way
    assert "no part of 0001_notes is applied" in said(card, "What is in")
    assert "Wait until it is free" in said(card, "What to do")


def test_a_blocker_that_is_at_work_may_be_cancelled(shop: Project, connection: Connection) -> None:
    run, locked = opened(shop), threading.Event()

    def hold() -> None:
        with suppress(StatementError), connection.transaction():
            connection.execute("LOCK TABLE notes IN ROW EXCLUSIVE MODE")
            locked.set()
            connection.execute("SELECT pg_sleep(60)")

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(5)
    card = stopped(run)
    connection.cancel()
    holder.join()
    assert f"SELECT pg_cancel_backend({connection.pid})" in said(card, "Who is in the way")


def test_a_file_that_failed_in_the_middle_says_what_is_in_and_shows_its_lines(
    shop: Project,
) -> None:
    run = opened(shop)
    apply_step(run)
    card = stopped(run)
    assert said(card, "Where").endswith("0002_half/migration.sql:5 (SQLSTATE 42P01)")
    there = said(card, "The file there").splitlines()
    assert [line[:8] for line in there if line.startswith(">")] == [">     5 "]
    assert there[0].endswith("CREATE TABLE made (id int);")
    assert "hunter2" not in repr(card) + card._repr_html_()
    stands = said(card, "What is in")
    assert "3 of 5 transactions of 0002_half are committed" in stands
    assert (
        "of its 5 statements 3 are committed, and 0 that had been done were rolled back" in stands
    )
    assert "90_rollback.ipynb" in said(card, "What to do")


def test_a_file_that_is_one_transaction_is_rolled_back_as_a_whole(
    shop: Project, connection: Connection
) -> None:
    connection.execute("ALTER TABLE notes ADD title text")
    card = stopped(opened(shop))
    assert "of its 2 statements 0 are committed, and 1 that had been done were" in repr(card)
    assert "90_rollback" not in repr(card)


def test_a_server_that_does_not_answer_leaves_unknown_what_is_in(shop: Project) -> None:
    run = opened(shop)
    apply_step(run)
    gone = replace(run, database=run.database.having(port="1"))
    card = card_of(StatementError("It failed.", sqlstate="42P01"), gone)
    assert card is not None
    assert said(card, "What is in").startswith("not known: ")


def test_both_forms_of_a_card_say_the_same(shop: Project) -> None:
    run = opened(shop)
    apply_step(run)
    card = stopped(run)
    page = card._repr_html_()
    assert "<style" not in page
    for part in card.parts:
        assert part.name in page
        assert part.name in repr(card)


def test_what_stopped_is_not_drawn(shop: Project) -> None:
    run = opened(shop)
    apply_step(run)
    assert "ran for" in repr(chart_traffic(run))
    stopped(run)
    for chart in (chart_traffic, chart_migration):
        assert repr(chart(run)) == "0002_half stopped: what it took is not drawn"
