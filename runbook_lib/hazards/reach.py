"""Say what a statement does on the target: the tables that it names, and those that it reaches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from runbook_lib.hazards.alter_table import free_type, idle, rewritten, scanned
from runbook_lib.hazards.rules import Facts
from runbook_lib.hazards.structure import Constraint, Structure
from runbook_lib.parser.effects import Effects, constraints, option
from runbook_lib.parser.objects import named, named_relation
from runbook_lib.parser.statement import DbObject, Lock, LockMode, Statement
from runbook_lib.parser.tree import Node, definition, kinds, strings

M = LockMode
_ORDER = list(LockMode)
_CASCADE = kinds.DROP_CASCADE
# What is done to every table below as well, unless ONLY is said (PostgreSQL manual, 5.11).
_RECURSE = {
    *(kinds.AT_AddColumn, kinds.AT_DropColumn, kinds.AT_AlterColumnType, kinds.AT_ColumnDefault),
    *(kinds.AT_SetNotNull, kinds.AT_DropNotNull, kinds.AT_SetStatistics, kinds.AT_SetStorage),
    *(kinds.AT_SetCompression, kinds.AT_AddConstraint, kinds.AT_DropConstraint),
    *(kinds.AT_ValidateConstraint, kinds.AT_SetExpression, kinds.AT_DropExpression),
}
_OF_PARTITIONS = {
    *(kinds.AT_EnableTrig, kinds.AT_EnableAlwaysTrig, kinds.AT_EnableReplicaTrig),
    *(kinds.AT_EnableTrigAll, kinds.AT_EnableTrigUser, kinds.AT_DisableTrig),
    *(kinds.AT_DisableTrigAll, kinds.AT_DisableTrigUser),
}


_LOCKS_BELOW = 18  # from it on ADD CONSTRAINT locks all below, and ATTACH looks keys up
_ALWAYS = {kinds.AT_DropColumn, kinds.AT_DropConstraint}  # ONLY leaves what it owns below


@dataclass(frozen=True)
class Touch:
    """Hold what is done to one table: the lock, and whether its rows are written anew or read."""

    table: str
    mode: LockMode | None = None
    rewritten: bool = False
    scanned: bool = False


Touches = Iterator[Touch]


def predict(statement: Statement, facts: Facts) -> Effects:
    """Return what a statement does on this target: what reading tells, and what its catalogs add.

    Tables that are new in the release have no facts: of them, what reading tells is said.
    """
    strongest = {item.relation.qualified: item for item in statement.locks}
    rewritten = {item.qualified: item for item in statement.rewrites}
    read = {item.qualified: item for item in statement.scans}
    if statement.kind == "dynamic":
        return Effects(statement.locks, statement.rewrites, statement.scans)
    decided = _DECIDED.get(statement.tag)
    if decided is not None and decided(statement, facts):
        rewritten, read = {}, {}
    handler = _HANDLERS.get(statement.tag)
    for touch in handler(statement, facts) if handler else ():
        table = _object(touch.table)
        if touch.mode is not None:
            known = strongest.get(touch.table)
            if known is None or _ORDER.index(known.mode) < _ORDER.index(touch.mode):
                strongest[touch.table] = Lock(table, touch.mode)
        if touch.rewritten:
            rewritten[touch.table] = table
        if touch.scanned:
            read[touch.table] = table
    scans = tuple(item for name, item in read.items() if name not in rewritten)
    return Effects(tuple(strongest.values()), tuple(rewritten.values()), scans)


def _object(qualified: str) -> DbObject:
    schema, name = qualified.split(".", 1)
    return DbObject("relation", schema, name)


def _first(statement: Statement) -> str:
    """Return the relation that the statement names first, in the schema that search_path gives."""
    own = named_relation(statement.node.relation)
    locked = (item.relation for item in statement.locks)
    return next((x.qualified for x in locked if x.name == own.name), own.qualified)


# --- ALTER TABLE --------------------------------------------------------------------------------


def _known(statement: Statement, facts: Facts) -> bool:
    """Tell whether the target knows better than reading what is written and read."""
    return statement.node.objtype == kinds.OBJECT_TABLE and _first(statement) in facts.tables


def _alter_table(statement: Statement, facts: Facts) -> Touches:
    table = _first(statement)
    if not _known(statement, facts):
        return
    modes = {item.relation.qualified: item.mode for item in statement.locks}
    alone = not statement.node.relation.inh
    for cmd in (item.alter_table_cmd for item in statement.node.cmds):
        if idle(cmd, facts.tables[table]):
            continue
        below = tuple(facts.structure.below(table)) if _recurses(cmd, table, facts) else ()
        for each in (table, *(() if alone and cmd.subtype not in _ALWAYS else below)):
            theirs = each == table or not _stays(cmd)
            yield Touch(
                each,
                _mode_below(cmd, table, modes[table], facts) if below else None,
                rewritten=theirs and bool(rewritten(cmd, each, facts)),
                scanned=theirs and bool(scanned(cmd, each, facts)),
            )
            yield from _others(cmd, each, facts)


def _recurses(cmd: Node, table: str, facts: Facts) -> bool:
    if cmd.subtype in _OF_PARTITIONS:
        return facts.tables[table].storage.parted and table in facts.structure.triggered
    locked = facts.server_major >= _LOCKS_BELOW or not _stays(cmd)
    return cmd.subtype in _RECURSE and locked


def _mode_below(cmd: Node, table: str, mode: LockMode, facts: Facts) -> LockMode:
    """Return the lock on a table below: up to 17 partitions get their index like any table."""
    given = definition(cmd).constraint
    index = given.contype in {kinds.CONSTR_UNIQUE, kinds.CONSTR_EXCLUSION}
    adds = cmd.subtype == kinds.AT_AddConstraint and facts.server_major < _LOCKS_BELOW
    return M.SHARE if adds and index and facts.structure.parted(table) else mode


def _stays(cmd: Node) -> bool:
    constraint = definition(cmd).constraint
    return cmd.subtype == kinds.AT_AddConstraint and bool(constraint.is_no_inherit)


def _others(cmd: Node, table: str, facts: Facts) -> Touches:
    """Yield the locks on other tables that one sub-command takes."""
    structure = facts.structure
    if cmd.subtype in {kinds.AT_DropConstraint, kinds.AT_DropColumn}:
        yield from _dropped(cmd, table, structure)
    elif cmd.subtype == kinds.AT_AlterColumnType:
        yield from _keys_anew(cmd, table, facts)
    elif cmd.subtype in {kinds.AT_AttachPartition, kinds.AT_DetachPartition}:
        yield from _partition(cmd, table, facts)
    elif cmd.subtype == kinds.AT_ValidateConstraint:
        known = structure.constraint(table, cmd.name)
        if known is not None and known.target and not known.valid:
            yield Touch(known.target, M.ROW_SHARE, scanned=True)
    elif cmd.subtype in {kinds.AT_AddConstraint, kinds.AT_AddColumn}:
        yield from _referenced(cmd, table, facts)


def _referenced(cmd: Node, table: str, facts: Facts) -> Touches:
    """Yield the table of a new foreign key with its partitions: it is read where rows are."""
    for item in constraints(definition(cmd)):
        if item.contype == kinds.CONSTR_FOREIGN:
            target = named_relation(item.pktable).qualified
            looked = bool(scanned(cmd, table, facts)) and not item.skip_validation
            for each in (target, *facts.structure.below(target)):
                parted = facts.structure.parted(each)
                yield Touch(each, M.SHARE_ROW_EXCLUSIVE, scanned=looked and not parted)


def _dropped(cmd: Node, table: str, structure: Structure) -> Touches:
    cascade = cmd.behavior == _CASCADE
    for item in structure.constraints_on.get(table, ()):
        gone = item.columns if cmd.subtype == kinds.AT_DropColumn else (item.name,)
        if cmd.name not in gone:
            continue
        if item.target:
            yield from _key_dropped(item, structure)
        elif cascade and item.kind in {"p", "u"}:
            yield from _keys_that_need(item, structure)
    if cascade and cmd.subtype == kinds.AT_DropColumn:
        for use in structure.uses_of("relation", table):
            if use.column == cmd.name:
                yield from _view_dropped(use.by, structure)


def _key_dropped(key: Constraint, structure: Structure) -> Touches:
    """Yield the two tables of a foreign key, whose triggers go with it, and their partitions."""
    for table in (key.table, key.target or ""):
        for each in (table, *structure.below(table)):
            yield Touch(each, M.ACCESS_EXCLUSIVE)


def _keys_that_need(unique: Constraint, structure: Structure) -> Touches:
    for key in structure.keys_to.get(unique.table, ()):
        if set(key.target_columns) == set(unique.columns):
            yield from _key_dropped(key, structure)


def _keys_anew(cmd: Node, table: str, facts: Facts) -> Touches:
    """Yield the other tables of the foreign keys over a column whose type changes.

    Where the values change, every row is looked up again.
    """
    structure, again = facts.structure, not free_type(cmd, table, facts)
    keys = [x for x in structure.constraints_on.get(table, ()) if cmd.name in x.columns]
    keys += [x for x in structure.keys_to.get(table, ()) if cmd.name in x.target_columns]
    for key in keys:
        if key.target:
            for touch in _key_dropped(key, structure):
                parted = facts.structure.parted(touch.table)
                yield replace(touch, scanned=again and not parted)


def _partition(cmd: Node, table: str, facts: Facts) -> Touches:
    given, structure = definition(cmd).partition_cmd, facts.structure
    part = named_relation(given.name).qualified
    otherwise = structure.otherwise(table)
    attaches = cmd.subtype == kinds.AT_AttachPartition
    if otherwise and not given.concurrent:
        yield Touch(otherwise, M.ACCESS_EXCLUSIVE, scanned=attaches and otherwise != part)
    if attaches:
        yield Touch(part, scanned=True)
        for touch in _keys_of_parent(table, structure):
            refers = touch.table in {key.table for key in structure.keys_to.get(table, ())}
            yield replace(touch, scanned=facts.server_major >= _LOCKS_BELOW and not refers)
    elif not given.concurrent:
        yield from _keys_of_parent(table, structure)
        for key in structure.keys_to.get(table, ()):
            yield Touch(key.table, M.ACCESS_EXCLUSIVE, scanned=True)
    for each in structure.below(part):
        yield Touch(each, M.ACCESS_EXCLUSIVE)


def _keys_of_parent(table: str, structure: Structure) -> Touches:
    """Yield the other tables of the foreign keys of a table whose partition comes or goes."""
    for key in structure.constraints_on.get(table, ()):
        if key.target:
            yield Touch(key.target, M.SHARE_ROW_EXCLUSIVE)
    for key in structure.keys_to.get(table, ()):
        yield Touch(key.table, M.SHARE_ROW_EXCLUSIVE)


# --- CREATE -------------------------------------------------------------------------------------


def _create_table(statement: Statement, facts: Facts) -> Touches:
    structure = facts.structure
    if statement.node.if_not_exists and _first_new(statement) in facts.tables:
        return
    for key in statement.foreign_keys:
        target = next((x.relation for x in statement.locks if x.relation.name == key.target), None)
        for each in structure.below(target.qualified) if target else ():
            yield Touch(each, M.SHARE_ROW_EXCLUSIVE)
    if statement.node.HasField("partbound"):
        parent = named_relation(statement.node.inh_relations[0].range_var)
        locked = (lock.relation for lock in statement.locks)  # no temporary one is
        table = next((x.qualified for x in locked if x.name == parent.name), parent.qualified)
        otherwise = structure.otherwise(table)
        if otherwise:
            yield Touch(otherwise, M.ACCESS_EXCLUSIVE, scanned=True)
        yield from _keys_of_parent(table, structure)


def _first_new(statement: Statement) -> str:
    made = (item.qualified for item in statement.creates if item.kind in {"table", "view"})
    return next(made, "")


def _create_index(statement: Statement, facts: Facts) -> Touches:
    table = _first(statement)
    if _index_is_there(statement, facts):
        return
    yield Touch(table, scanned=not facts.structure.parted(table))
    if statement.node.relation.inh and facts.structure.parted(table):
        for each in facts.structure.below(table):
            yield Touch(each, M.SHARE, scanned=True)


def _index_is_there(statement: Statement, facts: Facts) -> bool:
    schema = _first(statement).split(".")[0]
    name = f"{schema}.{statement.node.idxname}"
    return bool(statement.node.if_not_exists) and name in facts.structure.indexes


def _trigger(statement: Statement, facts: Facts) -> Touches:
    table = _first(statement)
    if statement.node.row and facts.structure.parted(table):
        for each in facts.structure.below(table):
            yield Touch(each, M.SHARE_ROW_EXCLUSIVE)


# --- DROP, TRUNCATE -----------------------------------------------------------------------------


def _drop(statement: Statement, facts: Facts) -> Touches:
    node, structure = statement.node, facts.structure
    cascade = node.behavior == _CASCADE
    for name in _dropped_names(statement):
        if node.remove_type == kinds.OBJECT_TABLE:
            yield from _table_dropped(name, structure)
        elif node.remove_type in {kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW}:
            yield from _view_dropped(name, structure)
        elif node.remove_type == kinds.OBJECT_INDEX and name in structure.indexes:
            yield from _index_dropped(name, structure, concurrent=node.concurrent)
        elif node.remove_type in _USED and cascade:
            yield from _used_dropped(_USED[node.remove_type], name, structure)
        elif node.remove_type == kinds.OBJECT_STATISTIC_EXT:
            for use in structure.uses_of("statistics", name):
                yield Touch(use.by, M.SHARE_UPDATE_EXCLUSIVE)


_USED = {
    kinds.OBJECT_TYPE: "type",
    kinds.OBJECT_DOMAIN: "type",
    kinds.OBJECT_FUNCTION: "function",
    kinds.OBJECT_SEQUENCE: "sequence",
    kinds.OBJECT_SCHEMA: "schema",
}


def _dropped_names(statement: Statement) -> Iterator[str]:
    for item in statement.node.objects:
        if item.HasField("type_name"):
            yield named("type", strings(item.type_name.names)).qualified
        elif item.HasField("object_with_args"):
            yield named("function", strings(item.object_with_args.objname)).qualified
        elif item.HasField("string"):
            yield str(item.string.sval)
        else:
            own = named("relation", strings(item.list.items))
            gone = (*statement.removes, *(lock.relation for lock in statement.locks))
            yield next((x.qualified for x in gone if x.name == own.name), own.qualified)


def _table_dropped(table: str, structure: Structure) -> Touches:
    """Yield what goes or is changed with a table: RESTRICT refuses what CASCADE takes along."""
    yield Touch(table, M.ACCESS_EXCLUSIVE)
    for above in structure.above(table):
        yield Touch(above.parent, M.ACCESS_EXCLUSIVE if above.partition else M.ACCESS_SHARE)
        if above.partition and structure.otherwise(above.parent):
            yield Touch(structure.otherwise(above.parent), M.ACCESS_EXCLUSIVE)
        for key in structure.keys_to.get(above.parent, ()):
            yield from _key_dropped(key, structure)
    for below in structure.below(table):
        yield from _alone_dropped(below, structure)
    yield from _alone_dropped(table, structure)


def _alone_dropped(table: str, structure: Structure) -> Touches:
    yield Touch(table, M.ACCESS_EXCLUSIVE)
    for key in structure.constraints_on.get(table, ()):
        if key.target:
            yield from _key_dropped(key, structure)
    for key in structure.keys_to.get(table, ()):
        yield from _key_dropped(key, structure)
    for use in structure.uses_of("relation", table):
        yield from _view_dropped(use.by, structure)


def _view_dropped(view: str, structure: Structure) -> Touches:
    yield Touch(view, M.ACCESS_EXCLUSIVE)
    for use in structure.uses_of("relation", view):
        yield from _view_dropped(use.by, structure)


def _index_dropped(name: str, structure: Structure, *, concurrent: bool) -> Touches:
    table = structure.indexes[name].table
    mode = M.SHARE_UPDATE_EXCLUSIVE if concurrent else M.ACCESS_EXCLUSIVE
    for each in (table, *(structure.below(table) if structure.parted(table) else ())):
        yield Touch(each, mode)


def _used_dropped(kind: str, name: str, structure: Structure) -> Touches:
    for use in structure.uses_of(kind, name):
        if use.how == "view":
            yield from _view_dropped(use.by, structure)
        elif use.how in {"of", "relation"}:
            yield from _table_dropped(use.by, structure)
        else:
            yield Touch(use.by, M.ACCESS_EXCLUSIVE)


def _truncate(statement: Statement, facts: Facts) -> Touches:
    structure = facts.structure
    todo = [
        each
        for item, lock in zip(statement.node.relations, statement.locks, strict=False)
        for each in _with_below(lock.relation.qualified, structure, alone=not item.range_var.inh)
    ]
    seen: set[str] = set()
    while todo:
        table = todo.pop()
        if table in seen:
            continue
        seen.add(table)
        yield Touch(table, M.ACCESS_EXCLUSIVE, rewritten=not structure.parted(table))
        if statement.node.behavior == _CASCADE:
            for key in structure.keys_to.get(table, ()):
                todo += _with_below(key.table, structure, alone=False)


def _with_below(table: str, structure: Structure, *, alone: bool) -> Iterable[str]:
    return (table, *(() if alone else structure.below(table)))


# --- DOMAIN, TYPE, RENAME, INDEX ----------------------------------------------------------------


def _alter_domain(statement: Statement, facts: Facts) -> Touches:
    node = statement.node
    adds = node.subtype == "C" and not definition(node).constraint.skip_validation
    looked = adds or node.subtype in {"O", "V"}  # SET NOT NULL, VALIDATE CONSTRAINT
    name = named("type", strings(node.type_name)).qualified
    for use in facts.structure.uses_of("type", name) if looked else ():
        yield Touch(use.by, M.SHARE, scanned=True)


def _alter_type(statement: Statement, facts: Facts) -> Touches:
    if statement.node.objtype != kinds.OBJECT_TYPE:
        return
    for cmd in (item.alter_table_cmd for item in statement.node.cmds):
        if cmd.behavior == _CASCADE:
            for use in facts.structure.uses_of("type", _first(statement)):
                if use.how == "of":
                    yield Touch(
                        use.by,
                        M.ACCESS_EXCLUSIVE,
                        rewritten=cmd.subtype == kinds.AT_AlterColumnType,
                    )


def _alter(statement: Statement, facts: Facts) -> Touches:
    if statement.node.objtype == kinds.OBJECT_TYPE:
        yield from _alter_type(statement, facts)
    else:
        yield from _alter_table(statement, facts)


def _rename(statement: Statement, facts: Facts) -> Touches:
    if statement.node.rename_type == kinds.OBJECT_ATTRIBUTE:
        for use in facts.structure.uses_of("type", _first(statement)):
            if use.how == "of":
                yield Touch(use.by, M.ACCESS_EXCLUSIVE)
    of_all = {kinds.OBJECT_COLUMN, kinds.OBJECT_TABCONSTRAINT}
    if statement.node.rename_type in of_all and statement.node.relation.inh:
        for each in facts.structure.below(_first(statement)):
            yield Touch(each, M.ACCESS_EXCLUSIVE)


def _reindex(statement: Statement, facts: Facts) -> Touches:
    node = statement.node
    if node.kind == kinds.REINDEX_OBJECT_INDEX:
        index = facts.structure.indexes.get(named_relation(node.relation).qualified)
        if index is not None:
            beside = option(node.params, "concurrently")
            yield Touch(index.table, M.SHARE_UPDATE_EXCLUSIVE if beside else M.SHARE, scanned=True)
    elif node.kind == kinds.REINDEX_OBJECT_TABLE:
        for each in (_first(statement), *facts.structure.below(_first(statement))):
            if facts.structure.indexes_on.get(each):
                yield Touch(each, scanned=not facts.structure.parted(each))


_HANDLERS: dict[str, Callable[[Statement, Facts], Touches]] = {
    "alter_table_stmt": _alter,
    "create_stmt": _create_table,
    "index_stmt": _create_index,
    "create_trig_stmt": _trigger,
    "drop_stmt": _drop,
    "truncate_stmt": _truncate,
    "alter_domain_stmt": _alter_domain,
    "rename_stmt": _rename,
    "reindex_stmt": _reindex,
}
_DECIDED: dict[str, Callable[[Statement, Facts], bool]] = {
    "alter_table_stmt": _known,
    "index_stmt": lambda statement, facts: _first(statement) in facts.tables,
    "truncate_stmt": lambda statement, facts: True,
}
