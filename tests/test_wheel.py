"""The wheel, installed elsewhere: a stranger's release goes through with nothing of this checkout.

What the library depends on comes from the environment of the tests, so that only what builds the
wheel is downloaded.
"""

import shutil
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.projects import REPOSITORY, command, record, runs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

RELEASE = {
    "release.toml": """name = "theirs"
title = "Somebody else's release"

[[migration]]
number = 1
name = "0001_shops"
purpose = "Shops"
risk = "low"
estimate = "fast"
tables = ["shops"]
indexes = ["shops_name"]

[demo_rows]
before = "0001_shops"
directory = "demo"
""",
    "migrations/0001_shops/migration.sql": "CREATE TABLE shops (id int PRIMARY KEY, name text);\n"
    "CREATE INDEX shops_name ON shops (name);\n",
    "checks/names.sql": "-- A shop has a name.\n-- name: shops_named\n-- severity: error\n"
    "-- expect: no rows\n-- remedy: Name them.\nSELECT id FROM public.shops WHERE name IS NULL\n",
    "demo/streets.sql": "CREATE TABLE streets (id int PRIMARY KEY);\n"
    "INSERT INTO streets SELECT generate_series(1, 10);\n",
}


@dataclass(frozen=True)
class Elsewhere:
    """Hold an environment that has the wheel, and a project beside it."""

    python: Path
    wheel: Path
    project: Path

    def papermill(self, notebook: str, *words: str, below: str = "") -> CompletedProcess[str]:
        argv = [str(self.python), "-m", "papermill", notebook, "out.ipynb", "-p", "env", "dev"]
        return self.run(*argv, *words, cwd=self.project / below)

    def run(self, *argv: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
        return command(*argv, cwd=cwd or self.project, env={"PYTHONPATH": ""})


def build(directory: Path) -> Path:
    """Build the wheel of a copy: setuptools leaves its working files in what it builds."""
    source = directory / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "runbook_lib", source / "runbook_lib", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel"]
    built = command(*pip, ".", "--no-deps", "--wheel-dir", directory, cwd=source)
    assert built.returncode == 0, built.stderr[-3000:]
    (wheel,) = directory.glob("*.whl")
    return wheel


def environment(directory: Path) -> Path:
    """Make an environment that finds what the tests' own has, but not this checkout."""
    venv.create(directory, symlinks=True)
    (libraries,) = directory.glob("lib/python*/site-packages")
    # A directory that a .pth file adds comes last, and its own .pth files are not read.
    (libraries / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return directory / "bin" / "python"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    directory = tmp_path_factory.mktemp("elsewhere")
    project = directory / "a project"
    shutil.copytree(REPOSITORY / "notebooks", project / "notebooks")
    shutil.copy(REPOSITORY / "environments.toml", project)
    for name, text in RELEASE.items():
        path = project / "their release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = Elsewhere(environment(directory / "environment"), build(directory), project)
    asked = found.run(found.python, "-c", "import papermill, runbook_lib")
    assert "No module named 'runbook_lib'" in asked.stderr
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python"]
    installed = found.run(*pip, found.python, "install", "--no-deps", "--no-index", found.wheel)
    assert installed.returncode == 0, installed.stderr[-3000:]
    yield found
    words = "-m", "runbook_lib.postgres.embedded", "stop", project
    assert found.run(found.python, *words).returncode == 0


def test_the_wheel_holds_the_library_whole_and_nothing_else(elsewhere: Elsewhere) -> None:
    with zipfile.ZipFile(elsewhere.wheel) as archive:
        names = set(archive.namelist())
    source = REPOSITORY / "runbook_lib"
    suffixes = {".py", ".pyi", ".sql", ".typed"}
    own = {
        str(path.relative_to(REPOSITORY)) for path in source.rglob("*") if path.suffix in suffixes
    }
    assert "runbook_lib/py.typed" in own
    assert {name for name in names if ".dist-info/" not in name} == own
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_a_release_goes_through_from_the_wheel_alone(elsewhere: Elsewhere) -> None:
    where = elsewhere.run(elsewhere.python, "-c", "import runbook_lib; print(runbook_lib.__file__)")
    assert Path(where.stdout).is_relative_to(elsewhere.python.parents[1])
    given = "-p", "release", "their release"
    done = elsewhere.papermill("notebooks/run.ipynb", *given)
    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = runs(elsewhere.project)
    steps = record(run, "plan")["steps"]
    assert [step["kind"] for step in steps] == ["demo rows", "apply"]
    verified = record(run, "60_verify")
    assert verified["status"] == "passed"
    assert "shops_named" in {item["name"] for item in verified["checks"]}
    assert len(record(run, "10_prechecks")["checks"]) > 40  # the library's own came with it

    again = elsewhere.papermill("run.ipynb", *given, below="notebooks")
    assert again.returncode == 0, again.stderr[-3000:]
    last = runs(elsewhere.project)[-1]
    assert record(last, "plan")["steps"] == []
    assert record(last, "60_verify")["status"] == "passed"


def test_without_a_release_one_sentence_asks_for_it(elsewhere: Elsewhere) -> None:
    before = runs(elsewhere.project)
    done = elsewhere.papermill("notebooks/run.ipynb")
    assert done.returncode != 0
    said = "ConfigError: No release was given, and none lies in sql/. Give -p release a directory"
    assert said in done.stderr
    assert runs(elsewhere.project) == before
