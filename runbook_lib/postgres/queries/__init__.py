"""Load named SQL: the catalog queries and the verification checks, one query a file."""

from functools import cache
from pathlib import Path

from runbook_lib.errors import ReleaseError
from runbook_lib.findings import Severity
from runbook_lib.parser.statement import Check

PROJECT = Path(__file__).resolve().parents[3]
_HEADER = ("name", "severity", "expect", "remedy")


@cache
def load(name: str) -> str:
    """Return the text of ``sql/catalog/<name>.sql``; raises ReleaseError where there is none."""
    path = PROJECT / "sql" / "catalog" / f"{name}.sql"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"The catalog query cannot be read: {error.strerror}."
        raise ReleaseError(message, path=path, remedy="Restore it from the repository.") from error


def read_checks(directory: Path) -> tuple[Check, ...]:
    """Read every check of a directory, by file name; a directory that is not there holds none."""
    return tuple(read_check(path) for path in sorted(directory.glob("*.sql")))


def read_check(path: Path) -> Check:
    """Read one check: a line that says why, the header, then one SQL statement.

    ``expect`` is ``no rows``, ``= N``, ``>= N`` or ``by hand``. Raises ReleaseError with the line.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    size = next((at for at, text in enumerate(lines) if not text.startswith("--")), len(lines))
    comments = [text.removeprefix("--").strip() for text in lines[:size]]
    fields: dict[str, str] = {}
    for text in comments[1:]:
        key, colon, value = text.partition(":")
        if colon and key in _HEADER:
            fields[key] = value.strip()
        elif fields:  # a header line goes on
            last = next(reversed(fields))
            fields[last] = f"{fields[last]} {text}".strip()
    for line, key in enumerate(_HEADER, start=2):
        if not fields.get(key):
            message = f"The check has no '-- {key}: ...' line in its header."
            raise ReleaseError(message, path=path, line=line, remedy="Add it.")
    if fields["severity"] not in set(Severity):
        _refuse(path, comments, "severity", fields["severity"], "error, warning or info")
    if not _known_expectation(fields["expect"]):
        _refuse(path, comments, "expect", fields["expect"], "no rows, = N, >= N or by hand")
    sql = "\n".join(lines[size:]).strip()
    if bool(sql) == (fields["expect"] == "by hand"):
        message = "A check has a query, unless it expects 'by hand'."
        raise ReleaseError(message, path=path, line=size + 1, remedy="Add or remove the query.")
    severity = Severity(fields["severity"])
    expect, remedy = fields["expect"], fields["remedy"]
    return Check(fields["name"], comments[0], severity, expect, remedy, sql, path)


def _known_expectation(text: str) -> bool:
    operator, _, number = text.partition(" ")
    return text in {"no rows", "by hand"} or (operator in {"=", ">="} and number.isdigit())


def _refuse(path: Path, comments: list[str], key: str, value: str, known: str) -> None:
    line = next(at for at, text in enumerate(comments, start=1) if text.startswith(f"{key}:"))
    raise ReleaseError(f"{key} is '{value}'.", path=path, line=line, remedy=f"Write {known}.")
