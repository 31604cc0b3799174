"""nbval, strict, over the committed notebooks: every cell runs, every kept output is compared."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.notebooks.committed import walk
from tests.support.projects import REPOSITORY, command

pytestmark = pytest.mark.slow

SANITIZE = REPOSITORY / "tests" / "notebooks" / "sanitize.cfg"


def validate(project: Path, names: Sequence[str]) -> None:
    """Validate notebooks of a project, each against a kernel of its own."""
    paths = [project / "notebooks" / f"{name}.ipynb" for name in names]
    words: list[str | Path] = [sys.executable, "-m", "pytest", "--nbval", "-q"]
    words += ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", project]
    words += ["--nbval-sanitize-with", SANITIZE, "--nbval-cell-timeout", "120"]
    done = command(*words, *paths, cwd=project)
    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    cells = sum(path.read_text().count('"cell_type": "code"') for path in paths)
    assert passed is not None
    assert int(passed[1]) == cells


def test_the_committed_notebooks_show_what_they_do_today(tmp_path: Path) -> None:
    walk(tmp_path, validate)
