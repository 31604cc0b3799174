"""Plan a release for a target: the order it applies in, its steps, and their digest."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from runbook_lib.errors import SqlState
from runbook_lib.findings import Finding, Severity
from runbook_lib.parser.statement import DbObject, Reference, Split, Statement
from runbook_lib.redaction import redact_values
from runbook_lib.release.model import Migration, Release

_RELATIONS = {"table", "view", "sequence", "relation"}
_TYPES = {"enum", "type"}
_SYSTEM_SCHEMAS = {"pg_catalog", "information_schema", "pg_temp", "pg_toast"}

Key = tuple[str, str, str]


class StepKind(StrEnum):
    """Name what one step of a plan does to the target."""

    BASELINE = "baseline"
    APPLY = "apply"
    DEMO_ROWS = "demo rows"


@dataclass(frozen=True)
class Target:
    """Identify the database that answered, as it described itself."""

    environment: str
    host: str
    port: int
    dbname: str
    user: str
    server_version: int
    system_identifier: str
    in_recovery: bool
    embedded: bool

    @property
    def version(self) -> str:
        """Return the server version as people write it, for example ``17.10``."""
        return f"{self.server_version // 10000}.{self.server_version % 10000}"

    @property
    def major(self) -> int:
        """Return the major version, for example ``17``."""
        return self.server_version // 10000

    def same_database(self, other: "Target") -> bool:
        """Tell whether both are one database of one server, whoever reaches it and how."""
        mine = (self.system_identifier, self.dbname)
        return mine == (other.system_identifier, other.dbname)


@dataclass(frozen=True)
class Moved:
    """Say why a migration is not at the place where the release lists it."""

    migration: str
    behind: str
    reason: str


@dataclass(frozen=True)
class Order:
    """Hold the migrations' names in the order they apply, and what was moved."""

    names: tuple[str, ...]
    moved: tuple[Moved, ...]
    requires: Mapping[str, tuple[str, ...]]
    defects: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Step:
    """Hold one step of a plan: a migration to apply or to baseline, or rows to add."""

    name: str
    kind: StepKind
    checksum: str
    why: str
    split: Split = field(default_factory=Split)


@dataclass(frozen=True)
class Plan:
    """Hold what is going to be done to one target, and the digest that binds it.

    The release's digest, and its files' of which it is made, are the same on every target. The
    plan's own is what is approved: it binds the target and what ``environments.toml`` says, too.
    """

    release: str
    release_digest: str
    release_files: Mapping[str, str]
    target: Target
    settings: Mapping[str, str]
    order: tuple[str, ...]
    moved: tuple[Moved, ...]
    applied: tuple[str, ...]
    steps: tuple[Step, ...]
    schema_fingerprint: str
    defects: tuple[Finding, ...] = ()
    digest: str = ""

    @property
    def splits(self) -> dict[str, Split]:
        """Return what is taken out of each file's transaction, by step."""
        return {step.name: step.split for step in self.steps if step.split}


def _keys(item: DbObject) -> list[Key]:
    """Return the namespaces an object is found in: a table is a relation and a row type."""
    if item.kind in _RELATIONS:
        return [("relation", item.schema, item.name), ("type", item.schema, item.name)]
    return [("type", item.schema, item.name)] if item.kind in _TYPES else []


def order(release: Release, existing: Set[str] = frozenset()) -> Order:
    """Sort the migrations so that each stands behind what it needs, else as they are listed.

    ``existing`` names the relations of the target as ``schema.name``. Dependencies are what the
    parsed SQL references and another file creates, and what the manifest requires. The order's
    defects are its cycles (both files and lines), tables that nothing creates (SQLSTATE 42P01, as
    the server would say) and requirements that are not in the release.
    """
    defects: list[Finding] = []
    known = _Known(
        release.migrations,
        existing,
        _makers(release.migrations),
        _removers(release.migrations, existing),
        frozenset(item.name for item in release.migrations),
        next((at for at, item in enumerate(release.migrations) if _opaque(item)), None),
    )
    needs = {
        item.name: _needs(here, known, defects) for here, item in enumerate(release.migrations)
    }
    placed: dict[str, None] = {}
    waiting = [item.name for item in release.migrations]
    moved: dict[str, Moved] = {}
    while waiting:
        free = (name for name in waiting if all(other in placed for other in needs[name]))
        ready = next(free, None)
        if ready is None:
            ring = _ring(waiting, needs)
            defects.append(_cycle(ring, needs, release))
            ready = min(ring, key=waiting.index)
        for name in waiting[: waiting.index(ready)]:
            behind = [other for other in needs[name] if other not in placed]
            moved[name] = Moved(name, behind[-1], needs[name][behind[-1]])
        waiting.remove(ready)
        placed[ready] = None
    names = tuple(placed)
    requires = {name: tuple(needs[name]) for name in names}
    in_order = tuple(moved[name] for name in names if name in moved)
    return Order(names, in_order, requires, tuple(defects))


@dataclass(frozen=True)
class _Known:
    """Hold what every file's needs are looked up in.

    From the file ``opaque`` on, objects may be there that reading does not see.
    """

    migrations: tuple[Migration, ...]
    existing: Set[str]
    makers: Mapping[Key, list[tuple[int, str]]]
    removers: Mapping[Key, list[int]]
    listed: Set[str]
    opaque: int | None


def _needs(here: int, known: _Known, defects: list[Finding]) -> dict[str, str]:
    """Return the migrations this one needs, each with the reason; add what nothing can meet."""
    migration = known.migrations[here]
    found: dict[str, str] = {}
    for name in migration.declared.requires:
        if name not in known.listed:
            cause = f"{migration.name} requires {name}, which is not in the release."
            line = migration.declared.line
            effect, remedy = "The order cannot be known.", "Correct the manifest."
            defects.append(_defect("manifest", "release.toml", line, cause, effect, remedy))
            continue
        found[name] = "the manifest requires it"
    made: set[Key] = set()
    blind = known.opaque is not None and known.opaque <= here
    for statement in migration.statements:
        for reference in statement.references:
            key = _keys(reference.object)[0]
            if key in made or (key[0], "pg_temp", key[2]) in made:
                continue
            maker = _maker(known.makers.get(key, ()), known.removers.get(key, ()), here)
            if maker is not None:
                source, place = maker
                found.setdefault(
                    known.migrations[source].name,
                    f"{statement.path}:{reference.line} needs {reference.object}, "
                    f"created at {place}",
                )
            elif not blind and _unmet(key, known.existing):
                defects.append(_missing(statement, reference))
        made.update(key for item in statement.creates for key in _keys(item))
    return found


def _makers(migrations: Iterable[Migration]) -> dict[Key, list[tuple[int, str]]]:
    """Return for each object the files that create it, by place in the release, and where."""
    found: dict[Key, list[tuple[int, str]]] = {}
    for here, migration in enumerate(migrations):
        for statement in migration.statements:
            for key in (key for item in statement.creates for key in _keys(item)):
                places = found.setdefault(key, [])
                if not places or places[-1][0] != here:
                    places.append((here, statement.place))
    return found


def _removers(migrations: Iterable[Migration], existing: Set[str]) -> dict[Key, list[int]]:
    """Return for each object the files that drop or rename it, by place: it was there before."""
    found: dict[Key, list[int]] = {}
    for here, migration in enumerate(migrations):
        for statement in migration.statements:
            for item in statement.removes:
                if item.qualified in existing or not statement.node.missing_ok:
                    for key in _keys(item):
                        found.setdefault(key, []).append(here)
    return found


def _maker(
    places: Sequence[tuple[int, str]], removed: Sequence[int], here: int
) -> tuple[int, str] | None:
    """Find who creates an object: the nearest file before this one, else the first behind it.

    What is removed before it is created behind is another one of the same name.
    """
    before = [item for item in places if item[0] < here]
    behind = [item for item in places if item[0] > here]
    if before or not behind:
        return before[-1] if before else None
    return None if any(here <= at <= behind[0][0] for at in removed) else behind[0]


def _opaque(migration: Migration) -> bool:
    return any(statement.opaque for statement in migration.statements)


def _unmet(key: Key, existing: Set[str]) -> bool:
    namespace, schema, name = key
    if namespace != "relation" or schema in _SYSTEM_SCHEMAS or name.startswith("pg_"):
        return False  # an unknown type may be built in: the server knows
    if name.endswith("_seq"):
        return False  # a serial column's sequence is not in the parse tree
    return name != "_prisma_migrations" and f"{schema}.{name}" not in existing


def _missing(statement: Statement, reference: Reference) -> Finding:
    cause = f'Table "{reference.object}" is needed; no file creates it, the target has none.'
    effect = "The statement fails, and its file with it."
    remedy = "Add the migration that creates the table, or correct the name."
    found = _defect("missing-table", statement.path, reference.line, cause, effect, remedy)
    return replace(
        found, sqlstate=SqlState.UNDEFINED_TABLE, statement=statement.line, number=statement.number
    )


def _ring(waiting: list[str], needs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the files that wait for each other."""
    chain = [waiting[0]]
    while True:
        following = next(name for name in needs[chain[-1]] if name in waiting)
        if following in chain:
            return chain[chain.index(following) :]
        chain.append(following)


def _cycle(ring: list[str], needs: Mapping[str, Mapping[str, str]], release: Release) -> Finding:
    reasons = "; ".join(
        f"{name} waits for {other}: {needs[name][other]}"
        for name, other in zip(ring, [*ring[1:], ring[0]], strict=True)
    )
    cause = f"The migrations need each other in a circle ({reasons})."
    first = release.migration(ring[0]).statements
    path, line = (first[0].path, first[0].line) if first else (ring[0], 0)
    remedy = "Move one of the statements to a file of its own."
    return _defect("dependency-cycle", path, line, cause, "No order applies.", remedy)


def _defect(rule: str, path: str, line: int, cause: str, effect: str, remedy: str) -> Finding:
    return Finding("reading", rule, Severity.ERROR, path, line, cause, effect, remedy)


def make_plan(
    release: Release,
    target: Target,
    applied: Iterable[str],
    baseline: Mapping[str, str],
    ordered: Order,
    fingerprint: str,
    *,
    demo_rows: bool,
    settings: Mapping[str, str],
    splits: Mapping[str, Split] = MappingProxyType({}),
    defects: Iterable[Finding] = (),
) -> Plan:
    """Plan the steps that bring ``target`` through ``release``.

    ``ordered`` is what ``order`` returned, ``applied`` are the names the ledger calls finished,
    ``baseline`` those whose objects were found equal on the target, each with the reason,
    ``settings`` what the environment says, ``splits`` what is taken out of a file's transaction,
    ``defects`` what was found besides. The digest binds every field.
    """
    done = set(applied)
    why = {item.migration: item.reason for item in ordered.moved}
    steps = []
    for name in ordered.names:
        pending = name not in done and name not in baseline
        if name == release.demo_before and demo_rows and pending:
            steps.append(_demo_step(release))
        checksum = release.migration(name).checksum
        if name in baseline:
            steps.append(Step(name, StepKind.BASELINE, checksum, baseline[name]))
        elif pending:
            split = splits.get(name, Split())
            steps.append(Step(name, StepKind.APPLY, checksum, why.get(name, "pending"), split))
    plan = Plan(
        release=release.name,
        release_digest=release.digest,
        release_files=release.files,
        target=target,
        settings=settings,
        order=ordered.names,
        moved=ordered.moved,
        applied=tuple(name for name in ordered.names if name in done),
        steps=tuple(steps),
        schema_fingerprint=fingerprint,
        # As it will be written: the digest is of what a person can read.
        defects=tuple(_redacted(item) for item in (*ordered.defects, *defects)),
    )
    return with_digest(plan)


def with_digest(plan: Plan) -> Plan:
    """Return the plan with the digest that binds its other fields."""
    return replace(plan, digest=digest(plan))


def _redacted(item: Finding) -> Finding:
    return Finding(**{**redact_values(vars(item)), "severity": item.severity})


def _demo_step(release: Release) -> Step:
    total = hashlib.sha256()
    for path in release.demo_files:
        total.update(path.read_bytes())
    why = "embedded targets only: gives the index builds and checks something to show"
    return Step("demo_rows", StepKind.DEMO_ROWS, total.hexdigest(), why)


def digest(plan: Plan) -> str:
    """Return the SHA-256 over every field of the plan but the digest itself."""
    content = asdict(replace(plan, digest=""))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def standing(migrations: Iterable[Migration]) -> tuple[DbObject, ...]:
    """Return what must be there after these migrations: what they create less what they remove."""
    there: dict[DbObject, None] = {}
    named: dict[tuple[str, ...], set[DbObject]] = {}
    for migration in migrations:
        for statement in migration.statements:
            for gone in statement.removes:
                own = (gone.table, gone.name) if gone.table else (gone.name,)
                for item in named.get((gone.schema, *own), ()):
                    if _goes_with(item, gone):
                        there.pop(item, None)
            for item in statement.creates:
                there[item] = None
                of_table = ((item.table,), (item.table, item.name)) if item.table else ()
                for own in ((item.name,), *of_table):
                    named.setdefault((item.schema, *own), set()).add(item)
    return tuple(item for item in there if item.schema != "pg_temp")


def _goes_with(item: DbObject, gone: DbObject) -> bool:
    if item.schema != gone.schema:
        return False
    if gone.kind == "table" and item.table == gone.name:
        return True
    if item.name != gone.name or (gone.table and item.table != gone.table):
        return False
    return item.kind == gone.kind or {item.kind, gone.kind} <= _TYPES
