"""Find migrations whose objects are there without a ledger row, and prove them equal."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from runbook_lib.errors import StatementError
from runbook_lib.findings import Finding, Severity
from runbook_lib.parser.identifiers import split, unquoted
from runbook_lib.parser.statement import DbObject, Statement
from runbook_lib.parser.transactions import sets_something
from runbook_lib.parser.tree import Node, kinds
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.snapshot import Difference, Snapshot
from runbook_lib.postgres.targets import build_schema
from runbook_lib.release.model import Migration
from runbook_lib.release.plan import standing

PARTLY_THERE = "partly-there"
"""The rule of a file of which the target has a part, and the ledger knows nothing."""
_SHOWN = 5


@dataclass(frozen=True)
class Presence:
    """Hold which of a migration's objects the target has already."""

    migration: Migration
    there: tuple[DbObject, ...]
    missing: tuple[DbObject, ...]


def find_candidates(
    connection: Connection, migrations: Sequence[Migration], known: Set[str]
) -> tuple[tuple[Migration, ...], tuple[Finding, ...]]:
    """Return the migrations outside ``known`` whose every object is on the target.

    Objects that a known migration accounts for say nothing about the others. One that is there by
    half is a finding: it can neither be applied nor adopted.
    """
    objects = {(row["kind"], row["name"]) for row in connection.rows(load("objects"))}
    explained = set(standing(item for item in migrations if item.name in known))
    found, halves = [], []
    for migration in migrations:
        if migration.name in known or not all(map(_creates_alone, migration.statements)):
            continue
        created = set(standing([migration])) - explained
        wanted = sorted(item for item in created if item.kind in _KINDS)
        if not {*wanted} - _replaced(migration):
            continue  # it is there to take the place of what is there
        there = tuple(item for item in wanted if (item.kind, _qualified(item)) in objects)
        missing = tuple(sorted(set(wanted).difference(there)))
        if there and not missing:
            found.append(migration)
        elif there:
            halves.append(_by_half(Presence(migration, there, missing)))
    return tuple(found), tuple(halves)


def _replaced(migration: Migration) -> set[DbObject]:
    """Return what a file makes in the place of one that may be there."""
    replacing = (item for item in migration.statements if item.kind == "view" and item.node.replace)
    return {made for item in replacing for made in item.creates}


def _creates_alone(statement: Statement) -> bool:
    """Tell whether all that a statement does is there when what it makes is there.

    Whether rows were changed, sequences moved or rights given cannot be seen from the objects, and
    of some objects a snapshot holds no more than the name.
    """
    if statement.kind in _PARTLY:
        return _PARTLY[statement.kind](statement.node)
    sets = statement.kind == "variable set" or sets_something(statement)
    return statement.kind in _CREATIONS or bool(statement.control) or sets


_ADDS = {
    kinds.AT_AddColumn,
    kinds.AT_AddConstraint,
    kinds.AT_AddIndex,
    kinds.AT_AttachPartition,
    kinds.AT_ColumnDefault,
    kinds.AT_SetNotNull,
    kinds.AT_EnableRowSecurity,
    kinds.AT_ForceRowSecurity,
    kinds.AT_ChangeOwner,
    kinds.AT_ReplicaIdentity,
}
_COMMENTED = {  # the comment is a part of what is compared
    *(kinds.OBJECT_TABLE, kinds.OBJECT_COLUMN, kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW),
    *(kinds.OBJECT_SEQUENCE, kinds.OBJECT_INDEX, kinds.OBJECT_TABCONSTRAINT, kinds.OBJECT_TYPE),
    *(kinds.OBJECT_DOMAIN, kinds.OBJECT_DOMCONSTRAINT, kinds.OBJECT_FUNCTION, kinds.OBJECT_ROUTINE),
    *(kinds.OBJECT_PROCEDURE, kinds.OBJECT_TRIGGER),
}
_CREATIONS = {
    *("create enum", "create domain", "composite type", "index", "view", "create seq"),
    *("create function", "create trig", "rule", "create extension", "create policy"),
    "create stats",
}
_PARTLY: Mapping[str, Callable[[Node], bool]] = {
    "alter table": lambda node: all(x.alter_table_cmd.subtype in _ADDS for x in node.cmds),
    # Whose child a table is, is not compared.
    "create": lambda node: not node.inh_relations or node.HasField("partbound"),
    "create schema": lambda node: bool(node.schemaname) and not node.schema_elts,
    "alter seq": lambda node: all(x.def_elem.defname != "restart" for x in node.options),
    "comment": lambda node: node.objtype in _COMMENTED,
}
_KINDS = {"table", "column", "enum", "index", "view"}


def _qualified(item: DbObject) -> str:
    middle = f"{item.table}." if item.kind == "column" else ""
    return f"{item.schema}.{middle}{item.name}"


def _by_half(presence: Presence) -> Finding:
    there = ", ".join(f"{item.kind} {item}" for item in presence.there[:_SHOWN])
    missing = ", ".join(f"{item.kind} {item}" for item in presence.missing[:_SHOWN])
    return _finding(
        PARTLY_THERE,
        next(
            item
            for item in presence.migration.statements
            if set(item.creates) & set(presence.there)
        ),
        f"The target has {len(presence.there)} objects of {presence.migration.name} ({there}) and "
        f"lacks {len(presence.missing)} ({missing}), and its ledger does not know the migration.",
        "Remove what is there, or complete it by hand so that it equals the migration.",
    )


def _finding(rule: str, statement: Statement, cause: str, remedy: str) -> Finding:
    return Finding(
        phase="looking",
        rule=rule,
        severity=Severity.ERROR,
        path=statement.path,
        line=statement.line,
        cause=cause,
        effect="The migration can neither be applied nor be recorded as applied.",
        remedy=remedy,
    )


def prove_equal(
    live: Snapshot, scratch: Connection, known: Sequence[Migration], found: Sequence[Migration]
) -> tuple[Mapping[str, str], tuple[Finding, ...]]:
    """Build the files in the database ``scratch``, without their objects, and compare structures.

    Every object that they create must be on the target, equal, and their tables may have nothing
    besides; whom a file gives an object to, is its owner. ``live`` has its settings. Returns the
    reason for each migration of ``found``, or the finding that lists the differences.
    """
    before = snapshot.take_snapshot(scratch).objects
    try:
        build_schema(scratch, [*known, *found])
    except StatementError as error:
        return {}, (_not_comparable(found, error),)
    whole = snapshot.take_snapshot(scratch, settings=True)
    expected = whole.restricted(lambda key: key not in before)
    differences = (
        *_unequal(expected, live),
        *_of_others(whole, live, set(_given([*known, *found]))),
    )
    if differences:
        return {}, (_differing(found, differences),)
    count = len(expected.objects)
    why = f"already there without a ledger row; all {count:,} objects of the baseline found equal"
    return {item.name: why for item in found}, ()


def _unequal(expected: Snapshot, live: Snapshot) -> tuple[Difference, ...]:
    """Compare what the files create, and all that their tables have, with the target."""
    tables = {key.split(" ", 1)[1] for key in expected.objects if key.startswith("table ")}

    def concerned(key: str) -> bool:
        owner = key.split(" ", 1)[1].rsplit(".", 1)[0]
        return key in expected.objects or owner in tables

    return snapshot.difference(expected, live.restricted(concerned))


def _differing(found: Sequence[Migration], differences: Sequence[Difference]) -> Finding:
    names = ", ".join(item.name for item in found)
    first = next(item for item in found[0].statements if item.creates)
    shown = "; ".join(str(item) for item in differences[:_SHOWN])
    more = len(differences) - _SHOWN
    cause = (
        f"The target has the tables of {names} without a ledger row, and they are not what "
        f"the files create: {shown}{f'; and {more} more' if more > 0 else ''}."
    )
    remedy = "Bring the target or the files in line, then run again."
    return _finding("differs-from-target", first, cause, remedy)


def _not_comparable(found: Sequence[Migration], error: StatementError) -> Finding:
    names = ", ".join(item.name for item in found)
    cause = (
        f"The target has the tables of {names} without a ledger row; to compare them, the files "
        f"were built elsewhere, and that failed: {error}"
    )
    first = next(item for item in found[0].statements if item.creates)
    return _finding("not-comparable", first, cause, "Correct the file.")


def _given(migrations: Iterable[Migration]) -> Iterator[str]:
    """Yield the names, ``schema.name``, of what the files give to an owner."""
    for statement in (item for migration in migrations for item in migration.statements):
        node = statement.node
        if statement.kind == "create schema" and node.HasField("authrole"):
            yield str(node.schemaname)
        if statement.kind == "alter table" and any(
            item.alter_table_cmd.subtype == kinds.AT_ChangeOwner for item in node.cmds
        ):
            yield from (lock.relation.qualified for lock in statement.locks)
            yield from (item.object.qualified for item in statement.references)


def _of_others(expected: Snapshot, live: Snapshot, given: Set[str]) -> Iterator[Difference]:
    """Yield what is not its owner's, of what was given to one."""
    found = _owners(live)
    for key, owner in _owners(expected).items():
        if ".".join(unquoted(split(key)[1])) in given and owner != found.get(key, owner):
            yield Difference(key, f"owned by {owner}", f"owned by {found[key]}")


def _owners(schema: Snapshot) -> dict[str, str]:
    """Return the owner of each object by its key, as its statement names him."""
    return {
        schema.addresses[address]: setting.back.rpartition(" OWNER TO ")[2]
        for mark, setting in schema.settings.items()
        for address, _, what in [mark.partition(" ")]
        if what == "owner" and address in schema.addresses
    }
