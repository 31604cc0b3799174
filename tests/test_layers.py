"""The contracts of the layers hold, and an import upwards breaks them."""

import shutil
from pathlib import Path

import pytest

from tests.support.projects import REPOSITORY, command


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the library with its contracts, to be broken."""
    shutil.copytree(REPOSITORY / "runbook_lib", tmp_path / "runbook_lib")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def said(directory: Path) -> tuple[int, str]:
    done = command("lint-imports", "--no-cache", cwd=directory, env={"PYTHONPATH": str(directory)})
    return done.returncode, done.stdout


def test_the_library_keeps_its_contracts(copy: Path) -> None:
    code, text = said(copy)
    assert (code, " 0 broken." in text) == (0, True), text


@pytest.mark.parametrize(
    ("module", "line", "contract", "chain"),
    [
        (
            "postgres/ledger.py",
            "import runbook_lib.migrate.execute",
            "Packages import only from rows below their own",
            "runbook_lib.postgres.ledger -> runbook_lib.migrate.execute",
        ),
        (
            "backup/dump.py",
            "import runbook_lib.migrate.execute",
            "Packages import only from rows below their own",
            "runbook_lib.backup.dump -> runbook_lib.migrate.execute",
        ),
        (
            "hazards/rules.py",
            "import psycopg",
            "Only postgres.connection speaks to a server",
            "runbook_lib.hazards.rules -> psycopg",
        ),
    ],
    ids=["upwards", "sideways", "past the only importer"],
)
def test_an_import_that_a_contract_forbids_is_named(
    module: str, line: str, contract: str, chain: str, copy: Path
) -> None:
    with (copy / "runbook_lib" / module).open("a") as file:
        file.write(f"{line}\n")
    code, text = said(copy)
    assert code == 1
    assert f"{contract} BROKEN" in text
    assert chain in text
