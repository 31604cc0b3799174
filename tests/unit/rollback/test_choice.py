"""What a way would lose is accepted by a code that holds for it as it is counted now."""

import ast

import pytest

from runbook_lib.errors import GateError
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.rollback import losses
from runbook_lib.rollback.attempt import IN_PLACE, RESTORE, REVERT
from runbook_lib.rollback.choice import Choice, Option
from runbook_lib.rollback.diagnosis import Diagnosis

ODD = {'public."a "" quote\nand é more".c': 3, "public.notes": 1200}


def choice(**asked: dict[str, int]) -> Choice:
    """Return the choice of a run that made a table, where ways lose what is given."""
    loses = {way: asked.get(way.replace(" ", "_"), {}) for way in (REVERT, RESTORE, IN_PLACE)}
    unproven = {RESTORE: "not tried", REVERT: "", IN_PLACE: ""}
    ways = {way: Option(way, unproven=unproven[way], loses=loses[way]) for way in loses}
    empty = Snapshot({})
    seen = Diagnosis(empty, empty, set(), frozenset({"table public.t"}), (), (), (), (), (), (), {})
    return Choice(seen, (), ways)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"public.a": 52_000, "public.b": 165}, "52,165 rows of 2 tables"),
        ({"public.a": 1}, "1 row of 1 table"),
        ({"public.a": 2, 'public.a."x.y"': 1}, "2 rows of 1 table, 1 value of 1 column"),
        ({"sequence public.s": 40, "large objects": 2}, "1 sequence, 2 large objects"),
    ],
)
def test_how_much_it_is_in_all_is_said_in_the_words_of_the_server(
    counts: dict[str, int], said: str
) -> None:
    assert losses.total(counts) == said


def test_a_code_holds_for_one_way_and_all_its_names_with_their_counts() -> None:
    code = losses.code(REVERT, ODD, {})
    assert code == losses.code(REVERT, dict(reversed(ODD.items())), {})
    others = [
        losses.code(IN_PLACE, ODD, {}),
        losses.code(REVERT, {}, ODD),
        losses.code(REVERT, {**ODD, "public.notes": 1201}, {}),
        losses.code(
            REVERT, {"public.noted" if x == "public.notes" else x: ODD[x] for x in ODD}, {}
        ),
    ]
    assert code not in others
    one, other = {"public.a": 1, "public.b": 2}, {"public.a": 2, "public.b": 1}
    assert losses.code(REVERT, one, {}) != losses.code(REVERT, other, {})
    assert losses.code(REVERT, {}, {}) == ""


def test_what_is_printed_to_accept_is_a_line_of_python_whatever_the_names_are() -> None:
    with pytest.raises(GateError) as refused:
        choice(revert=ODD).chosen(REVERT, "")
    line = refused.value.remedy.partition("accept it: ")[2].removesuffix(".")
    (assignment,) = ast.parse(line).body
    assert isinstance(assignment, ast.Assign)
    assert ast.literal_eval(assignment.value) == losses.code(REVERT, ODD, {})


def test_a_code_names_its_way_and_is_refused_once_the_counts_are_others() -> None:
    counted = {"public.notes": 3}
    was, now = losses.code(REVERT, counted, {}), losses.code(REVERT, {"public.notes": 4}, {})
    assert choice(revert=counted, in_place=ODD).chosen("", was) == REVERT
    assert choice(revert=ODD, in_place=counted).chosen("", losses.code(IN_PLACE, counted, {}))
    later = choice(revert={"public.notes": 4})
    for way in (REVERT, ""):
        with pytest.raises(GateError, match=f"is not what .*{was}|{was}.* is not what") as refused:
            later.chosen(way, was)
        assert f'accept = "{now}"' in refused.value.remedy
    assert choice().chosen(REVERT, was) == REVERT, "what loses nothing any more needs no code"


def test_the_largest_losses_are_named_first_and_the_others_counted() -> None:
    counts = {f"public.t{n}": n for n in range(1, 9)}
    said = losses.named({**counts, "public.big": 2000})
    assert said.startswith("public.big (2,000), public.t8 (8), public.t7 (7)")
    assert said.endswith("and 4 more")
