"""Keep what the files of a plan say, so that a change can be shown and not only named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from runbook_lib.evidence.directory import RunDirectory, file_sha256
from runbook_lib.evidence.run import Run
from runbook_lib.redaction import redact
from runbook_lib.release.model import Release
from runbook_lib.release.plan import Plan, StepKind

_TEXTS = "release_texts"
_LARGEST = 256 * 1024  # bytes of a file that is kept; a larger one is hardly read as a diff


@dataclass(frozen=True)
class Change:
    """Hold a file that is another than when a run was planned.

    ``diff`` is empty where its text was not kept, or differs only in what is secret.
    """

    path: str
    diff: tuple[str, ...]


def keep_texts(directory: RunDirectory, release: Release, planned: Plan) -> None:
    """Keep once what a run's files say, secrets hidden, but for those that are applied already."""
    waiting = {step.name for step in planned.steps if step.kind is StepKind.APPLY}
    known = {item.path for item in release.migrations if item.name not in waiting}
    paths = (path for path in planned.release_files if release.root / path not in known)
    texts = {path: _text(release.root / path) for path in paths}
    directory.write(_TEXTS, {"texts": {path: text for path, text in texts.items() if text}})


def _text(path: Path) -> str:
    """Return what a file says, secrets hidden; empty where it is gone, large or no text."""
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ""
    return redact(path.read_text(encoding="utf-8", errors="replace"))


def changed_files(planned: Run) -> Iterator[Change]:
    """Yield each file of the release that is another now than when this run was planned."""
    root, before = planned.release.root, planned.plan.release_files
    texts: Mapping[str, str] = (planned.directory.read(_TEXTS) or {}).get("texts", {})
    for path in sorted({*before, *planned.release.files}):
        if before.get(path) != _digest(root / path):
            was = texts.get(path) if path in before else ""
            yield Change(path, () if was is None else _diff(path, was, _text(root / path)))


def _digest(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None


def _diff(path: str, was: str, now: str) -> tuple[str, ...]:
    names = f"{path} as planned", f"{path} now"
    return tuple(unified_diff(was.splitlines(), now.splitlines(), *names, lineterm=""))
