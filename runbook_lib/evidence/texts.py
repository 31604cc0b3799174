"""Keep marks of the lines of a plan's files, so that a change can be shown and not only named.

The lines themselves are not kept: a file may hold a secret that nobody named. A mark is short, so
that many texts have it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from hashlib import sha256
from pathlib import Path

from runbook_lib.evidence.directory import RunDirectory, file_sha256
from runbook_lib.evidence.run import Run
from runbook_lib.redaction import redact
from runbook_lib.release.model import Release
from runbook_lib.release.plan import Plan, StepKind

_MARKS = "release_lines"
_DIGITS = 8  # of a mark
_LARGEST = 256 * 1024  # bytes of a file that is marked; the diff of a larger one is not read


@dataclass(frozen=True)
class Change:
    """Hold a file that is another than when a run was planned.

    ``diff`` is empty where the marks of its lines were not kept.
    """

    path: str
    diff: tuple[str, ...]


def keep_marks(directory: RunDirectory, release: Release, planned: Plan) -> None:
    """Keep once the marks of a run's files, but for those that are applied already."""
    waiting = {step.name for step in planned.steps if step.kind is StepKind.APPLY}
    known = {item.path for item in release.migrations if item.name not in waiting}
    paths = (path for path in planned.release_files if release.root / path not in known)
    marks = {path: "".join(_marks(_text(release.root / path))) for path in paths}
    directory.write(_MARKS, {"lines": {path: found for path, found in marks.items() if found}})


def _marks(text: str) -> list[str]:
    return [sha256(line.encode()).hexdigest()[:_DIGITS] for line in text.splitlines()]


def _text(path: Path) -> str:
    """Return what a file says; empty where it is gone or large."""
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def changed_files(planned: Run) -> Iterator[Change]:
    """Yield each file of the release that is another now than when this run was planned."""
    root, before = planned.release.root, planned.plan.release_files
    kept: Mapping[str, str] = (planned.directory.read(_MARKS) or {}).get("lines", {})
    for path in sorted({*before, *planned.release.files}):
        if before.get(path) != _digest(root / path):
            was = kept.get(path) if path in before else ""
            yield Change(path, () if was is None else tuple(_diff(was, _text(root / path))))


def _digest(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None


def _diff(was: str, text: str) -> Iterator[str]:
    """Yield by place which lines were taken out, and what stands there now, secrets hidden."""
    before = [was[at : at + _DIGITS] for at in range(0, len(was), _DIGITS)]
    now = redact(text).splitlines()
    for kind, first, last, begin, end in SequenceMatcher(None, before, _marks(text)).get_opcodes():
        if kind == "equal":
            continue
        yield f"@@ line {begin + 1} @@"
        if last > first:
            yield f"-lines {first + 1} to {last} as they were planned"
        yield from (f"+{line}" for line in now[begin:end])
