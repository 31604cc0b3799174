"""Split and classify SQL with PostgreSQL's own parser (libpg_query, through postgast)."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import postgast

from runbook_lib.errors import ReleaseError
from runbook_lib.model import DbObject, Reference, Relation, Statement

Node = Any  # protobuf messages of libpg_query carry no useful static types

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
# What these run is not in the parse tree, so they may create anything.
_OPAQUE = {"do_stmt", "call_stmt", "create_extension_stmt", "select_stmt", "execute_stmt"}
# PostgreSQL manual, "cannot be executed within a transaction block" on each command's page.
_NEVER_IN_TRANSACTION = {
    "createdb_stmt",
    "dropdb_stmt",
    "create_table_space_stmt",
    "drop_table_space_stmt",
    "alter_system_stmt",
    "create_subscription_stmt",
    "drop_subscription_stmt",
}
_CONTROL = {
    "TRANS_STMT_BEGIN": "begin",
    "TRANS_STMT_START": "begin",
    "TRANS_STMT_COMMIT": "commit",
    "TRANS_STMT_ROLLBACK": "rollback",
}


class _Text:
    """Map byte offsets, which libpg_query counts in, to lines and to text."""

    def __init__(self, sql: str) -> None:
        self.raw = sql.encode()
        lengths = (len(line) for line in self.raw.split(b"\n"))
        self._ends = list(accumulate(length + 1 for length in lengths))
        tokens = postgast.scan(sql).tokens
        comments = (postgast.pg_query_pb2.SQL_COMMENT, postgast.pg_query_pb2.C_COMMENT)
        self._starts = [token.start for token in tokens if token.token not in comments]

    def line(self, offset: int) -> int:
        return bisect_right(self._ends, offset) + 1

    def first_token(self, offset: int) -> int:
        """Return where the first token at or after ``offset`` starts, comments passed over."""
        at = bisect_right(self._starts, offset - 1)
        return self._starts[at] if at < len(self._starts) else offset


def read_statements(sql: str, path: str) -> tuple[Statement, ...]:
    """Parse one migration file into its statements.

    ``path`` is what errors name. Raises ReleaseError with the line for a syntax error (SQLSTATE
    42601), for a psql meta-command and for COPY FROM STDIN.
    """
    if "\0" in sql:
        line = sql[: sql.index("\0")].count("\n") + 1
        raise ReleaseError("The file holds a NUL byte.", path=path, line=line, remedy="Remove it.")
    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError as error:
        raise _syntax_error(sql, path, error) from None
    text = _Text(sql)
    return tuple(_read(raw, text, path) for raw in tree.stmts)


def _syntax_error(sql: str, path: str, error: postgast.PgQueryError) -> ReleaseError:
    at = max(error.cursorpos - 1, 0)  # cursorpos counts characters from 1
    line = sql.count("\n", 0, at) + 1
    if sql[at : at + 1] == "\\":
        command = sql[at:].split()[0]
        return ReleaseError(
            f"{command} is a psql meta-command, and the runbook executes plain SQL only.",
            path=path,
            line=line,
            remedy="Write it as SQL or take it out of the file.",
        )
    before = sql[: sql.rfind(";", 0, at) + 1]
    try:
        earlier = postgast.parse(before).stmts
    except postgast.PgQueryError:
        earlier = []
    if earlier and _copies_from_stdin(earlier[-1].stmt):
        return _copy_error(path, before.count("\n", 0, before.rstrip().rfind("\n") + 1) + 1)
    message = f"{error.message[:1].upper()}{error.message[1:]}."
    return ReleaseError(
        message, path=path, line=line, sqlstate="42601", remedy="Correct the statement."
    )


def _copy_error(path: str, line: int) -> ReleaseError:
    return ReleaseError(
        "COPY FROM STDIN carries its rows inside the file, which only psql understands.",
        path=path,
        line=line,
        remedy="Write the rows as INSERT statements.",
    )


def _copies_from_stdin(stmt: Node) -> bool:
    return stmt.WhichOneof("node") == "copy_stmt" and (
        stmt.copy_stmt.is_from and not stmt.copy_stmt.filename and not stmt.copy_stmt.is_program
    )


def _read(raw: Node, text: _Text, path: str) -> Statement:
    start = text.first_token(raw.stmt_location)
    end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(text.raw)
    line = text.line(start)
    if _copies_from_stdin(raw.stmt):
        raise _copy_error(path, line)
    tag = raw.stmt.WhichOneof("node")
    node = getattr(raw.stmt, tag)
    creates = tuple(_creates(tag, node))
    relations = tuple(_relations(tag, node, text, line))
    kind = tag.removesuffix("_stmt").replace("_", " ")
    return Statement(
        path=path,
        line=line,
        sql=text.raw[start:end].decode().rstrip(),
        kind=kind,
        label=_label(tag, node, kind, creates, relations),
        creates=creates,
        removes=tuple(_removes(tag, node)),
        references=tuple(_references(tag, node, creates, text, line)),
        relations=relations,
        transactional=_transactional(tag, node),
        control=_control(tag, node),
        opaque=tag in _OPAQUE,
    )


def _control(tag: str, node: Node) -> str:
    if tag != "transaction_stmt":
        return ""
    return _CONTROL.get(postgast.pg_query_pb2.TransactionStmtKind.Name(node.kind), "")


def _transactional(tag: str, node: Node) -> bool:
    """Tell whether the statement may run inside a transaction block."""
    if tag in {"index_stmt", "drop_stmt"}:
        return not node.concurrent
    if tag == "vacuum_stmt":
        return not node.is_vacuumcmd
    if tag == "cluster_stmt":
        return bool(node.relation.relname)
    if tag == "reindex_stmt":
        whole = node.kind in (
            postgast.pg_query_pb2.REINDEX_OBJECT_SCHEMA,
            postgast.pg_query_pb2.REINDEX_OBJECT_SYSTEM,
            postgast.pg_query_pb2.REINDEX_OBJECT_DATABASE,
        )
        return not whole and not any(item.def_elem.defname == "concurrently" for item in node.params)
    if tag == "alter_table_stmt":
        return not any(
            cmd.alter_table_cmd.subtype == postgast.pg_query_pb2.AT_DetachPartition
            and getattr(cmd.alter_table_cmd, "def").partition_cmd.concurrent
            for cmd in node.cmds
        )
    return tag not in _NEVER_IN_TRANSACTION


def _schema(relation: Node) -> str:
    if relation.relpersistence == "t":
        return "pg_temp"
    return relation.schemaname or "public"


def _relation_object(kind: str, relation: Node) -> DbObject:
    return DbObject(kind, _schema(relation), relation.relname)


def _strings(items: Node) -> list[str]:
    return [item.string.sval for item in items]


def _named(kind: str, names: list[str]) -> DbObject:
    return DbObject(kind, names[-2] if len(names) > 1 else "public", names[-1])


def _creates(tag: str, node: Node) -> Iterator[DbObject]:
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
        yield _relation_object(kind, node.into.rel)
    elif tag == "create_seq_stmt":
        yield _relation_object(kind, node.sequence)
    elif tag == "composite_type_stmt":
        yield _relation_object(kind, node.typevar)
    elif tag in {"create_enum_stmt", "create_range_stmt"}:
        yield _named(kind, _strings(node.type_name))
    elif tag == "create_domain_stmt":
        yield _named(kind, _strings(node.domainname))
    elif tag == "create_function_stmt":
        yield _named(kind, _strings(node.funcname))
    elif tag == "create_schema_stmt":
        yield DbObject(kind, "", node.schemaname)
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
    elif tag == "alter_table_stmt":
        for cmd in node.cmds:
            column = getattr(cmd.alter_table_cmd, "def").column_def
            if cmd.alter_table_cmd.subtype == postgast.pg_query_pb2.AT_AddColumn:
                table = node.relation
                yield DbObject("column", _schema(table), column.colname, table.relname)


def _renamed(node: Node, name: str) -> DbObject | None:
    """Return the renamed object under one of its two names."""
    kinds = postgast.pg_query_pb2
    if node.rename_type == kinds.OBJECT_TABLE:
        return DbObject("table", _schema(node.relation), name)
    if node.rename_type == kinds.OBJECT_COLUMN:
        return DbObject("column", _schema(node.relation), name, node.relation.relname)
    if node.rename_type == kinds.OBJECT_INDEX:
        return DbObject("index", _schema(node.relation), name)
    if node.rename_type == kinds.OBJECT_TYPE:
        return _named("enum", [*_strings(node.object.list.items)[:-1], name])
    return None


def _removes(tag: str, node: Node) -> Iterator[DbObject]:
    """Yield what is not there any more afterwards, under the name it had."""
    kinds = postgast.pg_query_pb2
    if tag == "rename_stmt":
        old = node.subname or node.relation.relname
        if node.rename_type == kinds.OBJECT_TYPE:
            old = _strings(node.object.list.items)[-1]
        gone = _renamed(node, old)
        if gone:
            yield gone
    elif tag == "drop_stmt":
        kind = {kinds.OBJECT_TABLE: "table", kinds.OBJECT_INDEX: "index", kinds.OBJECT_VIEW: "view"}
        for item in node.objects:
            if node.remove_type in kind:
                yield _named(kind[node.remove_type], _strings(item.list.items))
            elif node.remove_type == kinds.OBJECT_TYPE:
                yield _named("enum", _strings(item.type_name.names))
    elif tag == "alter_table_stmt":
        for cmd in node.cmds:
            if cmd.alter_table_cmd.subtype == kinds.AT_DropColumn:
                table = node.relation
                yield DbObject("column", _schema(table), cmd.alter_table_cmd.name, table.relname)


def _constraints(tag: str, node: Node) -> Iterator[tuple[Node, str]]:
    """Yield each constraint with the column it is written on ("" for a table constraint)."""
    if tag == "create_stmt":
        elements = list(node.table_elts)
    elif tag == "alter_table_stmt":
        elements = [getattr(cmd.alter_table_cmd, "def") for cmd in node.cmds]
    else:
        return
    for element in elements:
        if element.HasField("constraint"):
            yield element.constraint, ""
        elif element.HasField("column_def"):
            for item in element.column_def.constraints:
                yield item.constraint, element.column_def.colname


def _relations(tag: str, node: Node, text: _Text, line: int) -> Iterator[Relation]:
    for constraint, column in _constraints(tag, node):
        if constraint.contype == postgast.pg_query_pb2.CONSTR_FOREIGN:
            yield Relation(
                table=node.relation.relname,
                columns=(column,) if column else tuple(_strings(constraint.fk_attrs)),
                target=constraint.pktable.relname,
                target_columns=tuple(_strings(constraint.pk_attrs)),
                line=text.line(constraint.location) if constraint.location > 0 else line,
            )


def _references(
    tag: str, node: Node, creates: tuple[DbObject, ...], text: _Text, line: int
) -> Iterator[Reference]:
    """Yield the relations and the types that must be there before the statement."""
    own = {(item.schema, item.name) for item in creates if item.kind in {"table", "view"}}
    if tag == "alter_table_stmt" and node.missing_ok:
        own.add((_schema(node.relation), node.relation.relname))
    found = [message for _, message in postgast.walk(node)]
    own |= {("public", item.ctename) for item in found if type(item).__name__ == "CommonTableExpr"}
    for item in found:
        at = text.line(item.location) if getattr(item, "location", 0) > 0 else line
        if type(item).__name__ == "RangeVar":
            if item.relname and (_schema(item), item.relname) not in own:
                yield Reference(DbObject("relation", _schema(item), item.relname), at)
        elif type(item).__name__ == "TypeName":
            names = _strings(item.names)
            if names and names[0] != "pg_catalog":
                yield Reference(_named("type", names), at)


def _label(
    tag: str,
    node: Node,
    kind: str,
    creates: tuple[DbObject, ...],
    relations: tuple[Relation, ...],
) -> str:
    """Say in a few words what the statement is."""
    if tag == "alter_table_stmt":
        if relations:
            return f"alter table {node.relation.relname}: add foreign key to {relations[0].target}"
        if creates and creates[0].kind == "column":
            return f"alter table {node.relation.relname}: add column {creates[0].name}"
        return f"alter table {node.relation.relname}"
    if tag == "index_stmt":
        how = " concurrently" if node.concurrent else ""
        return f"create index{how} {node.idxname or '(unnamed)'} on {node.relation.relname}"
    if creates and tag != "rename_stmt":
        return f"create {creates[0].kind} {creates[0]}"
    if tag in {"insert_stmt", "update_stmt", "delete_stmt"}:
        return f"{kind} {node.relation.relname}"
    return _control(tag, node) or kind
