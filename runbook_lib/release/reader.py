"""Read a release: a directory of migrations, with or without a manifest."""

import gc
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from runbook_lib.config.toml import Document, Keys
from runbook_lib.errors import ReleaseError
from runbook_lib.findings import Finding, Severity
from runbook_lib.formatting import natural
from runbook_lib.parser.parse import found_in, read_statements
from runbook_lib.parser.statement import Statement
from runbook_lib.parser.transactions import calling, committing
from runbook_lib.parser.tree import walk
from runbook_lib.release.layout import refuse_odd_file, refuse_other_layouts
from runbook_lib.release.manifest import Listed, Manifest, read_manifest
from runbook_lib.release.model import Acceptance, Check, Declaration, Migration, Release

_HEADER = ("name", "severity", "expect", "remedy")
_SEEN = "seen"  # a header line that may be left out

MANIFEST, DOWN = "release.toml", "down.sql"
_ALONE = "cannot be in the one transaction that takes a release back"
_KEPT = 2048  # files whose statements are kept: a history of 800 with its down files
_DECLARED = ("tables", "enums", "indexes", "relations")


def read_release(directory: Path) -> Release:
    """Read the release in ``directory`` and check its manifest against its SQL.

    With ``release.toml`` the migrations are those it lists, under ``migrations/``. Without one, or
    where it lists none, they are ``<name>/migration.sql`` in the order of their names, as Prisma
    applies them, or else plain ``*.sql`` files with numbers in names compared as numbers, all under
    ``migrations/`` or, without such a directory, in the release's own. What is wrong with the files
    is in the release's ``defects``, all at once; raises ReleaseError with file and line where the
    manifest itself cannot be read.
    """
    if not directory.is_dir():
        message = f"There is no release directory {directory}."
        raise ReleaseError(message, remedy="Give -p release a directory of SQL migrations.")
    directory = directory.resolve()
    manifest = directory / MANIFEST
    read = _with_manifest if manifest.exists() else _plain
    with _uncollected():
        return _with_calls_apart(read(directory, manifest))


def _with_calls_apart(release: Release) -> Release:
    """Return a release whose calls of its own procedures that commit are in no transaction."""
    procedures = committing(release.statements)
    if not procedures:
        return release
    return replace(
        release,
        migrations=tuple(
            replace(item, statements=calling(item.statements, procedures))
            for item in release.migrations
        ),
    )


def found_in_schema(release: Release, schema: str) -> Release:
    """Return a release whose names without a schema are found in this one, as on its target."""
    if schema == "public":
        return release
    return replace(
        release,
        migrations=tuple(
            replace(
                item,
                statements=tuple(found_in(item.statements, schema)),
                down=tuple(found_in(item.down, schema)),
            )
            for item in release.migrations
        ),
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector away: what is read stays, and it would walk it ever again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _plain(directory: Path, manifest: Path, accepts: tuple[Acceptance, ...] = ()) -> Release:
    files = directory / "migrations"
    if not files.is_dir():
        files = directory
    refuse_other_layouts(directory, files)
    listed = sorted(path.parent.name for path in files.glob("*/migration.sql"))
    paths = [files / name / "migration.sql" for name in listed]
    if not paths:
        paths = sorted(files.glob("*.sql"), key=lambda path: natural(path.name))
        listed = [path.stem for path in paths]
    if not paths:
        message = f"{files} holds neither NAME/migration.sql nor *.sql files."
        raise ReleaseError(message, remedy="Give -p release a directory of SQL migrations.")
    defects: list[Finding] = []
    migrations = tuple(
        read_migration(name, path, directory, defects)
        for name, path in zip(listed, paths, strict=True)
    )
    name = directory.name
    if name == "migrations":
        name = directory.parent.name
    return Release(
        name=_slug(name),
        title=f"Migrations in {directory.name}",
        root=directory,
        migrations=migrations,
        files=_files(directory, migrations, [manifest] if manifest.is_file() else []),
        checks=read_checks(directory / "checks"),
        accepts=accepts,
        defects=tuple(defects),
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "release"


def read_migration(
    name: str,
    path: Path,
    directory: Path,
    defects: list[Finding],
    declared: Declaration | None = None,
) -> Migration:
    """Read one migration file of a release directory; what cannot be read joins ``defects``.

    Its checksum is the SHA-256 of its bytes, as Prisma takes it. A ``down.sql`` beside a
    ``migration.sql`` takes it back.
    """
    data, statements = _read_file(path, directory, defects)
    down: tuple[Statement, ...] = ()
    own = path.with_name(DOWN)
    if path.name == "migration.sql" and own.is_file():
        _, down = _read_file(own, directory, defects)
        defects += (
            _defect("down-alone", item.path, item.line, f"{item.label} {_ALONE}.", "Take it out.")
            for item in down
            if item.control or not item.transactional
        )
    checksum = hashlib.sha256(data).hexdigest()
    return Migration(name, path, checksum, statements, declared or Declaration(), down)


def _read_file(
    path: Path, directory: Path, defects: list[Finding]
) -> tuple[bytes, tuple[Statement, ...]]:
    """Return the bytes and statements of a file; what cannot be read joins ``defects``."""
    data, text = b"", ""
    shown = _shown(path, directory)
    refuse_odd_file(path, directory)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        cause = f"The migration cannot be read: {error.strerror}."
        defects.append(_defect("not-readable", shown, 1, cause, "Restore the file."))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        cause = "The file is not UTF-8."
        defects.append(_defect("not-utf-8", shown, line, cause, "Save it as UTF-8."))
    statements, found = _statements(text, shown)
    defects += found
    return data, statements


@lru_cache(maxsize=_KEPT)
def _statements(text: str, path: str) -> tuple[tuple[Statement, ...], tuple[Finding, ...]]:
    """Read a file's text once in this process, and in those that are forked from it."""
    return read_statements(text, path)


def _shown(path: Path, directory: Path) -> str:
    """Name a file from its release directory on: the same from wherever the runbook runs."""
    return str(path.relative_to(directory.parent))


def _defect(rule: str, path: str, line: int, cause: str, remedy: str) -> Finding:
    effect = "The release is not what it says it is."
    return Finding("reading", rule, Severity.ERROR, path, line, cause, effect, remedy)


def _files(
    directory: Path, migrations: Iterable[Migration], others: Iterable[Path]
) -> dict[str, str]:
    """Return the SHA-256 of every file that is executed or decides, by its path in the release.

    Besides ``others`` these are the migrations, the ``down.sql`` beside them, and the checks.
    """
    found = {migration.path: migration.checksum for migration in migrations}
    downs = (path.with_name(DOWN) for path in list(found) if path.name == "migration.sql")
    checks = (directory / "checks").rglob("*.sql")
    for path in (*others, *(down for down in downs if down.is_file()), *checks):
        refuse_odd_file(path, directory)
        found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {path.relative_to(directory).as_posix(): found[path] for path in sorted(found)}


def _with_manifest(directory: Path, path: Path) -> Release:
    manifest, document = read_manifest(path)
    if not manifest.migration:
        found = _plain(directory, path, manifest.accept)
        name, title = manifest.name or found.name, manifest.title or found.title
        return replace(found, name=_slug(name), title=title)
    _check_names(manifest, document)
    defects: list[Finding] = []
    migrations = tuple(_listed(directory, manifest, document, defects))
    defects += _check_unlisted(
        directory, _shown(path, directory), {item.name for item in manifest.migration}
    )
    demo = manifest.demo_rows
    demo_files = tuple(sorted((directory / demo.directory).glob("*.sql"))) if demo else ()
    return Release(
        name=_slug(manifest.name),
        title=manifest.title,
        root=directory,
        migrations=migrations,
        files=_files(directory, migrations, [path, *demo_files]),
        checks=read_checks(directory / "checks"),
        demo_before=demo.before if demo else "",
        demo_files=demo_files,
        production_today=manifest.production_today.migrations,
        index_estimates=manifest.index_estimate,
        variables=manifest.environment.variable,
        thresholds=manifest.threshold,
        criteria=manifest.criterion,
        roles=manifest.role,
        accepts=manifest.accept,
        defects=tuple(defects),
    )


def _check_names(manifest: Manifest, document: Document) -> None:
    """Refuse a migration that is listed twice, and a name that is not listed at all."""
    listed: set[str] = set()
    for at, item in enumerate(manifest.migration):
        if item.name in listed:
            message = f"The manifest lists {item.name} twice."
            raise document.mistake(("migration", at, "name"), message, "Remove one.")
        listed.add(item.name)
    today: Keys = ("production_today", "migrations")
    spoken = [(name, today) for name in manifest.production_today.migrations]
    if manifest.demo_rows:
        spoken.append((manifest.demo_rows.before, ("demo_rows", "before")))
    for name, keys in spoken:
        if name not in listed:
            message = f"The manifest speaks of {name}, which it does not list."
            error = document.mistake(keys, message, "Correct the name.")
            error.line = _line_of(document.text, f'"{name}"', document.line(keys))
            raise error


def _listed(
    directory: Path, manifest: Manifest, document: Document, defects: list[Finding]
) -> Iterator[Migration]:
    """Yield the migrations that are listed and there; what is wrong with any joins ``defects``."""
    shown = _shown(document.path, directory)
    for at, item in enumerate(manifest.migration):
        path = directory / "migrations" / item.name / "migration.sql"
        line = document.line(("migration", at, "name"))
        if not path.is_file():
            cause = f"The manifest lists {item.name}, and there is no {_shown(path, directory)}."
            defects.append(_defect("manifest", shown, line, cause, "Add the file."))
            continue
        broken = len(defects)
        declared = _declaration(item, line)
        migration = read_migration(item.name, path, directory, defects, declared)
        if len(defects) == broken:
            lines = {kind: document.line(("migration", at, kind)) for kind in _DECLARED}
            defects += _check_declared(migration, shown, document.text, lines)
        yield migration


def _declaration(item: Listed, line: int) -> Declaration:
    return Declaration(
        number=item.number,
        purpose=item.purpose,
        risk=item.risk,
        estimate=item.estimate,
        estimate_minutes=item.estimate_minutes,
        requires=item.requires,
        objects={kind: getattr(item, kind) for kind in _DECLARED},
        line=line,
    )


def _line_of(text: str, needle: str, begin: int) -> int:
    """Return the line of an entry of a list that begins in a line, where it has one of its own."""
    lines = text.split("\n")
    return next((at for at in range(begin, len(lines) + 1) if needle in lines[at - 1]), begin)


def created(migration: Migration) -> dict[str, dict[str, Statement]]:
    """Return what a file creates by the manifest's kinds: kind, then name, then its statement."""
    found: dict[str, dict[str, Statement]] = {kind: {} for kind in _DECLARED}
    kinds = {"table": "tables", "enum": "enums", "index": "indexes"}
    for statement in migration.statements:
        for item in statement.creates:
            if item.kind in kinds:
                found[kinds[item.kind]][str(item)] = statement
        for key in statement.foreign_keys:
            found["relations"][str(key)] = statement
    return found


def _check_declared(
    migration: Migration, manifest: str, text: str, lines: Mapping[str, int]
) -> Iterator[Finding]:
    remedy = "Correct the manifest or the SQL."
    for kind, objects in created(migration).items():
        declared = migration.declared.objects[kind]
        for name in declared:
            if name not in objects:
                line = _line_of(text, f'"{name}"', lines[kind])
                cause = (
                    f"{migration.name} declares {name} among its {kind}, and does not create it."
                )
                yield _defect("manifest", manifest, line, cause, remedy)
        for name, statement in objects.items():
            if name not in declared:
                cause = (
                    f"{name} is created here, and not declared among the {kind} in the manifest."
                )
                yield _defect("manifest", statement.path, statement.line, cause, remedy)


def _check_unlisted(directory: Path, manifest: str, listed: set[str]) -> Iterator[Finding]:
    for path in sorted((directory / "migrations").glob("*/migration.sql")):
        if path.parent.name not in listed:
            cause = f"{_shown(path, directory)} is not listed in the manifest."
            yield _defect("manifest", manifest, 1, cause, "List it or remove it.")


def read_checks(directory: Path) -> tuple[Check, ...]:
    """Read every check of a directory, by file name; a directory that is not there holds none."""
    return tuple(read_check(path) for path in sorted(directory.glob("*.sql")))


def read_check(path: Path) -> Check:
    """Read one check: a line that says why, the header, then one SQL statement.

    ``expect`` is ``no rows``, ``= N``, ``>= N`` or ``by hand``; ``seen``, which may be left out, a
    query for what is said where the check holds. Raises ReleaseError with the line.
    """
    lines = _text_of(path).splitlines()
    size = next((at for at, text in enumerate(lines) if not text.startswith("--")), len(lines))
    comments = [text.removeprefix("--").strip() for text in lines[:size]]
    fields: dict[str, str] = {}
    for text in comments[1:]:
        key, colon, value = text.partition(":")
        if colon and key in {*_HEADER, _SEEN}:
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
    if sql:
        _refuse_no_query(sql, path, size)
    if seen := fields.get(_SEEN, ""):
        line = next(at for at, text in enumerate(comments) if text.startswith(f"{_SEEN}:"))
        _refuse_no_query(seen, path, line)
    severity = Severity(fields["severity"])
    expect, remedy = fields["expect"], fields["remedy"]
    return Check(fields["name"], comments[0], severity, expect, remedy, sql, path, seen)


def _text_of(path: Path) -> str:
    refuse_odd_file(path, path.parent)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = "The file is not UTF-8."
        raise ReleaseError(message, path=path, remedy="Save it as UTF-8.") from error


def _refuse_no_query(sql: str, path: Path, above: int) -> None:
    """Raise ReleaseError for a check that is anything but one query; ``above`` it are lines."""
    if fault := _no_query(sql):
        line, message, remedy = fault
        raise ReleaseError(message, path=path, line=above + line, remedy=remedy)


@lru_cache(maxsize=_KEPT)
def _no_query(sql: str) -> tuple[int, str, str] | None:
    """Return the line and what keeps a text from being one query; it is read once, as files are."""
    plain = re.sub(r"%\(\w+\)s", "NULL", sql).replace("%%", "%") if "%(" in sql else sql
    statements, found = read_statements(plain, "")
    if found:
        return found[0].line, found[0].cause, "Correct the query."
    for item in statements[1:] or [x for x in statements if not _only_reads(x)]:
        message = f"A check is one SELECT that reads; here is {item.label}."
        return item.line, message, "Take it out, or write a query."
    return None


def _only_reads(statement: Statement) -> bool:
    if statement.kind != "select" or statement.node.HasField("into_clause"):
        return False
    inner = (type(item).__name__ for _, item in walk(statement.node))
    return not _WRITES & set(inner)


_WRITES = {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "LockingClause"}


def _known_expectation(text: str) -> bool:
    operator, _, number = text.partition(" ")
    return text in {"no rows", "by hand"} or (operator in {"=", ">="} and number.isdigit())


def _refuse(path: Path, comments: list[str], key: str, value: str, known: str) -> None:
    line = next(at for at, text in enumerate(comments, start=1) if text.startswith(f"{key}:"))
    raise ReleaseError(f"{key} is '{value}'.", path=path, line=line, remedy=f"Write {known}.")
