"""A way back refuses before it stops the application, is gone once, and says what is left to do."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import (
    apply_step,
    carry_forward,
    check_target,
    choose_way,
    drop_kept_database,
    rehearse,
    review_release,
    roll_back,
    show_carry,
    show_losses,
    show_ways,
    start_application,
    stop_application,
    take_backup,
)
from runbook_lib.backup.archive import swap
from runbook_lib.errors import GateError, RunbookError, TargetError
from runbook_lib.evidence.run import Run
from runbook_lib.notebook import buttons, rollback
from runbook_lib.notebook.show import Table
from runbook_lib.notebook.ways import Card, Ways
from runbook_lib.postgres.connection import SQL, Connection, Literal
from runbook_lib.redaction import keep_secret
from runbook_lib.rollback import in_place, restore
from tests.support.defects import Project, project
from tests.support.releases import write_release

HOOKS = """
[test.application]
stop = ["touch stopped"]
start = ["mv stopped started"]
"""
ACCOUNTS = """CREATE TABLE account (id int PRIMARY KEY, amount int);
INSERT INTO account SELECT n, n FROM generate_series(1, 100) n;
CREATE TABLE part (id int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (10);
"""
CENTS = "ALTER TABLE account ADD currency text; UPDATE account SET amount = amount * 100;"
WATCHED = """CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION seen()"""
HELD = "what is there cannot be moved aside because of event trigger watch"
PROVEN = "proven: in the rehearsal it returned to the start"
DETACHED = "ALTER TABLE part DETACH PARTITION part_1; ALTER TABLE part_1 RENAME TO old;"


@pytest.fixture
def shop(
    database: dict[str, str], connection: Connection, tmp_path: Path, shared_root: Path
) -> Iterator[Project]:
    """Make a project whose application is stopped and started by files."""
    connection.execute(ACCOUNTS)
    connection.close()
    with project(tmp_path, database, shared_root) as made:
        settings = tmp_path / "environments.toml"
        settings.write_text(settings.read_text() + HOOKS)
        yield made
        with made.target.maintenance().connect() as session:
            names = session.rows("SELECT datname FROM pg_database")
        for row in names:
            if row["datname"].startswith(f"{made.target.dbname}_"):
                made.target.drop(row["datname"])


def applied(shop: Project, sql: str) -> Path:
    """Take a release through its run, and return its directory."""
    release = write_release(shop.root / "release", {"0001_a": sql})
    take_through(shop, release)
    return release


def take_through(shop: Project, release: Path) -> None:
    run = shop.run(release, "prechecks")
    review_release(run)
    check_target(run)
    take_backup(shop.run(release, "backup"))
    rehearse(shop.run(release, "rehearsal"))
    apply_step(shop.run(release, "migrate"))


def cards(run: Run) -> Sequence[Card]:
    ways = show_ways(run)
    assert isinstance(ways, Ways)
    return ways.cards


def sum_of(shop: Project) -> int:
    with shop.target.connect() as session:
        found: int = session.value("SELECT sum(amount) FROM account")
    return found


def rolled_back(run: Run, way: str = "", accept: str = "", *, carry: bool = False) -> str:
    """Do what 90_rollback does; return what its rollback said."""
    name = run.target.dbname
    choose_way(run, name, way, accept)
    stop_application(run, name, carry, way)
    said = roll_back(run, name, way, accept).caption
    show_carry(run)
    carry_forward(run, carry)
    start_application(run, name)
    return said


def test_a_rollback_that_was_carried_out_is_not_carried_out_again(shop: Project) -> None:
    release = applied(shop, CENTS)
    with shop.target.connect() as session:
        session.execute("INSERT INTO account VALUES (101, 7)")
    run = shop.run(release, "rollback")
    (revert, beside, _) = cards(run)
    assert revert.option.stays == {"public.account": 100}
    assert (beside.proposed, beside.standing) == (True, PROVEN)
    assert beside.takes.endswith(" in the rehearsal")
    with pytest.raises(GateError, match=r"as the release changed it: public\.account \(100\)"):
        choose_way(run, run.target.dbname, "revert")
    assert rolled_back(run).startswith("Rolled back, and compared")
    assert sum_of(shop) == 5050
    with shop.target.connect() as session:
        session.execute("INSERT INTO account VALUES (102, 1)")

    again = shop.run(release, "rollback")
    kept = again.recorded("rollback")["rollback"]["kept_as"]  # type: ignore[index]
    assert rolled_back(again, carry=True).startswith("The run was rolled back already")
    assert sum_of(shop) == 5050 + 1 + 7, "a row of each database"
    assert kept in repr(show_ways(again))
    with shop.target.connect() as session:
        session.execute("DELETE FROM account WHERE id = 101")
    assert "carried already" in carry_forward(again, True).caption
    assert sum_of(shop) == 5051

    with pytest.raises(GateError, match=f"Set drop_kept to {kept}"):
        drop_kept_database(again, shop.target.dbname)
    drop_kept_database(again, kept)
    with shop.target.connect() as session:
        assert not restore.exists(session, kept)
    left = show_ways(again)
    assert isinstance(left, Table)
    assert left.rows == []


def test_losses_are_accepted_by_their_code_while_the_counts_are_those(shop: Project) -> None:
    release = applied(shop, "CREATE TABLE extra (id int); CREATE TABLE idle (a int)")
    run, said = shop.run(release, "rollback"), list[str]()
    for _ in range(2):
        with shop.target.connect() as session:
            session.execute("INSERT INTO extra VALUES (1)")
        with pytest.raises(
            GateError, match=r"lose what was written since: public\.extra"
        ) as refused:
            choose_way(run, run.target.dbname, "revert")
        said += re.findall(r'accept = "(.*)"', refused.value.remedy)
    assert [(row["table"], row["rows now"]) for row in show_losses(run).rows] == [
        ("public.extra", 2),
        ("1 empty table made since", 0),
    ]
    was, now = said
    assert (was[:18], now[:19]) == ("1 row of 1 table: ", "2 rows of 1 table: ")
    with pytest.raises(GateError, match=rf'"{was}" is not what .* now it is accept = "{now}"'):
        rolled_back(run, "revert", was)
    assert not (shop.root / "stopped").exists()
    assert rolled_back(run, "", now).startswith("Reverted")


def test_at_a_screen_buttons_carry_the_rows_and_start_the_application(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = applied(shop, CENTS)
    with shop.target.connect() as session:
        session.execute("INSERT INTO account VALUES (101, 7)")
    run = shop.run(release, "rollback")
    monkeypatch.setenv("JPY_SESSION_NAME", str(shop.root / "90_rollback.ipynb"))
    choose_way(run, run.target.dbname, "restore")
    stop_application(run, run.target.dbname, way="restore")
    roll_back(run, run.target.dbname, "restore")
    boxes = list[Any]()
    monkeypatch.setattr(buttons, "show", boxes.append)
    assert "by the button" in start_application(run, "").caption
    assert "the button inserts" in carry_forward(run, False).caption
    assert (sum_of(shop), (shop.root / "started").exists()) == (5050, False)
    start, carry = (box.children[0] for box in boxes)
    carry.click()
    assert sum_of(shop) == 5057
    start.click()
    assert (shop.root / "started").exists()
    assert (start.disabled, carry.disabled) == (True, True)


def test_rows_to_decide_are_shown_by_key_and_all_listed_in_a_private_file(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, shown = 'say "friend" 4711', list[Table]()
    with shop.target.connect() as session:
        session.execute("CREATE TABLE door (word text PRIMARY KEY)")
        session.execute(SQL("INSERT INTO door VALUES ({})").format(Literal(secret)))
    release = applied(shop, CENTS)
    with shop.target.connect() as session:
        session.execute("DELETE FROM door")
    run = shop.run(release, "rollback")
    keep_secret(secret)
    roll_back(run, run.target.dbname, "restore")
    monkeypatch.setattr(rollback, "show", shown.append)
    show_carry(run)
    (table,) = shown
    assert "101 rows for a person to decide; all are in runs/test/" in table.caption
    assert (len(table.rows), table.rows[0]["key"]) == (20, "id=1")
    path = run.directory.path / "90_rows_to_decide.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = path.read_text().splitlines()
    assert (len(lines), lines[:2]) == (102, ["table,key,what", "public.account,id=1,other values"])
    assert lines[-1].startswith("public.door,")
    assert "friend" not in "".join(lines)


def test_what_would_fail_is_refused_before_the_application_is_stopped(shop: Project) -> None:
    release = applied(shop, DETACHED)
    run = shop.run(release, "rollback")
    name = run.target.dbname
    with pytest.raises(GateError, match="The way 'revert' is not possible"):
        rolled_back(run, "revert")
    backup = run.backup()
    assert backup is not None
    backup.path.rename(shop.root / "elsewhere")
    with pytest.raises(GateError, match="backup of this run is gone"):
        rolled_back(run)
    assert not (shop.root / "stopped").exists()

    stop_application(run, name)
    with pytest.raises(GateError, match="The application was started again"):
        roll_back(run, name)
    assert (shop.root / "started").exists()
    (shop.root / "elsewhere").rename(backup.path)
    assert rolled_back(run).startswith("Rolled back")
    assert (shop.root / "started").exists()


def test_where_nothing_is_to_be_rolled_back_the_application_goes_on(shop: Project) -> None:
    release = write_release(shop.root / "release", {"0001_a": CENTS})
    for phase, act in (("prechecks", review_release), ("prechecks", check_target)):
        act(shop.run(release, phase))
    take_backup(shop.run(release, "backup"))
    run = shop.run(release, "rollback")
    assert rolled_back(run).startswith("There is nothing to roll back")
    assert not {item.name for item in shop.root.iterdir()} & {"stopped", "started"}
    assert rolled_back(run, "restore").startswith("Rolled back")
    assert (shop.root / "started").exists()


@pytest.mark.slow
def test_a_swap_whose_answer_is_lost_is_read_back(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = applied(shop, CENTS)

    def lost(*args: object) -> None:
        swap(*args)  # type: ignore[arg-type]
        raise TargetError("The connection to the server was lost: in COMMIT.")

    monkeypatch.setattr(restore, "swap", lost)
    assert rolled_back(shop.run(release, "rollback")).startswith("Rolled back")
    assert sum_of(shop) == 5050


@pytest.mark.slow
def test_a_way_that_was_not_rehearsed_is_not_proposed(shop: Project) -> None:
    release = applied(shop, "CREATE TABLE notes (id int)")
    run = shop.run(release, "rollback")
    (run.directory.path / "rehearsal.json").unlink()
    assert {card.standing for card in cards(run)} == {
        "not proven: the rehearsal of this plan did not carry it out"
    }
    with pytest.raises(RunbookError, match="No way back is proven"):
        choose_way(run, run.target.dbname)
    assert rolled_back(run, "revert").startswith("Reverted")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["restore", "in place"])
def test_a_rollback_that_was_killed_before_its_record_is_known_by_the_next_start(
    shop: Project, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    release = applied(shop, "ALTER TABLE account ADD currency text; CREATE TABLE extra (id int);")
    run = shop.run(release, "rollback")
    name = run.target.dbname
    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            roll_back(run, name, way)
    again = shop.run(release, "rollback")
    assert again.passed("rollback")
    assert roll_back(again, name).caption.startswith("The run was rolled back already")
    assert sum_of(shop) == 5050


def _cut_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_restore_in_place_that_was_killed_midway_is_the_one_way_that_is_left(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = applied(shop, CENTS)
    run = shop.run(release, "rollback")
    with monkeypatch.context() as patch:
        patch.setattr(in_place, "run_restore", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            roll_back(run, run.target.dbname, "in place")
    again = shop.run(release, "rollback")
    refused = [card.option.refused[:37] for card in cards(again)]
    assert refused == [*["a restore in place has to be finished"] * 2, ""]
    assert rolled_back(again).startswith("Restored in place")
    assert sum_of(shop) == 5050


@pytest.mark.slow
def test_what_holds_a_restore_in_place_refuses_it_before_the_application_is_stopped(
    shop: Project,
) -> None:
    with shop.target.connect() as session:
        session.execute(WATCHED)
    release = applied(shop, "ALTER TABLE account ADD currency text")
    run = shop.run(release, "rollback")
    *_, in_place_card = cards(run)
    assert in_place_card.standing == f"not possible: {HELD}"
    with pytest.raises(GateError, match=HELD):
        choose_way(run, run.target.dbname, "in place", "")
    assert not (shop.root / "stopped").exists()


@pytest.mark.slow
def test_asking_twice_does_not_undo_an_earlier_release_that_was_signed_off(shop: Project) -> None:
    release = applied(shop, "CREATE TABLE first (id int)")
    shop.run(release, "rollback").record(True, {}, "80_signoff")
    (release / "0002_b").mkdir()
    (release / "0002_b" / "migration.sql").write_text("CREATE TABLE second (id int)")
    shop.run(release, "brief")
    take_through(shop, release)
    later = shop.run(release, "rollback")
    assert rolled_back(later).startswith("Reverted")
    again = shop.run(release, "rollback")
    assert again.directory == later.directory
    assert rolled_back(again).startswith("The run was rolled back already")
    with shop.target.connect() as session:
        assert session.value("SELECT to_regclass('first') IS NOT NULL")
