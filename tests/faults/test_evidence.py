"""Where the evidence cannot be written nothing goes on, and nothing stays half done."""

from pathlib import Path

import pytest

from tests.support.faults.bench import MakeBench, Undisturbed
from tests.support.faults.scenarios import (
    APPLIED,
    BUILD,
    KEYS,
    NOTHING,
    PARTS,
    TAKEN_APART,
    WHOLE,
    Scenario,
)

SCENARIOS = {"whole": WHOLE, "parts": PARTS, "build": BUILD, "apart": TAKEN_APART, "keys": KEYS}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_without_room_for_the_first_line_nothing_is_done(
    scenario: Scenario, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    before = bench.state()
    bench.journal.path.symlink_to(Path("/dev/full"))
    ended = bench.run()
    assert (ended.code, ended.error) == (1, "EvidenceError")
    assert "No space left on device" in ended.said
    assert str(bench.position()) == NOTHING
    after = bench.state()
    assert (after.rows, after.fingerprint) == (before.rows, before.fingerprint)
    bench.journal.path.unlink()
    bench.completes(undisturbed(scenario))


# Lines are of 150 to 500 bytes: the limits let it fill up early, in the middle and late.
@pytest.mark.one_of_each("scenario")
@pytest.mark.parametrize("limit", [200, 700, 1500, 2500])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_journal_that_fills_up_stops_the_run_between_two_transactions(
    scenario: Scenario, limit: int, bench_of: MakeBench, undisturbed: Undisturbed
) -> None:
    bench = bench_of(scenario)
    ended = bench.run(file_limit=limit)
    assert (ended.code, ended.error) == (1, "EvidenceError")
    assert "journal.jsonl: The journal cannot be written: " in ended.said
    position, state = bench.position(), bench.state()
    if scenario is WHOLE:
        assert str(position).split(";")[0] in {APPLIED, NOTHING}
        assert bool(state.ledger) is position.applied
    logged = len(state.rows["public.log"])
    assert logged <= position.committed + 2 * position.applied + 1
    bench.completes(undisturbed(scenario))
