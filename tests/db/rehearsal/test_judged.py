"""What is an error of a release before any backup is what the server calls one, and all of it."""

import tomllib
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from runbook_lib.findings import DRY_RUN, Finding, Severity
from runbook_lib.postgres.connection import Connection
from tests.support.defects import migrating_role, project

CASES = tomllib.loads((Path(__file__).parents[2] / "data" / "judged.toml").read_text())
QUICK = {"if-exists-of-everything", "several-of-one-file", "rows-of-others"}


def _marked(name: str) -> object:
    return pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name)


@pytest.mark.parametrize("name", [_marked(name) for name in CASES])
def test_what_the_server_refuses_is_an_error_and_nothing_else(
    name: str, database: dict[str, str], connection: Connection, tmp_path: Path, shared_root: Path
) -> None:
    case = CASES[name]
    mover = migrating_role(connection, database)
    with mover if case.get("mover") else nullcontext(database["user"]) as role:
        before = case.get("before", "SELECT").replace("{role}", role)
        connection.execute(f"{before}; RESET ROLE")
        with project(tmp_path, {**database, "user": role}, shared_root) as shop:
            found = shop.reviewed(_written(tmp_path / "release", case["files"]))
    errors = [x for x in found if x.severity is Severity.ERROR and not x.follows]
    left = [x for x in found if x.phase == DRY_RUN and x.severity is Severity.WARNING]
    assert _places(errors) == sorted(case.get("errors", ()))
    assert _places(left) == sorted(case.get("left", ()))


def _written(release: Path, files: Mapping[str, str]) -> Path:
    release.mkdir()
    for name, text in files.items():
        (release / name).write_text(text, encoding="utf-8")
    return release


def _places(found: Iterable[Finding]) -> list[str]:
    return sorted(f"{x.place} {x.sqlstate or x.rule}".removeprefix("release/") for x in found)
