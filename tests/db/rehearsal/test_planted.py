"""A clean history is called clean; a defect planted anywhere into it is named, and no other."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from runbook_lib.findings import Finding, Severity
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from tests.support.defects import Project, migrating_role, project
from tests.support.releases import write_release
from tests.support.servers import database_on

PLANTED = tomllib.loads((Path(__file__).parents[2] / "data" / "planted.toml").read_text())
HISTORY, KINDS = PLANTED["history"], PLANTED["kind"]
PLACES = ("first", "middle", "last")
Said = set[tuple[str, int, str]]
"""File, line and SQLSTATE."""


@pytest.fixture(scope="module")
def target(server: Sandbox) -> Iterator[dict[str, str]]:
    """Make the library, for a role which owns the database and is no superuser; none changes it."""
    with (
        database_on(server) as made,
        Database(made).connect() as connection,
        migrating_role(connection, made) as role,
    ):
        connection.execute(PLANTED["before"].replace("{role}", role))
        yield {**made, "user": role}


@pytest.fixture
def library(target: dict[str, str], tmp_path: Path, shared_root: Path) -> Iterator[Project]:
    with project(tmp_path, target, shared_root) as made:
        yield made


def planted(*defects: tuple[str, int]) -> tuple[dict[str, str], Said]:
    """Return the files with these defects, each a kind and a place, and what is to be said."""
    files, said = dict(HISTORY), set()
    for name, place in defects:
        kind = KINDS[name]
        file, state = kind["at"][place], kind["says"]
        line = files[file].count("\n") + 1 + kind.get("line", (0, 0, 0))[place]
        files[file] += f"{kind['sql'][place]}\n"
        state = state if isinstance(state, str) else state[place]
        said.add((f"release/{file}/migration.sql", line, state))
    return files, said


def found(library: Project, files: Mapping[str, str]) -> tuple[Finding, ...]:
    return library.reviewed(write_release(library.root / "release", files))


def own(found: tuple[Finding, ...]) -> Said:
    """Return what is an error by itself."""
    errors = (x for x in found if x.severity is Severity.ERROR and not x.follows)
    return {(item.path, item.line, item.sqlstate) for item in errors}


def test_the_history_is_clean_and_asks_for_nothing_to_be_accepted(library: Project) -> None:
    assert [item for item in found(library, HISTORY) if item.blocks] == []


def test_twelve_defects_of_twelve_kinds_are_named_in_one_go(library: Project) -> None:
    files, said = planted(*((name, number % 3) for number, name in enumerate(KINDS)))
    named = found(library, files)
    assert own(named) == said
    assert len(said) == len(KINDS) == 12
    assert all(x.cause and x.effect and x.remedy for x in named)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(3), ids=PLACES)
@pytest.mark.parametrize("name", KINDS)
def test_a_defect_is_named_wherever_it_stands(library: Project, name: str, place: int) -> None:
    files, said = planted((name, place))
    assert own(found(library, files)) == said
