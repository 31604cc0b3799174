"""Copy a backup to another place: the only module that imports fsspec."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import fsspec

from runbook_lib.errors import ToolError
from runbook_lib.evidence.directory import keep_secret, redact

_CREDENTIALS = re.compile(r"://([^/@]*)@")


def copy(path: Path, files: Mapping[str, str], url: str) -> str:
    """Copy these files of a backup to ``<url>/<its name>/`` in order, and read each back.

    ``files`` maps their names to their SHA-256. Returns where they are, without credentials. Raises
    ToolError where a file cannot be copied or comes back different; the backup here stays.
    """
    place = f"{_public(url)}/{path.name}"
    remedy = f"The backup {path.name} is whole here; copy it by hand, or correct backup_copy."
    try:
        storage, root = fsspec.url_to_fs(url)
        differing = [name for name, sha in files.items() if _sent(storage, path, root, name) != sha]
    except Exception as error:  # each kind of storage has errors of its own
        message = f"The backup could not be copied to {place}: {redact(str(error)).rstrip('.')}."
        raise ToolError(message, remedy=remedy) from None
    if differing:
        message = f"The copy under {place} differs from what was sent: {', '.join(differing)}."
        raise ToolError(message, remedy=remedy)
    return place


def _sent(storage: fsspec.AbstractFileSystem, path: Path, root: str, name: str) -> str:
    """Send a file and return the SHA-256 of what comes back."""
    there = f"{root.rstrip('/')}/{path.name}/{name}"
    storage.makedirs(there.rpartition("/")[0], exist_ok=True)
    storage.put_file(str(path / name), there)
    with storage.open(there, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _public(url: str) -> str:
    """Return a URL as it may be shown, and hide its credentials wherever they turn up."""
    for found in _CREDENTIALS.findall(url):
        keep_secret(found.partition(":")[2])
    keep_secret(url.partition("?")[2])
    return _CREDENTIALS.sub("://", url).partition("?")[0].rstrip("/")
