"""Load named SQL: the catalog queries and the verification checks, one query a file."""

from functools import cache
from pathlib import Path

from runbook_lib.errors import ReleaseError

PROJECT = Path(__file__).resolve().parents[3]


@cache
def load(name: str) -> str:
    """Return the text of ``sql/catalog/<name>.sql``; raises ReleaseError where there is none."""
    path = PROJECT / "sql" / "catalog" / f"{name}.sql"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"The catalog query cannot be read: {error.strerror}."
        raise ReleaseError(message, path=path, remedy="Restore it from the repository.") from error
