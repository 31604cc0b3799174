"""What is accepted in a run is read from its directory, beside what the release accepts."""

from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.evidence.acceptances import FILE, read_acceptances
from runbook_lib.release.model import Acceptance

TEXT = """# Talked over with the owner of the orders.
[[accept]]
rule = "deletes-rows"
migration = "0002_b"
object = "public.orders"
at_most = 12
reason = "test orders"
who = "N. N."
when = 2026-01-31T09:00:00Z
"""


def test_an_acceptance_of_a_run_is_read_with_its_place(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TEXT, encoding="utf-8")
    (found,) = read_acceptances(tmp_path)
    assert found == Acceptance(
        rule="deletes-rows",
        reason="test orders",
        migration="0002_b",
        object="public.orders",
        at_most=12,
        who="N. N.",
        when=datetime(2026, 1, 31, 9, tzinfo=UTC),
        path="acceptances.toml",
        line=3,
    )
    assert found.place == "acceptances.toml:3"


def test_without_a_file_nothing_is_accepted(tmp_path: Path) -> None:
    assert read_acceptances(tmp_path) == ()
