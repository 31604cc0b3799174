"""Write small releases for tests."""

from collections.abc import Mapping
from pathlib import Path

from runbook_lib.release.model import Migration, Release
from runbook_lib.release.reader import read_release


def write_release(directory: Path, files: Mapping[str, str]) -> Path:
    """Write ``NAME/migration.sql`` for each file, as Prisma lays them out, and return where."""
    for name, sql in files.items():
        path = directory / name / "migration.sql"
        path.parent.mkdir(parents=True)
        path.write_text(sql, encoding="utf-8")
    return directory


def release_of(directory: Path, files: Mapping[str, str]) -> Release:
    """Write a release and read it back."""
    return read_release(write_release(directory / "release", files))


def migration_of(directory: Path, sql: str, name: str = "0001_a") -> Migration:
    """Write a release of one file and read it back."""
    return release_of(directory, {name: sql}).migrations[0]
