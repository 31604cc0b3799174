"""Say which tables a statement writes anew, and which it reads from end to end."""

from collections.abc import Iterable, Iterator

import postgast

from runbook_lib.parser.objects import Node, named_relation
from runbook_lib.parser.statement import DbObject

_K = postgast.pg_query_pb2
_REWRITES = {
    _K.AT_AlterColumnType,
    _K.AT_SetLogged,
    _K.AT_SetUnLogged,
    _K.AT_SetAccessMethod,
    _K.AT_SetTableSpace,
    _K.AT_SetExpression,
}
_SCANS = {_K.AT_SetNotNull, _K.AT_ValidateConstraint}
_CHECKED = {_K.CONSTR_CHECK, _K.CONSTR_FOREIGN, _K.CONSTR_NOTNULL}
_INDEXED = {_K.CONSTR_PRIMARY, _K.CONSTR_UNIQUE, _K.CONSTR_EXCLUSION}
# Functions of PostgreSQL and its contrib modules that return something else for every row.
VOLATILE = {
    *("random", "random_normal", "clock_timestamp", "timeofday", "nextval", "gen_random_uuid"),
    *("uuidv4", "uuidv7", "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4"),
    *("gen_random_bytes", "txid_current", "setseed", "currval", "lastval", "gen_salt"),
}
SERIALS = {"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"}


def constraints(node: Node) -> Iterator[Node]:
    """Yield the constraints that an ALTER TABLE command or a table's element brings."""
    if node.HasField("constraint"):
        yield node.constraint
    elif node.HasField("column_def"):
        yield from (item.constraint for item in node.column_def.constraints)


def rewrites(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield the tables that get a new file; a change of type counts, which some do not need."""
    if tag == "alter_table_stmt" and node.objtype == _K.OBJECT_TABLE:
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
    if cmd.subtype != _K.AT_AddColumn:
        return False
    column = getattr(cmd, "def").column_def
    if is_serial(column):
        return True
    for item in column.constraints:
        if item.constraint.contype == _K.CONSTR_IDENTITY:
            return True
        if item.constraint.contype == _K.CONSTR_GENERATED:
            return str(item.constraint.generated_kind) != "v"
        if item.constraint.contype == _K.CONSTR_DEFAULT and volatile(item.constraint.raw_expr):
            return True
    return False


def is_serial(column: Node) -> bool:
    """Tell whether the column's type is one of the serial types."""
    names = [part.string.sval for part in column.type_name.names]
    return bool(names) and names[-1] in SERIALS


def volatile(expression: Node) -> bool:
    """Tell whether an expression calls a function that is known to be volatile."""
    return any(
        type(item).__name__ == "FuncCall" and item.funcname[-1].string.sval in VOLATILE
        for _, item in postgast.walk(expression)
    )


def scans(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield the tables whose every row is read."""
    if tag == "index_stmt":
        yield named_relation(node.relation)
    elif tag == "alter_table_stmt" and node.objtype == _K.OBJECT_TABLE:
        if any(_reads_all(item.alter_table_cmd) for item in node.cmds):
            yield named_relation(node.relation)
        for item in node.cmds:
            given = getattr(item.alter_table_cmd, "def")
            if item.alter_table_cmd.subtype == _K.AT_AttachPartition:
                yield named_relation(given.partition_cmd.name)


def _reads_all(cmd: Node) -> bool:
    added: Iterable[Node] = constraints(getattr(cmd, "def"))
    if cmd.subtype == _K.AT_AddColumn:
        # Without a value of its own a row needs no look for a foreign key.
        kinds = {item.contype for item in added}
        looked = {
            *_INDEXED,
            _K.CONSTR_CHECK,
            *([_K.CONSTR_FOREIGN] if _K.CONSTR_DEFAULT in kinds else ()),
        }
        return bool(kinds & looked)
    return cmd.subtype in _SCANS or any(
        (item.contype in _CHECKED and not item.skip_validation)
        or (item.contype in _INDEXED and not item.indexname)
        for item in added
    )
