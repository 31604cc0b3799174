"""Other people's databases and releases: the end is psql's, or the target is untouched."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.rehearsal.world import base_of
from tests.support.cases import (
    Case,
    Stage,
    at,
    migrate_release,
    project,
    read_cases,
    rehearse_release,
    roll_release_back,
)
from tests.support.memory import MakeDirectory
from tests.support.servers import hurry


@pytest.fixture(scope="module")
def stages(in_memory: MakeDirectory) -> Iterator[tuple[Stage, Stage]]:
    """Run two servers of this worker's own, for cases act on the whole of a server."""
    with Sandbox(in_memory("case")) as target, Sandbox(in_memory("twin")) as twin:
        for sandbox in (target, twin):
            hurry(sandbox)
        yield Stage(target), Stage(twin)


@pytest.fixture(scope="module")
def clusters(in_memory: MakeDirectory) -> Path:
    """Return where this worker's rehearsals make their clusters, and nobody else's."""
    return in_memory("clusters")


@pytest.mark.one_of_each("case.kind")
@pytest.mark.parametrize("case", read_cases(), ids=lambda case: f"{case.kind}-{case.name}")
def test_a_case_ends_as_with_psql_or_leaves_all_as_it_was(
    case: Case, stages: tuple[Stage, Stage], tmp_path: Path, clusters: Path
) -> None:
    stage, twin = stages
    for each in stages:
        each.set_up(case)
    before = stage.state(case)
    release = stage.release(case, project(tmp_path, case, clusters))
    with at(tmp_path, stage.url(case)):
        try:
            rehearse_release(release)
            assert stage.state(case) == before, "a rehearsal touches nothing"
            if case.between:
                for each in stages:
                    each.psql(case.dbname, "-c", case.between)
                before = stage.state(case)
            migrate_release(release)
        except RunbookError as error:
            assert not case.completes, str(error)
            assert re.search(case.says, str(error)), str(error)
            assert stage.state(case) == before
            return
        finally:
            left = [*base_of(tmp_path).glob("cluster-*")]
            assert not left, "nothing of the copy is left on the disk"
        assert case.completes, "it completes"
        (tmp_path / "twin").mkdir()
        twin.apply(case, twin.release(case, tmp_path / "twin"))
        assert stage.state(case) == twin.state(case)
        if case.back or case.by:
            assert roll_release_back(case, release) == case.by or not case.by
            assert (stage.state(case) == before) == case.back
