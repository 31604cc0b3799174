"""Say what a statement does to tables by reading: locks, rewrites and scans."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook_lib.parser.objects import named, named_relation
from runbook_lib.parser.statement import DbObject, Lock, LockMode
from runbook_lib.parser.tree import Node, definition, kinds, strings, type_name, walk

_REWRITES = {
    kinds.AT_AlterColumnType,
    kinds.AT_SetLogged,
    kinds.AT_SetUnLogged,
    kinds.AT_SetAccessMethod,
    kinds.AT_SetTableSpace,
    kinds.AT_SetExpression,
}
_SCANS = {kinds.AT_SetNotNull, kinds.AT_ValidateConstraint}
_CHECKED = {kinds.CONSTR_CHECK, kinds.CONSTR_FOREIGN, kinds.CONSTR_NOTNULL}
_INDEXED = {kinds.CONSTR_PRIMARY, kinds.CONSTR_UNIQUE, kinds.CONSTR_EXCLUSION}
# Functions of PostgreSQL and its contrib modules that return something else for every row.
VOLATILE = {
    *("random", "random_normal", "clock_timestamp", "timeofday", "nextval", "gen_random_uuid"),
    *("uuidv4", "uuidv7", "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4"),
    *("gen_random_bytes", "txid_current", "setseed", "currval", "lastval", "gen_salt"),
}
SERIALS = {"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"}

M = LockMode
# PostgreSQL manual, ALTER TABLE, and 13.3.1: the sub-commands that do with less than the strongest.
_ALTER = {
    kinds.AT_SetStatistics: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_SetOptions: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_ResetOptions: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_SetRelOptions: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_ResetRelOptions: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_ClusterOn: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_DropCluster: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_ValidateConstraint: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_AttachPartition: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_DetachPartitionFinalize: M.SHARE_UPDATE_EXCLUSIVE,
    kinds.AT_EnableTrig: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_EnableAlwaysTrig: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_EnableReplicaTrig: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_EnableTrigAll: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_EnableTrigUser: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_DisableTrig: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_DisableTrigAll: M.SHARE_ROW_EXCLUSIVE,
    kinds.AT_DisableTrigUser: M.SHARE_ROW_EXCLUSIVE,
}
_OPTIONS = {kinds.AT_SetRelOptions, kinds.AT_ResetRelOptions}
# Storage parameters that are set beside the traffic (reloptions.c); the others are not.
_MILD = {
    *("fillfactor", "parallel_workers", "toast_tuple_target", "autovacuum_enabled"),
    *("vacuum_truncate", "vacuum_index_cleanup", "vacuum_max_eager_freeze_failure_rate"),
    *("log_autovacuum_min_duration", "autovacuum_vacuum_threshold"),
    *("autovacuum_vacuum_max_threshold", "autovacuum_vacuum_scale_factor"),
    *("autovacuum_vacuum_insert_threshold", "autovacuum_vacuum_insert_scale_factor"),
    *("autovacuum_analyze_threshold", "autovacuum_analyze_scale_factor"),
    *("autovacuum_vacuum_cost_delay", "autovacuum_vacuum_cost_limit"),
    *("autovacuum_freeze_min_age", "autovacuum_freeze_max_age", "autovacuum_freeze_table_age"),
    *("autovacuum_multixact_freeze_min_age", "autovacuum_multixact_freeze_max_age"),
    *("autovacuum_multixact_freeze_table_age",),
}
_TABLE_KINDS = {
    kinds.OBJECT_TABLE,
    kinds.OBJECT_VIEW,
    kinds.OBJECT_MATVIEW,
    kinds.OBJECT_FOREIGN_TABLE,
}
_ON_TABLE = {kinds.OBJECT_TRIGGER, kinds.OBJECT_POLICY, kinds.OBJECT_RULE}


@dataclass(frozen=True)
class Effects:
    """Hold locks, and the tables that get a new file or are read from end to end."""

    locks: tuple[Lock, ...]
    rewrites: tuple[DbObject, ...]
    scans: tuple[DbObject, ...]


def effects(tag: str, node: Node) -> Effects:
    """Read from a parse tree the strongest lock on each named relation, rewrites and scans.

    What the statement itself creates and temporary tables are left out: nobody waits for them.
    A change of type counts as a rewrite, which some are not (PostgreSQL manual, ALTER TABLE).
    """
    strongest: dict[DbObject, LockMode] = {}
    order = list(LockMode)
    for relation, mode in _locks(tag, node):
        known = strongest.get(relation)
        if relation.schema != "pg_temp" and (
            known is None or order.index(known) < order.index(mode)
        ):
            strongest[relation] = mode
    new = dict.fromkeys(rewrites(tag, node))
    read = {item: None for item in scans(tag, node) if item not in new}
    locks = (Lock(relation, mode) for relation, mode in strongest.items())
    return Effects(tuple(locks), tuple(new), tuple(read))


def _locks(tag: str, node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    special = _SPECIAL.get(tag)
    if special is not None:
        yield from special(node)


def _alter_table(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    if node.objtype not in _TABLE_KINDS:
        return
    table = named_relation(node.relation)
    for cmd in (item.alter_table_cmd for item in node.cmds):
        mode = _ALTER.get(cmd.subtype, M.ACCESS_EXCLUSIVE)
        given = definition(cmd)
        if cmd.subtype in _OPTIONS and not {x.def_elem.defname for x in given.list.items} <= _MILD:
            mode = M.ACCESS_EXCLUSIVE
        if (
            cmd.subtype == kinds.AT_AddConstraint
            and given.constraint.contype == kinds.CONSTR_FOREIGN
        ):
            mode = M.SHARE_ROW_EXCLUSIVE
        if cmd.subtype == kinds.AT_DetachPartition and given.partition_cmd.concurrent:
            mode = M.SHARE_UPDATE_EXCLUSIVE
        yield table, mode
        yield from _referenced(cmd)
        if given.HasField("partition_cmd") and given.partition_cmd.name.relname:
            yield named_relation(given.partition_cmd.name), M.ACCESS_EXCLUSIVE
        if cmd.subtype == kinds.AT_AddInherit:
            yield named_relation(given.range_var), M.SHARE_UPDATE_EXCLUSIVE


def _referenced(cmd: Node) -> Iterator[tuple[DbObject, LockMode]]:
    for constraint in constraints(definition(cmd)):
        if constraint.contype == kinds.CONSTR_FOREIGN:
            yield named_relation(constraint.pktable), M.SHARE_ROW_EXCLUSIVE


def _create_table(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    own = named_relation(node.relation)
    for element in node.table_elts:
        for constraint in constraints(element):
            if (
                constraint.contype == kinds.CONSTR_FOREIGN
                and named_relation(constraint.pktable) != own
            ):
                yield named_relation(constraint.pktable), M.SHARE_ROW_EXCLUSIVE
        if element.HasField("table_like_clause"):
            yield named_relation(element.table_like_clause.relation), M.ACCESS_SHARE
    of_partition = node.HasField("partbound")
    for parent in node.inh_relations:
        mode = M.ACCESS_EXCLUSIVE if of_partition else M.SHARE_UPDATE_EXCLUSIVE
        yield named_relation(parent.range_var), mode


def _create_index(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield named_relation(node.relation), M.SHARE_UPDATE_EXCLUSIVE if node.concurrent else M.SHARE


def _drop(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    for item in node.objects:
        names = strings(item.list.items)
        if node.remove_type in _TABLE_KINDS:
            yield named("relation", names), M.ACCESS_EXCLUSIVE
        elif node.remove_type in _ON_TABLE:
            yield named("relation", names[:-1]), M.ACCESS_EXCLUSIVE


def _vacuum(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    full = option(node.options, "full")
    for item in node.rels:
        mode = M.ACCESS_EXCLUSIVE if full else M.SHARE_UPDATE_EXCLUSIVE
        yield named_relation(item.vacuum_relation.relation), mode


def _reindex(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    if node.kind == kinds.REINDEX_OBJECT_TABLE:
        mode = M.SHARE_UPDATE_EXCLUSIVE if option(node.params, "concurrently") else M.SHARE
        yield named_relation(node.relation), mode


def _rename(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    of_table = {*_TABLE_KINDS, kinds.OBJECT_COLUMN, kinds.OBJECT_TABCONSTRAINT, *_ON_TABLE}
    if node.rename_type in of_table and node.relation.relname:
        yield named_relation(node.relation), M.ACCESS_EXCLUSIVE


def _set_schema(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    if node.object_type in _TABLE_KINDS:
        yield named_relation(node.relation), M.ACCESS_EXCLUSIVE


def _comment(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    names = strings(node.object.list.items)
    if node.objtype in _TABLE_KINDS:
        yield named("relation", names), M.SHARE_UPDATE_EXCLUSIVE
    elif node.objtype == kinds.OBJECT_COLUMN and len(names) > 1:
        yield named("relation", names[:-1]), M.SHARE_UPDATE_EXCLUSIVE


def _lock_table(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    for item in node.relations:
        yield named_relation(item.range_var), list(LockMode)[node.mode - 1]


def _refresh(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield named_relation(node.relation), M.EXCLUSIVE if node.concurrent else M.ACCESS_EXCLUSIVE


def _trigger(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield named_relation(node.relation), M.SHARE_ROW_EXCLUSIVE


def _strongest_on_table(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    if node.HasField("relation"):
        yield named_relation(node.relation), M.ACCESS_EXCLUSIVE


def _policy(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield named_relation(node.table), M.ACCESS_EXCLUSIVE


def _truncate(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield from ((named_relation(item.range_var), M.ACCESS_EXCLUSIVE) for item in node.relations)


def _statistics(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    for item in node.relations:
        yield named_relation(item.range_var), M.SHARE_UPDATE_EXCLUSIVE


def _write(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield named_relation(node.relation), M.ROW_EXCLUSIVE
    yield from _read(node)


def _read(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    """Yield what is read, and what a WITH clause writes."""
    own: set[str] = set()
    seen: list[tuple[Node, LockMode]] = []
    for _, item in walk(node):
        name = type(item).__name__
        if name == "CommonTableExpr":
            own.add(item.ctename)
        elif name in {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}:
            seen.append((item.relation, M.ROW_EXCLUSIVE))
        elif name == "SelectStmt" and item.locking_clause:
            seen += [(table, M.ROW_SHARE) for table in _locked_rows(item)]
        elif name == "RangeVar" and item.relname:
            seen.append((item, M.ACCESS_SHARE))
    for relation, mode in seen:
        if relation.schemaname or relation.relname not in own:
            yield named_relation(relation), mode


def _locked_rows(select: Node) -> Iterator[Node]:
    """Yield the tables that FOR UPDATE and the like mean: those it names, or all."""
    wanted = {
        part.range_var.relname
        for item in select.locking_clause
        for part in item.locking_clause.locked_rels
    }
    for part in select.from_clause:
        for _, item in walk(part):
            if type(item).__name__ == "RangeVar":
                name = item.alias.aliasname or item.relname
                if not wanted or name in wanted:
                    yield item


def _copy(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    if node.HasField("relation"):
        yield named_relation(node.relation), M.ROW_EXCLUSIVE if node.is_from else M.ACCESS_SHARE
    elif node.HasField("query"):
        yield from _read(node.query)


def _publication(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    for item in node.pubobjects:
        if item.publication_obj_spec.HasField("pubtable"):
            table = item.publication_obj_spec.pubtable.relation
            yield named_relation(table), M.SHARE_UPDATE_EXCLUSIVE


def _view(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    if node.replace:
        yield named_relation(node.view), M.ACCESS_EXCLUSIVE
    yield from _read(node.query)


def _table_as(node: Node) -> Iterator[tuple[DbObject, LockMode]]:
    yield from _read(node.query)


_SPECIAL = {
    "alter_table_stmt": _alter_table,
    "create_stmt": _create_table,
    "index_stmt": _create_index,
    "drop_stmt": _drop,
    "vacuum_stmt": _vacuum,
    "cluster_stmt": _strongest_on_table,
    "reindex_stmt": _reindex,
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _set_schema,
    "comment_stmt": _comment,
    "lock_stmt": _lock_table,
    "refresh_mat_view_stmt": _refresh,
    "create_trig_stmt": _trigger,
    "rule_stmt": _strongest_on_table,
    "create_policy_stmt": _policy,
    "alter_policy_stmt": _policy,
    "truncate_stmt": _truncate,
    "create_stats_stmt": _statistics,
    "insert_stmt": _write,
    "update_stmt": _write,
    "delete_stmt": _write,
    "merge_stmt": _write,
    "select_stmt": _read,
    "copy_stmt": _copy,
    "create_publication_stmt": _publication,
    "alter_publication_stmt": _publication,
    "explain_stmt": _table_as,
    "view_stmt": _view,
    "create_table_as_stmt": _table_as,
}


def constraints(node: Node) -> Iterator[Node]:
    """Yield the constraints that an ALTER TABLE command or a table's element brings."""
    if node.HasField("constraint"):
        yield node.constraint
    elif node.HasField("column_def"):
        yield from (item.constraint for item in node.column_def.constraints)


def rewrites(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield the tables that get a new file; a change of type counts, which some do not need."""
    if tag == "alter_table_stmt" and node.objtype == kinds.OBJECT_TABLE:
        commands = [item.alter_table_cmd for item in node.cmds]
        if any(cmd.subtype in _REWRITES or fills_rows(cmd) for cmd in commands):
            yield named_relation(node.relation)
    elif tag == "truncate_stmt":
        yield from (named_relation(item.range_var) for item in node.relations)
    elif tag == "vacuum_stmt" and option(node.options, "full"):
        yield from (named_relation(item.vacuum_relation.relation) for item in node.rels)
    elif _fills_anew(tag, node):
        yield named_relation(node.relation)


def option(options: Iterable[Node], name: str) -> bool:
    """Tell whether a statement's option, such as FULL, is on: written alone, or not as false."""
    for item in (item.def_elem for item in options):
        if item.defname == name:
            return item.arg.string.sval.lower() not in {"false", "off", "0"}
    return False


def _fills_anew(tag: str, node: Node) -> bool:
    if tag == "cluster_stmt":
        return bool(node.relation.relname)
    return tag == "refresh_mat_view_stmt" and not node.concurrent


def fills_rows(cmd: Node) -> bool:
    """Tell whether ADD COLUMN has to write a value of its own into every row."""
    if cmd.subtype != kinds.AT_AddColumn:
        return False
    column = definition(cmd).column_def
    if is_serial(column):
        return True
    for item in column.constraints:
        if item.constraint.contype == kinds.CONSTR_IDENTITY:
            return True
        if item.constraint.contype == kinds.CONSTR_GENERATED:
            return str(item.constraint.generated_kind) != "v"
        if item.constraint.contype == kinds.CONSTR_DEFAULT and volatile(item.constraint.raw_expr):
            return True
    return False


def is_serial(column: Node) -> bool:
    """Tell whether the column's type is one of the serial types."""
    return type_name(column) in SERIALS


def volatile(expression: Node) -> bool:
    """Tell whether an expression calls a function that is known to be volatile."""
    return any(
        type(item).__name__ == "FuncCall" and item.funcname[-1].string.sval in VOLATILE
        for _, item in walk(expression)
    )


def scans(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield the tables whose every row is read."""
    if tag == "index_stmt":
        yield named_relation(node.relation)
    elif tag == "alter_table_stmt" and node.objtype == kinds.OBJECT_TABLE:
        if any(_reads_all(item.alter_table_cmd) for item in node.cmds):
            yield named_relation(node.relation)
        for item in node.cmds:
            given = definition(item.alter_table_cmd)
            if item.alter_table_cmd.subtype == kinds.AT_AttachPartition:
                yield named_relation(given.partition_cmd.name)


def _reads_all(cmd: Node) -> bool:
    added: Iterable[Node] = constraints(definition(cmd))
    if cmd.subtype == kinds.AT_AddColumn:
        # Without a value of its own a row needs no look for a foreign key.
        given = {item.contype for item in added}
        looked = {
            *_INDEXED,
            kinds.CONSTR_CHECK,
            *([kinds.CONSTR_FOREIGN] if kinds.CONSTR_DEFAULT in given else ()),
        }
        return bool(given & looked)
    return cmd.subtype in _SCANS or any(
        (item.contype in _CHECKED and not item.skip_validation)
        or (item.contype in _INDEXED and not item.indexname)
        for item in added
    )
