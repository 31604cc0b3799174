"""What a sequence handed out is read as it stands, called or not, and none falls behind another."""

import pytest

from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.sequences import Sequence, read_sequences
from runbook_lib.rollback.carry_forward import set_ahead
from tests.support.senders import unheard


@pytest.fixture
def sequences(connection: Connection) -> dict[str, Sequence]:
    connection.execute(
        """CREATE SEQUENCE fresh START 7;
        CREATE SEQUENCE used; SELECT setval('used', 50);
        CREATE SEQUENCE restarted; SELECT setval('restarted', 1000, false);
        CREATE SEQUENCE falling INCREMENT BY -2; SELECT setval('falling', -9);
        CREATE SEQUENCE lowest MINVALUE -9223372036854775808 START -9223372036854775808;
        CREATE SEQUENCE small MAXVALUE 10;
        CREATE SCHEMA "Odd one"; CREATE SEQUENCE "Odd one"."a.b"; SELECT nextval('"Odd one"."a.b"');
        CREATE TEMPORARY SEQUENCE passing"""
    )
    return {item.name: item for item in read_sequences(connection)}


def test_the_last_value_that_was_handed_out_is_known_before_any_is(
    sequences: dict[str, Sequence],
) -> None:
    assert {name: (item.last, item.count) for name, item in sequences.items()} == {
        "fresh": (6, 0),
        "used": (50, 50),
        "restarted": (999, 999),
        "falling": (-9, 5),
        "lowest": (-(2**63) - 1, 0),
        "small": (0, 0),
        "a.b": (1, 1),
    }


def test_what_would_be_handed_out_again_is_counted_in_steps(sequences: dict[str, Sequence]) -> None:
    fresh, used, falling = (sequences[name] for name in ("fresh", "used", "falling"))
    assert (fresh.behind(used), used.behind(fresh), used.behind(used)) == (44, 0, 0)
    assert sequences["restarted"].behind(used) == 0
    assert (used.behind(falling), falling.behind(used)) == (5, 50)


@pytest.mark.parametrize(
    ("here", "there", "then"),
    [
        ("used", "restarted", 999),
        ("restarted", "used", 999),
        ("a.b", "used", 50),
        ("small", "used", 0),
    ],
)
def test_none_is_set_back_nor_beyond_what_it_may_reach(
    connection: Connection, sequences: dict[str, Sequence], here: str, there: str, then: int
) -> None:
    set_ahead(connection, sequences[here], sequences[there], unheard())
    found = {item.name: item.last for item in read_sequences(connection)}
    assert found[here] == then


def test_one_that_may_not_be_read_is_not_spoken_of(
    connection: Connection, sequences: dict[str, Sequence]
) -> None:
    connection.execute(
        """CREATE ROLE runbook_counter; GRANT SELECT ON used TO runbook_counter;
        GRANT SELECT ON "Odd one"."a.b" TO runbook_counter; SET ROLE runbook_counter"""
    )
    try:
        assert [item.name for item in read_sequences(connection)] == ["used"]
    finally:
        connection.execute(
            "RESET ROLE; DROP OWNED BY runbook_counter CASCADE; DROP ROLE runbook_counter"
        )
    assert len(sequences) == 7
