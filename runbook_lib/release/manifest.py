"""What ``release.toml`` may hold, key by key."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from runbook_lib.config.setting import Setting, Text
from runbook_lib.config.toml import Document, read_document, validated, with_given
from runbook_lib.errors import ReleaseError
from runbook_lib.release.model import (
    Acceptance,
    Criterion,
    IndexEstimate,
    Minutes,
    Role,
    Threshold,
    Variable,
)


def _not_inside(text: str) -> str:
    """Say why a name leads nowhere inside the release, empty where it does."""
    path = PurePosixPath(text)
    return "" if path.parts and not {"/", ".."} & {*path.parts} else "leads out of the release"


Inside = Annotated[str, Setting(words="a path inside the release", check=_not_inside)]


@dataclass(frozen=True)
class Listed:
    """Hold one migration that the manifest lists, and what it says of it."""

    number: Annotated[int, Setting(least=0, most=1_000_000)]
    name: Inside
    purpose: str
    risk: str
    estimate: str
    estimate_minutes: tuple[Minutes, Minutes] | None = None
    requires: tuple[Text, ...] = ()
    tables: tuple[Text, ...] = ()
    enums: tuple[Text, ...] = ()
    indexes: tuple[Text, ...] = ()
    relations: tuple[Text, ...] = ()


@dataclass(frozen=True)
class DemoRows:
    """Say before which migration the SQL files of a directory are executed."""

    before: Text
    directory: Inside


@dataclass(frozen=True)
class Today:
    """List the migrations that production has already."""

    migrations: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Variables:
    """List the environment variables that the application needs."""

    variable: tuple[Variable, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Hold ``release.toml``; a manifest that lists no migration may hold acceptances alone."""

    name: str = ""
    title: str = ""
    database: str = ""
    migration: tuple[Listed, ...] = ()
    demo_rows: DemoRows | None = None
    production_today: Today = Today()
    index_estimate: tuple[IndexEstimate, ...] = ()
    environment: Variables = Variables()
    threshold: tuple[Threshold, ...] = ()
    criterion: tuple[Criterion, ...] = ()
    role: tuple[Role, ...] = ()
    accept: tuple[Acceptance, ...] = ()


def read_manifest(path: Path) -> tuple[Manifest, Document]:
    """Return a manifest and where its keys stand; raises ReleaseError with file and line."""
    document = read_document(path, ReleaseError)
    found = validated(Manifest, document, with_places(document))
    check_named(document, found.accept)
    if found.migration:
        for key in ("name", "title"):
            if not getattr(found, key).strip():
                message = f"The manifest lists migrations, and has no {key}."
                raise document.mistake((key,), message, "Add it: a text that says something.")
    return found, document


def with_places(document: Document) -> dict[str, Any]:
    """Return the data of a file, each table of ``[[accept]]`` with where it stands."""
    found = document.data.get("accept")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        return dict(document.data)
    places = (("accept", at) for at in range(len(found)))
    accept = [
        with_given(
            document, item, keys, path=document.path.name, line=document.line((*keys, "rule"))
        )
        for keys, item in zip(places, found, strict=True)
    ]
    return {**document.data, "accept": accept}


def check_named(document: Document, found: Iterable[Acceptance]) -> None:
    """Refuse an acceptance of a rule everywhere."""
    for at, item in enumerate(found):
        if not item.migration.strip() and not item.object.strip():
            message = f"[[accept]] {item.rule} names neither a migration nor an object."
            raise document.mistake(("accept", at), message, "Name what it is accepted of.")
