"""Read a TOML file into the types that say what it may hold; each mistake by file and line."""

import json
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import date, time
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from runbook_lib.config.setting import adapter, allowed, hints, parts
from runbook_lib.errors import RunbookError

LARGEST = 4 * 1024**2  # bytes; nobody writes more by hand
_AT = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")
_TABLE, _TEXT = re.compile(r"\((?:'[^']*',? ?)+\)"), re.compile(r"'([^']*)'")
_OPENS, _LONG = re.compile(r"[\[{]"), re.compile(r"\d{4000}")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 60  # characters of a wrong value
_CLOSES = re.compile(r"""[\]}]|\"""|'''""")

Keys = tuple[str | int, ...]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Document:
    """Hold a TOML file: its text, its data, and where each key stands.

    ``error`` is the kind that its mistakes raise.
    """

    path: Path
    error: type[RunbookError]
    text: str
    data: Mapping[str, Any]

    @cached_property
    def _lines(self) -> Mapping[Keys, int]:
        found: dict[Keys, int] = {}
        for keys, line in _positions(self.text):
            found.setdefault(keys, line)
        return found

    def line(self, keys: Keys) -> int:
        """Return the line of a key, or of the nearest table around it that has one."""
        around = (keys[:end] for end in range(len(keys), 0, -1))
        return next((self._lines[item] for item in around if item in self._lines), 1)

    def mistake(self, keys: Keys, message: str, remedy: str) -> RunbookError:
        """Return the error that says where a key is wrong."""
        return self.error(message, path=self.path, line=self.line(keys), remedy=remedy)


def read_document(path: Path, error: type[RunbookError]) -> Document:
    """Read a TOML file; raises ``error`` where it is no file, no text, no TOML, or too large."""
    text = _read_text(path, error)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as cause:
        said, line = _no_toml(text, cause)
        message = f"The file is not TOML: {said}."
        raise error(message, path=path, line=line, remedy="Correct it.") from None
    document = Document(path, error, text, data)
    for keys in _with_nul(data, ()):
        message = f"{place(keys[:-1])} {keys[-1]!r} holds the character NUL.".strip()
        raise document.mistake(keys, message, "Take it out: nothing in PostgreSQL holds one.")
    return document


def _no_toml(text: str, cause: Exception) -> tuple[str, int]:
    """Say what tomllib found wrong, and in which line."""
    lines = text.rstrip().split("\n")
    if isinstance(cause, RecursionError):
        deepest = max(range(len(lines)), key=lambda at: len(_OPENS.findall(lines[at])))
        return "lists or tables lie too deep in each other", deepest + 1
    if not isinstance(cause, tomllib.TOMLDecodeError):
        found = _LONG.search(text)
        return "a number has too many digits", text.count(
            "\n", 0, found.start() if found else 0
        ) + 1
    said = _TABLE.sub(lambda found: f"[{'.'.join(_TEXT.findall(found[0]))}]", str(cause))
    at = _AT.search(said)
    line = int(at[1]) if at and at[1] else len(lines)
    return said[:1].lower() + _AT.sub("", said)[1:], line


def _read_text(path: Path, error: type[RunbookError]) -> str:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            raise error("This is not a file.", path=path, remedy="Put a text file there.")
        if found.st_size > LARGEST:
            message = f"The file has {found.st_size:,} bytes."
            raise error(message, path=path, remedy=f"Make it one of {LARGEST:,} at most.")
        data = path.read_bytes()
    except OSError as cause:
        message = f"The file cannot be read: {cause.strerror}."
        raise error(message, path=path, remedy="Give access to it.") from cause
    if data.startswith(b"\xef\xbb\xbf"):
        message = "The file begins with a byte order mark."
        raise error(message, path=path, line=1, remedy="Save it as UTF-8 without one.")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        message = f"The file is not UTF-8, as its byte {data[cause.start]:#04x} shows."
        raise error(message, path=path, line=line, remedy="Save it as UTF-8.") from None


def _with_nul(value: Any, keys: Keys) -> Iterator[Keys]:
    if isinstance(value, str):
        yield from (keys,) if "\0" in value else ()
        return
    for key, item in _inner(value):
        yield from ((*keys, key),) if "\0" in str(key) else _with_nul(item, (*keys, key))


def _inner(value: Any) -> list[tuple[str | int, Any]]:
    """Return what lies in a table or a list, each with its key."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _positions(text: str) -> Iterator[tuple[Keys, int]]:
    """Yield every key of a TOML text with the line where its statement begins."""
    table: Keys = ()
    counts: dict[Keys, int] = {}
    for line, chunk, data in _statements(text):
        if chunk.lstrip().startswith("["):
            table = _header(data, counts)
            yield table, line
            yield table[:-1], line  # of a list of tables, the first; others have their own
        else:
            yield from ((keys, line) for keys in _keys(data, table))


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield headers, and keys with their values: each is TOML of its own, on one line or more."""
    begin, chunk = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not chunk:
            begin = number
        elif not _CLOSES.search(line):  # a long list is tried only where it may end
            chunk += line + "\n"
            continue
        chunk += line + "\n"
        try:
            data = tomllib.loads(chunk)
        except tomllib.TOMLDecodeError:
            continue
        if data:
            yield begin, chunk, data
        chunk = ""


def _header(data: Mapping[str, Any], counts: dict[Keys, int]) -> Keys:
    """Return the keys of a header's table; of a list of tables, to the element that it begins."""
    keys: Keys = ()
    value: Any = data
    while value:
        ((key, value),) = value.items()
        keys = (*keys, key)
        if isinstance(value, list):
            counts[keys] = counts.get(keys, -1) + 1
            value = None
        if keys in counts:
            keys = (*keys, counts[keys])
    return keys


def _keys(value: Any, keys: Keys) -> Iterator[Keys]:
    for key, item in _inner(value):
        yield (*keys, key)
        yield from _keys(item, (*keys, key))


def place(keys: Keys) -> str:
    """Write the keys of a table as its header does."""
    names = ".".join(_name(key) for key in keys if isinstance(key, str))
    if not names:
        return ""
    return f"[[{names}]]" if isinstance(keys[-1], int) else f"[{names}]"


def _name(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def with_given(
    document: Document, table: Mapping[str, Any], keys: Keys, **values: Any
) -> dict[str, Any]:
    """Return a table with what its reader knows besides; raises where the file says it itself."""
    for key in values:
        if key in table:
            message = f"{place(keys)} has an unknown key '{key}'."
            raise document.mistake((*keys, key), message, "Take it out.")
    return {**table, **values}


def validated(kind: type[_T], document: Document, value: Any, keys: Keys = ()) -> _T:
    """Return a value of the document, to which ``keys`` lead, as its type.

    Raises the document's error for the mistake that stands first in the file.
    """
    from pydantic_core import ValidationError  # noqa: PLC0415  with the adapter

    try:
        found: _T = adapter(cast(Any, kind)).validate_python(value, extra="forbid")
        return found
    except ValidationError as error:
        wrong = error.errors()
    # A key that is missing may be the one that is misspelt.
    known = [item for item in wrong if item["type"] != "missing"] or wrong
    raise min(
        (_mistake(kind, document, keys, item) for item in known), key=lambda item: item.line or 0
    )


def _mistake(kind: Any, document: Document, keys: Keys, found: Any) -> RunbookError:
    """Turn what pydantic found wrong into one sentence."""
    inside: Keys = found["loc"]
    if found["type"] == "missing" and isinstance(inside[-1], int):  # a list is too short
        found, inside = {**found, "type": "too_short"}, inside[:-1]
    told = {"missing": _missing, "unexpected_keyword_argument": _unknown}
    if found["type"] in told:
        table = (*keys, *inside[:-1])
        around = _hint(kind, inside[:-1])
        message, remedy = told[found["type"]](table, str(inside[-1]), parts(around)[0])
    else:
        message, remedy = _wrong((*keys, *inside), _hint(kind, inside), found)
    return document.mistake((*keys, *inside), message.strip(), remedy)


def _missing(table: Keys, key: str, kind: type) -> tuple[str, str]:
    return f"{place(table) or 'The file'} has no {key}.", f"Add it: {allowed(hints(kind)[key])}."


def _unknown(table: Keys, key: str, kind: type) -> tuple[str, str]:
    known = ", ".join(sorted(hints(kind)))
    message = f"{place(table) or 'The file'} has an unknown key {_name(key)!r}."
    return message, f"The keys are: {known}."


def _wrong(keys: Keys, hint: Any, found: Any) -> tuple[str, str]:
    *table, key = keys
    value, kind = shown(found["input"]), parts(hint)[0]
    tables = [item for item in get_args(kind)[:1] if is_dataclass(parts(item)[0])]
    if isinstance(key, int):
        *table, key = table
        said = f"{key} holds {value}, which is not {allowed(hint)}"
    else:
        said = f"{key} = {value} is not {allowed(hint)}"
    if found["type"] == "value_error":
        said = f"{key}: {value} {found['ctx']['error']}"
    does = parts(hint)[1].does
    remedy = f"Correct it; it means: {does}." if does else "Correct it."
    if is_dataclass(kind) or tables:
        remedy = f"Write {'each' if tables else 'it'} as {place((*keys, 0) if tables else keys)}."
    return f"{place(tuple(table))} {said}.", remedy


def _hint(kind: Any, keys: Keys) -> Any:
    """Return the type to which keys lead inside a type."""
    for key in keys:
        kind = parts(kind)[0]
        if isinstance(key, str) and isinstance(kind, type) and is_dataclass(kind):
            kind = hints(kind)[key]
        elif isinstance(key, int):
            kinds = get_args(kind)
            kind = kinds[0] if kinds[-1] is Ellipsis else kinds[key]
        else:
            kind = get_args(kind)[-1]
    return kind


def shown(value: Any) -> str:
    """Write a value as TOML does: cut short, and no URL, for that may hold a password."""
    if isinstance(value, float):
        text = repr(value)
    elif isinstance(value, (date, time)):
        text = value.isoformat()
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    if "://" in text:
        return "(a URL)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
