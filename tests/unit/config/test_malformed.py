"""Each malformed file is one sentence with its line, and what is right around it is read."""

import json
from pathlib import Path

import pytest

from runbook_lib.config.environments import read_environment
from runbook_lib.errors import ConfigError, RunbookError
from tests.support.projects import REPOSITORY

DATA = REPOSITORY / "tests" / "data" / "malformed"
ENVIRONMENTS = DATA / "environments"


def cases(kind: str) -> list[tuple[str, str]]:
    """Return the name of each malformed file with what is said of it."""
    said = json.loads((DATA / kind / "expected.json").read_text(encoding="utf-8"))
    assert {path.stem for path in (DATA / kind).glob("*.toml")} == set(said)
    return list(said.items())


def sentence(error: RunbookError, path: Path) -> str:
    """Return what an error says after its path, which is the file's; it is one line."""
    said = str(error)
    assert "\n" not in said
    assert "hidden" not in said, "a secret of the file is shown"
    assert error.remedy
    assert said.startswith(str(path))
    return said.removeprefix(f"{path}:")


@pytest.mark.parametrize(("name", "said"), cases("environments"))
def test_a_malformed_environments_toml_is_one_sentence(
    name: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "environments.toml"
    path.write_bytes((ENVIRONMENTS / f"{name}.toml").read_bytes())
    with pytest.raises(ConfigError) as caught:
        read_environment(tmp_path, "prod")
    assert sentence(caught.value, path) == said
