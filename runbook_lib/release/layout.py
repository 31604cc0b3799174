"""Refuse a directory of migrations that means something else than its files in order.

Other tools keep the way back beside or inside the way there, an order of their own in a journal, or
steps that are no SQL. Run as plain files they would do the wrong thing in good faith. A directory
with a manifest says itself what it is.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from runbook_lib.errors import ReleaseError
from runbook_lib.formatting import visible

_LARGEST = 64_000_000  # bytes of a file
_LONGEST = 180  # bytes of a name
_ORDER_OF_ITS_OWN = ("meta/_journal.json", "sqitch.plan", "atlas.sum")
_CHANGELOG = re.compile(r"(db\.)?changelog.*\.(xml|ya?ml|json)", re.IGNORECASE)
_PAIR = re.compile(r"(.+)[._-](up|down|do|undo|rollback|revert|deploy|verify)\.sql", re.IGNORECASE)
_NAMED_SO = re.compile(r"\.(up|down|undo|rollback|revert)\.sql", re.IGNORECASE)
_FLYWAY = re.compile(r"(U\d[\d._]*__|R__|B\d[\d._]*__|(before|after)[A-Z]\w*(__.*)?\.sql)")
_STEP = re.compile(r"(\d|[vV]\d).*\.(py|[cm]?[jt]sx?|rb|sh|go|php|pl|java|kt|xml|ya?ml)")
_UP_DOWN = re.compile(
    r"^[ \t]*(?:"
    r"--[ \t]*(?:migrate:(?:up|down)\b|\+(?:goose|migrate)[ \t]+(?:up|down)\b|@(?:up|down)\b"
    r"|rambler[ \t]+(?:up|down)\b|(?:up|down)[ \t]+migration[ \t]*$|liquibase[ \t]+formatted\b"
    r"|//[ \t]*@undo\b|!(?:ups|downs)\b)"
    r"|#[ \t]*---[ \t]*!(?:ups|downs)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_PLAIN = (
    "Write the way there as plain SQL files, and the way back as down.sql beside migration.sql."
)
_LISTED = "Name the files in order in a release.toml, or keep only those that are to be run."


def refuse_other_layouts(directory: Path, files: Path) -> None:
    """Raise ReleaseError, with file and line, where a release is laid out for another tool.

    ``files`` is where its migrations are, ``directory`` the release's own.
    """
    for path, line, message, remedy in _trouble(directory, files):
        shown = path.relative_to(directory.parent)
        raise ReleaseError(message, path=shown, line=line, remedy=remedy)


def refuse_odd_file(path: Path, directory: Path) -> None:
    """Raise ReleaseError for what is no file of the release that can be read whole.

    A link may lead out of it, a device or a pipe never ends, and a name has to leave room for what
    the records of a run put before and behind it.
    """
    trouble = ""
    if not path.resolve().is_relative_to(directory.resolve()):
        trouble = "It lies outside of the release: a link leads there."
    elif path.exists() and not path.is_file():
        trouble = "It is no regular file."
    elif path.exists() and path.stat().st_size > _LARGEST:
        trouble = f"It is larger than {_LARGEST // 1_000_000} MB."
    elif any(len(part.encode()) > _LONGEST for part in path.relative_to(directory).parts):
        trouble = f"Its name is longer than {_LONGEST} bytes."
    elif visible(name := str(path.relative_to(directory))) != name or {"\n", "\t"} & {*name}:
        trouble = "Its name has a control character."
    if trouble:
        remedy = "Put a plain SQL file of ordinary size and name in its place."
        raise ReleaseError(trouble, path=_shortened(path), remedy=remedy)


def _shortened(path: Path) -> Path:
    return path.with_name(f"{path.name[:60]}...") if len(path.name) > _LONGEST else path


_Trouble = Iterator[tuple[Path, int | None, str, str]]


def _trouble(directory: Path, files: Path) -> _Trouble:
    yield from _journals(directory, files)
    steps = sorted(files.glob("*/migration.sql"))
    plain = sorted(files.glob("*.sql"))
    if steps and plain:
        message = "The directory holds NAME/migration.sql and plain *.sql files, two layouts."
        yield plain[0], None, message, "Keep one of them."
    yield from _directories(files, [path.parent.name for path in steps])
    yield from _names(files, [path.name for path in plain])
    for path in steps or plain:
        refuse_odd_file(path, directory)
        yield from _markers(path)


def _journals(directory: Path, files: Path) -> _Trouble:
    for place in dict.fromkeys((files, directory)):
        for name in _ORDER_OF_ITS_OWN:
            if (path := place / name).is_file():
                message = "The order of the files is that of a journal, which the runbook ignores."
                yield path, None, message, _LISTED
        for path in sorted(place.iterdir()):
            if _CHANGELOG.fullmatch(path.name):
                yield path, None, "A changelog lists the steps, and it is no SQL.", _LISTED


def _directories(files: Path, steps: list[str]) -> _Trouble:
    for path in sorted(item for item in files.iterdir() if item.is_dir()):
        held = {item.name for item in path.iterdir()}
        if "up.sql" in held:
            yield path / "up.sql", None, "The ways there and back are pairs of files.", _PLAIN
        elif steps and path.name not in steps and (path.name[:1].isdigit() or not held):
            message = "A step among the others holds no migration.sql."
            yield path, None, message, "Write it as SQL, or take the directory away."


def _names(files: Path, names: list[str]) -> _Trouble:
    pairs: dict[str, set[str]] = {}
    for name in names:
        if match := _PAIR.fullmatch(name):
            pairs.setdefault(match[1], set()).add(match[2].lower())
    for name in names:
        match = _PAIR.fullmatch(name)
        if _NAMED_SO.search(name) or (match and len(pairs[match[1]]) > 1):
            yield files / name, None, "The ways there and back are pairs of files.", _PLAIN
        elif _FLYWAY.match(name):
            message = "The name has a meaning of its own: undo, repeatable, baseline or callback."
            yield files / name, None, message, _LISTED
    for path in sorted(files.iterdir()):
        if path.is_file() and _STEP.fullmatch(path.name):
            message = "A step among the others is no SQL, and would be passed over."
            yield path, None, message, "Write it as SQL, or take it out of the directory."


def _markers(path: Path) -> _Trouble:
    """Yield the first line that parts a file into the ways there and back."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return  # the reader says so
    if match := _UP_DOWN.search(text):
        line = text.count("\n", 0, match.start()) + 1
        message = f"'{match[0].strip()}' parts the file, and both parts would be run."
        yield path, line, message, _PLAIN
