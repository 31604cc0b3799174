"""Approvals that no honest record holds are refused, each with what is wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook_lib.config.policies import Approving, Policy
from runbook_lib.errors import GateError
from runbook_lib.evidence.approvals import FILE, Approval, approvals_text, check_approvals

DIGEST, DBNAME = "d" * 64, "shop"
NOW = datetime.now(UTC)
POLICY = replace(Policy(), approvals=Approving(confirm=True, roles=("DBA", "Lead")))
GOOD = (Approval("DBA", "Ann Onym", NOW), Approval("Lead", "Bo Oster", NOW))
ODD = {
    "still to come": (GOOD[0], Approval("Lead", "Bo Oster", NOW + timedelta(days=9000))),
    "approves as DBA and as Lead": (GOOD[0], Approval("Lead", " ann  ONYM ", NOW)),
    "stands there twice": (*GOOD, Approval("Lead", "Cy Prus", NOW)),
    "no role of the policy is called Boss": (*GOOD, Approval("Boss", "Cy Prus", NOW)),
}


def given(directory: Path, approvals: tuple[Approval, ...]) -> None:
    text = approvals_text(DIGEST, DBNAME, approvals)
    (directory / FILE).write_text(text, encoding="utf-8")
    check_approvals(directory, POLICY, DIGEST, DBNAME)


def test_what_two_people_gave_for_their_roles_is_enough(tmp_path: Path) -> None:
    given(tmp_path, GOOD)


@pytest.mark.parametrize("said", ODD)
def test_what_cannot_be_right_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(GateError, match=said):
        given(tmp_path, ODD[said])
