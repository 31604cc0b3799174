"""Read from a parse tree what a statement creates, removes and needs."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from runbook_lib.parser.statement import DbObject, ForeignKey, Reference, Statement
from runbook_lib.parser.tree import Node, definition, kinds, strings, tag_of, walk

LineOf = Callable[[int], int]  # from a byte offset in the file to its line

_CREATED_KINDS = {
    "create_stmt": "table",
    "create_enum_stmt": "enum",
    "composite_type_stmt": "type",
    "create_domain_stmt": "type",
    "create_range_stmt": "type",
    "view_stmt": "view",
    "create_table_as_stmt": "table",
    "create_seq_stmt": "sequence",
    "create_function_stmt": "function",
    "create_schema_stmt": "schema",
    "create_extension_stmt": "extension",
    "create_foreign_table_stmt": "table",
}

_RELATIONS = {"table", "view", "sequence", "type"}  # a composite type is one
_CALLERS = {
    *("select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "call_stmt"),
    *("create_table_as_stmt", "explain_stmt"),
}


def _schema(relation: Node) -> str:
    if relation.relpersistence == "t":
        return "pg_temp"
    return relation.schemaname or "public"


def _relation_object(kind: str, relation: Node) -> DbObject:
    return DbObject(kind, _schema(relation), relation.relname)


def named_relation(relation: Node) -> DbObject:
    """Return the relation that a name in the SQL means, whatever its kind is."""
    return _relation_object("relation", relation)


def named(kind: str, names: list[str]) -> DbObject:
    """Return the object that a name with or without a schema means."""
    return DbObject(kind, names[-2] if len(names) > 1 else "public", names[-1])


def creates(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield what is there afterwards: tables with their columns, types, indexes, views, ..."""
    kind = _CREATED_KINDS.get(tag, "")
    if tag == "create_stmt":
        yield _relation_object(kind, node.relation)
        for element in node.table_elts:
            if element.HasField("column_def"):
                table = node.relation
                yield DbObject("column", _schema(table), element.column_def.colname, table.relname)
    elif tag == "view_stmt":
        yield _relation_object(kind, node.view)
    elif tag == "create_foreign_table_stmt":
        yield _relation_object(kind, node.base_stmt.relation)
    elif tag == "create_table_as_stmt":
        materialized = node.objtype == kinds.OBJECT_MATVIEW
        yield _relation_object("view" if materialized else kind, node.into.rel)
    elif tag == "create_seq_stmt":
        yield _relation_object(kind, node.sequence)
    elif tag == "composite_type_stmt":
        yield _relation_object(kind, node.typevar)
    elif tag in {"create_enum_stmt", "create_range_stmt"}:
        yield named(kind, strings(node.type_name))
    elif tag == "create_domain_stmt":
        yield named(kind, strings(node.domainname))
    elif tag == "create_function_stmt":
        yield named(kind, strings(node.funcname))
    elif tag == "create_schema_stmt":
        yield DbObject(kind, "", node.schemaname)
        for element in node.schema_elts:
            inside = tag_of(element)
            for item in creates(inside, getattr(element, inside)):
                yield replace(item, schema=node.schemaname) if item.schema == "public" else item
    elif tag == "create_role_stmt":
        yield DbObject("role", "", node.role)
    elif tag == "create_extension_stmt":
        yield DbObject(kind, "", node.extname)
    elif tag == "index_stmt" and node.idxname:
        yield DbObject("index", _schema(node.relation), node.idxname, node.relation.relname)
    elif tag == "create_trig_stmt":
        yield DbObject("trigger", _schema(node.relation), node.trigname, node.relation.relname)
    elif tag == "rename_stmt":
        new = _renamed(node, node.newname)
        if new:
            yield new
    elif tag == "alter_object_schema_stmt":
        yield from _relocated(node, node.newschema)
    elif tag == "alter_table_stmt" and not _of_a_type(tag, node):
        for cmd in node.cmds:
            column = definition(cmd.alter_table_cmd).column_def
            if cmd.alter_table_cmd.subtype == kinds.AT_AddColumn:
                table = node.relation
                yield DbObject("column", _schema(table), column.colname, table.relname)


def _renamed(node: Node, name: str) -> DbObject | None:
    """Return the renamed object under one of its two names."""
    if node.rename_type == kinds.OBJECT_TABLE:
        return DbObject("table", _schema(node.relation), name)
    if node.rename_type == kinds.OBJECT_COLUMN:
        return DbObject("column", _schema(node.relation), name, node.relation.relname)
    if node.rename_type == kinds.OBJECT_INDEX:
        return DbObject("index", _schema(node.relation), name)
    if node.rename_type == kinds.OBJECT_TYPE:
        return named("enum", [*strings(node.object.list.items)[:-1], name])
    return None


def _relocated(node: Node, schema: str) -> Iterator[DbObject]:
    """Yield what SET SCHEMA moves, in the new schema, or with none given where it was."""
    known = {
        kinds.OBJECT_TABLE: "table",
        kinds.OBJECT_VIEW: "view",
        kinds.OBJECT_SEQUENCE: "sequence",
    }
    if node.object_type in known:
        old = _relation_object(known[node.object_type], node.relation)
        yield replace(old, schema=schema) if schema else old
    elif node.object_type == kinds.OBJECT_TYPE:
        old = named("enum", strings(node.object.list.items))
        yield replace(old, schema=schema) if schema else old


def removes(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield what is not there any more afterwards, under the name it had."""
    if tag == "rename_stmt":
        old = node.subname or node.relation.relname
        if node.rename_type == kinds.OBJECT_TYPE:
            old = strings(node.object.list.items)[-1]
        gone = _renamed(node, old)
        if gone:
            yield gone
    elif tag == "alter_object_schema_stmt":
        yield from _relocated(node, "")
    elif tag == "drop_stmt":
        kind = {
            kinds.OBJECT_TABLE: "table",
            kinds.OBJECT_INDEX: "index",
            kinds.OBJECT_VIEW: "view",
            kinds.OBJECT_MATVIEW: "view",
        }
        for item in node.objects:
            if node.remove_type in kind:
                yield named(kind[node.remove_type], strings(item.list.items))
            elif node.remove_type == kinds.OBJECT_TYPE:
                yield named("enum", strings(item.type_name.names))
    elif tag == "alter_table_stmt" and not _of_a_type(tag, node):
        for cmd in node.cmds:
            if cmd.alter_table_cmd.subtype == kinds.AT_DropColumn:
                table = node.relation
                yield DbObject("column", _schema(table), cmd.alter_table_cmd.name, table.relname)


def _constraints(tag: str, node: Node) -> Iterator[tuple[Node, str]]:
    """Yield each constraint with the column it is written on ("" for a table constraint)."""
    if tag == "create_stmt":
        elements = list(node.table_elts)
    elif tag == "alter_table_stmt":
        elements = [definition(cmd.alter_table_cmd) for cmd in node.cmds]
    else:
        return
    for element in elements:
        if element.HasField("constraint"):
            yield element.constraint, ""
        elif element.HasField("column_def"):
            for item in element.column_def.constraints:
                yield item.constraint, element.column_def.colname


def foreign_keys(tag: str, node: Node, line_of: LineOf, line: int) -> Iterator[ForeignKey]:
    """Yield the foreign keys that the statement declares."""
    for constraint, column in _constraints(tag, node):
        if constraint.contype == kinds.CONSTR_FOREIGN:
            yield ForeignKey(
                table=node.relation.relname,
                columns=(column,) if column else tuple(strings(constraint.fk_attrs)),
                target=constraint.pktable.relname,
                target_columns=tuple(strings(constraint.pk_attrs)),
                line=line_of(constraint.location) if constraint.location > 0 else line,
            )


def _not_needed(tag: str, node: Node) -> Iterator[Node]:
    """Yield the relation that may be missing (IF EXISTS), or is an index, which no table is."""
    if tag == "reindex_stmt" and node.kind == kinds.REINDEX_OBJECT_INDEX:
        yield node.relation
    elif tag in {"alter_table_stmt", "rename_stmt", "alter_object_schema_stmt"}:
        index = (
            tag == "rename_stmt" and node.rename_type == kinds.OBJECT_INDEX,
            tag == "alter_table_stmt" and node.objtype == kinds.OBJECT_INDEX,
        )
        if node.missing_ok or any(index):
            yield node.relation
    elif tag == "alter_seq_stmt" and node.missing_ok:
        yield node.sequence


def references(
    tag: str, node: Node, made: tuple[DbObject, ...], line_of: LineOf, line: int
) -> Iterator[Reference]:
    """Yield the relations and the types that must be there before the statement."""
    own = {(item.schema, item.name) for item in made if item.kind in _RELATIONS}
    if tag == "create_schema_stmt":  # what it makes is found there first
        own |= {("public", name) for _, name in own}
    own |= {(_schema(relation), relation.relname) for relation in _not_needed(tag, node)}
    found = [message for _, message in walk(node)]
    own |= {("public", item.ctename) for item in found if type(item).__name__ == "CommonTableExpr"}
    for item in found:
        at = line_of(item.location) if getattr(item, "location", 0) > 0 else line
        if type(item).__name__ == "RangeVar":
            if item.relname and (_schema(item), item.relname) not in own:
                kind = "type" if _of_a_type(tag, node) else "relation"
                yield Reference(DbObject(kind, _schema(item), item.relname), at)
        elif type(item).__name__ == "TypeName":
            names = strings(item.names)
            if names and names[0] != "pg_catalog":
                yield Reference(named("type", names), at)


def _of_a_type(tag: str, node: Node) -> bool:
    """Tell whether the relation that is changed is a composite type."""
    if tag == "rename_stmt":
        return bool(node.rename_type == kinds.OBJECT_ATTRIBUTE)
    return tag == "alter_table_stmt" and bool(node.objtype == kinds.OBJECT_TYPE)


def calls(tag: str, node: Node) -> Iterator[str]:
    """Yield the functions that the statement calls while it runs, as ``schema.name``."""
    if tag in _CALLERS:
        for _, item in walk(node):
            if type(item).__name__ == "FuncCall":
                names = strings(item.funcname)
                yield ".".join(names if len(names) > 1 else ["public", *names])


def search_path(tag: str, node: Node, before: str) -> str:
    """Return the schema where names without one are found after the statement."""
    if tag == "variable_set_stmt" and node.name == "search_path":
        if node.args and not node.is_local:
            first = node.args[0].a_const.sval.sval
            return before if first in {"", "$user"} else str(first)
        return "public" if not node.args else before
    if tag == "select_stmt":  # as pg_dump writes it
        for target in node.target_list:
            call = target.res_target.val.func_call
            given = [item.a_const.sval.sval for item in call.args]
            if strings(call.funcname)[-1:] == ["set_config"] and given[:1] == ["search_path"]:
                first = given[1].split(",")[0].strip(' "')
                return before if first in {"", "$user"} else first
    return before


def moved(statement: Statement, node: Node, schema: str) -> Statement:
    """Return the statement with its names without a schema in the one that search_path names."""
    if schema == "public":
        return statement
    written = {
        item.relname
        for _, item in walk(node)
        if type(item).__name__ == "RangeVar" and item.schemaname == "public"
    }

    def there(item: DbObject) -> DbObject:
        stays = item.schema != "public" or (item.table or item.name) in written
        return item if stays else replace(item, schema=schema)

    return replace(
        statement,
        creates=tuple(there(item) for item in statement.creates),
        removes=tuple(there(item) for item in statement.removes),
        references=tuple(replace(item, object=there(item.object)) for item in statement.references),
        locks=tuple(replace(item, relation=there(item.relation)) for item in statement.locks),
        rewrites=tuple(there(item) for item in statement.rewrites),
        scans=tuple(there(item) for item in statement.scans),
    )
