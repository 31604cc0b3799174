"""The files around the code: what they promise holds."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.projects import REPOSITORY, command

FIXED = {
    "jupyterlab",
    "papermill",
    "sqlalchemy",
    "psycopg",
    "pandas",
    "matplotlib",
    "ipywidgets",
    "nbval",
}


def requirements() -> dict[str, str]:
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9_.-]+)==([^ ;]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def tracked(pattern: str = "") -> list[Path]:
    listed = command("git", "ls-files", pattern or ".", cwd=REPOSITORY)
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout: the files of the project are not known")
    return [REPOSITORY / name for name in listed.stdout.splitlines()]


def test_conda_gets_the_versions_that_pip_gets() -> None:
    pinned = requirements()
    text = (REPOSITORY / "environment.yml").read_text()
    named = dict(re.findall(r"- ([a-z]+)==([0-9.]+)", text))
    assert set(named) == FIXED
    assert named == {name: pinned[name] for name in FIXED}
    assert "postgresql" in text


def test_everything_that_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[\[ ;<]", item)[0].lower() for item in asked}
    assert names >= FIXED
    assert names <= set(requirements())
    assert (REPOSITORY / "requirements.txt").read_text().endswith("--editable .\n")


def test_the_fixed_packages_are_used() -> None:
    text = "\n".join(path.read_text() for path in REPOSITORY.glob("runbook_lib/**/*.py"))
    for name in FIXED - {"jupyterlab", "nbval"}:
        assert re.search(rf"^ *import {name}\b|^ *from {name}\b", text, re.MULTILINE), name


def test_no_file_tells_of_a_machine() -> None:
    machines = r"/root/|/home/\w|/work/|/Users/\w"
    words = re.compile(rf"{machines}|pypi\.org|registry\.npmjs|files\.pythonhosted")
    suffixes = {".py", ".md", ".toml", ".txt", ".yml", ".sql", ".ipynb", ".cfg", ""}
    own = {Path(__file__), REPOSITORY / "tests" / "support" / "notebooks" / "lint.py"}
    for path in tracked():
        if path.suffix in suffixes and path not in own and path.is_file():
            assert not words.search(path.read_text(errors="replace")), path


def shell_blocks() -> list[list[str]]:
    text = (REPOSITORY / "README.md").read_text()
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


def test_the_readme_begins_with_two_commands() -> None:
    assert shell_blocks()[0] == ["make run", "make test"]
    plan = command("make", "--dry-run", "run", "test", "lint", "lab", "stop", cwd=REPOSITORY)
    assert plan.returncode == 0, plan.stderr


def test_make_alone_says_what_each_target_does() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    alone = {"MAKEFLAGS": "", "MAKELEVEL": "0"}  # though make may run these tests
    listed = command("make", cwd=REPOSITORY, env=alone)
    assert listed.returncode == 0, listed.stderr
    said = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines())
    assert phony
    assert set(said) == set(phony[1].split())


def test_news_fragments_have_a_known_type_and_are_read() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(item["directory"] for item in settings["type"])
    fragments = [path for path in tracked("changes") if path.name != "README.md"]
    for path in fragments:
        assert re.fullmatch(rf"\+[a-z-]+\.({types})\.md", path.name), path.name
    build = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1"]
    draft = command(*build, cwd=REPOSITORY)
    assert draft.returncode == 0, draft.stderr
    for path in fragments:
        assert f"- {path.read_text().strip()}" in draft.stdout, path.name


def test_the_hooks_of_a_commit_are_those_of_make_lint() -> None:
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    called = {Path(name).name for name in re.findall(r"entry: (\S+)", hooks)}
    linting = re.search(r"^lint:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
    assert linting
    assert {*re.findall(r"\$\(BIN\)/(\S+)", linting[1]), "python"} == called


def test_the_readme_fits_a_screen_and_its_links_lead_somewhere() -> None:
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= 80
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (REPOSITORY / target).is_file(), target


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_newcomers_commands_work_in_a_clean_clone(tmp_path: Path) -> None:
    tracked()
    clone = tmp_path / "a clone"
    cloned = command("git", "clone", "--quiet", REPOSITORY, clone, cwd=tmp_path)
    assert cloned.returncode == 0, cloned.stderr
    try:
        for line in shell_blocks()[1]:
            done = command("sh", "-c", line, cwd=clone, timeout=600)
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        again = command("make", "run", cwd=clone, timeout=600)
        assert again.returncode == 0, again.stderr[-3000:]
        said = r"^evidence: runs/dev/\d{8}_\d{6}_\d{3}_citadelbuy$"
        assert re.search(said, again.stdout, re.MULTILINE)
        assert command("make", "stop", cwd=clone).returncode == 0
    finally:
        shutil.rmtree(clone / ".venv", ignore_errors=True)
