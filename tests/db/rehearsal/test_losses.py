"""What a release takes from older tables is counted, whatever does it; what it does not is not."""

from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import GateError
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Loss, Outcome
from runbook_lib.postgres.connection import Database
from runbook_lib.release.model import Acceptance
from tests.support.losses import Case, read_losses, rehearsing
from tests.support.snapshots import state

pytestmark = pytest.mark.xdist_group("losses")  # the pristine copy has one name on a server
QUICK = {"delete-that-cascades", "rename-swap-of-most", "numeric-narrowed", "made-partitioned"}
LOST, KEPT = read_losses("lost"), read_losses("kept")


def cases(found: dict[str, Case]) -> list[Any]:
    """Return cases as parameters: a few are quick to run, the others slow."""
    return [
        pytest.param(case, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, case in found.items()
    ]


def said(loss: Loss) -> str:
    return f"{loss.rule} {loss.object} {loss.count} of {loss.rows}"


@pytest.mark.parametrize("case", cases(LOST))
def test_what_is_lost_is_counted_and_one_more_row_stops_it_on_the_target(
    target: Database, journal: Journal, tmp_path: Path, case: Case
) -> None:
    with rehearsing(target, journal, tmp_path, case) as rehearsed:
        assert sorted(map(said, rehearsed.losses)) == case["lost"]
        if "more" not in case:
            return
        with rehearsed.target() as there:
            with there.connect() as connection:
                connection.execute(case["more"])
                before = state(connection)
                with pytest.raises(GateError, match="no more is accepted"):
                    rehearsed.apply(there)
                assert state(connection) == before
            accepts = [
                Acceptance(item.rule, "it may", object=item.object, at_most=item.count + 1)
                for item in rehearsed.losses
            ]
            assert rehearsed.apply(there, *accepts) is Outcome.DONE


@pytest.mark.parametrize("case", cases(KEPT))
def test_what_only_looks_like_a_loss_is_none_and_goes_to_the_target(
    target: Database, journal: Journal, tmp_path: Path, case: Case
) -> None:
    with rehearsing(target, journal, tmp_path, case) as rehearsed:
        assert rehearsed.losses == ()
        with rehearsed.target() as there:
            assert rehearsed.apply(there) is Outcome.DONE


def test_as_many_rows_as_were_rehearsed_go_to_the_target(
    target: Database, journal: Journal, tmp_path: Path
) -> None:
    with (
        rehearsing(target, journal, tmp_path, LOST["truncate"]) as rehearsed,
        rehearsed.target() as there,
    ):
        assert rehearsed.apply(there) is Outcome.DONE


def test_what_is_dropped_on_the_target_alone_stops_it(
    target: Database, journal: Journal, tmp_path: Path
) -> None:
    drop = "IF EXISTS (SELECT FROM log WHERE n > 90) THEN DROP TABLE log; END IF;"
    case = {"sql": f"DO $$ BEGIN {drop} END $$"}
    with rehearsing(target, journal, tmp_path, case) as rehearsed, rehearsed.target() as there:
        with there.connect() as connection:
            connection.execute("INSERT INTO log VALUES (99, 'x')")
        with pytest.raises(GateError, match=r"public\.log, as never rehearsed"):
            rehearsed.apply(there)


def test_of_a_large_table_that_is_written_anew_a_sample_is_compared_and_said_so(
    target: Database, journal: Journal, tmp_path: Path
) -> None:
    case = {
        "setup": "CREATE TABLE big AS SELECT g AS id, 'v' AS v FROM generate_series(1, 6400) g;"
        "ALTER TABLE big ADD PRIMARY KEY (id)",
        "sql": "ALTER TABLE big ALTER id TYPE bigint; DELETE FROM big WHERE id <= 640;"
        "UPDATE big SET v = 'x' WHERE id % 2 = 0; UPDATE item SET name = 'x' WHERE id = 1",
    }
    with rehearsing(target, journal, tmp_path, case) as rehearsed:
        losses, sampled = rehearsed.pristine.losses(whole=0)
    found = {item.object: item.count for item in losses}
    assert sampled == ("public.big",)
    assert found.keys() == {"public.big", "public.big.v", "public.item.name"}
    assert found["public.big"] >= 640
    assert 1500 < found["public.big.v"] < 4500
    assert found["public.item.name"] == 1


def test_rows_of_the_traffic_stop_no_rewrite_beside_a_counted_delete(
    target: Database, journal: Journal, tmp_path: Path
) -> None:
    case = {
        "setup": "DELETE FROM part",
        "sql": "DELETE FROM item WHERE id <= 2; ALTER TABLE item ALTER name TYPE varchar(90)",
    }
    with rehearsing(target, journal, tmp_path, case) as rehearsed, rehearsed.target() as there:
        with there.connect() as connection:
            connection.execute("INSERT INTO item SELECT 900 + g FROM generate_series(1, 9) g")
        assert rehearsed.apply(there) is Outcome.DONE
