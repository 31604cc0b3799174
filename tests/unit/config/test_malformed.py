"""Each malformed file is one sentence with its line, and nothing is touched for it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.config.environments import read_environment
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.acceptances import read_acceptances
from runbook_lib.evidence.answers import Asked, read_answers
from runbook_lib.evidence.approvals import Approval, read_approvals
from runbook_lib.notebook.session import open_run
from runbook_lib.release.model import Criterion
from runbook_lib.release.reader import read_release
from tests.support.projects import REPOSITORY
from tests.support.releases import write_release

DATA = REPOSITORY / "tests" / "data" / "malformed"
ASKED = Asked(
    "d1e5",
    (
        Criterion("Application Health", "Health checks passing", ""),
        Criterion("Before", "Notify team", ""),
        Criterion("After", "Notify team", ""),
    ),
    ("Database Administrator", "Lead", "Manager"),
    (Approval("Database Administrator", "Di Dactic", datetime(2026, 1, 30, 9, tzinfo=UTC)),),
)
READERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "environments": ("environments.toml", "ConfigError", lambda d: read_environment(d, "prod")),
    "release": ("release.toml", "ReleaseError", read_release),
    "approvals": ("approvals.toml", "ConfigError", read_approvals),
    "acceptances": ("acceptances.toml", "ConfigError", read_acceptances),
    "answers": ("answers.toml", "ConfigError", lambda d: read_answers(d, ASKED)),
}
KINDS = list(READERS)
PLACELESS = ("There is no environment",)  # what is not in the file stands in no line of it


def said_of(kind: str) -> dict[str, str]:
    said: dict[str, str] = json.loads((DATA / kind / "expected.json").read_text(encoding="utf-8"))
    return said


def refusal(kind: str, name: str, directory: Path) -> RunbookError:
    """Return the error that reading a malformed file in a directory gives."""
    file, error, read = READERS[kind]
    (directory / file).write_bytes((DATA / kind / f"{name}.toml").read_bytes())
    with pytest.raises(RunbookError) as caught:
        read(directory)
    assert type(caught.value).__name__ == error
    assert caught.value.path == str(directory / file)
    return caught.value


CASES = [(kind, name, said) for kind in KINDS for name, said in said_of(kind).items()]


@pytest.mark.parametrize(("kind", "name", "said"), CASES, ids=[f"{k}-{n}" for k, n, _ in CASES])
def test_a_malformed_file_is_one_sentence_with_its_line(
    kind: str, name: str, said: str, tmp_path: Path
) -> None:
    error = refusal(kind, name, tmp_path)
    text = str(error)
    assert text.removeprefix(f"{error.path}:") == said
    assert "\n" not in text
    assert "hidden" not in text, "a secret of the file is shown"
    assert error.remedy
    assert error.line or error.message.startswith(PLACELESS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_malformed_file_is_tried(kind: str) -> None:
    assert {path.stem for path in (DATA / kind).glob("*.toml")} == set(said_of(kind))


def test_there_are_enough_of_them() -> None:
    assert len(CASES) > 120


def files_of(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


@pytest.mark.parametrize("kind", ["environments", "release"])
def test_nothing_is_touched_for_a_malformed_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[prod]\ndbname = "shop"\nembedded = true\n'  # it would be started
    (tmp_path / "environments.toml").write_text(text, encoding="utf-8")
    release = write_release(tmp_path / "release", {"0001_a": "CREATE TABLE a ()"})
    name = "lock-timeout-below-a-millisecond" if kind == "environments" else "accept-everywhere"
    refusal(kind, name, tmp_path if kind == "environments" else release)
    before = files_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunbookError, match=r"\.toml:\d+: \["):
        open_run("prod", str(release))
    assert files_of(tmp_path) == before
