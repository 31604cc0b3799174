"""Split and classify SQL with PostgreSQL's own parser (libpg_query, through postgast)."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import postgast

from runbook_lib.findings import Finding
from runbook_lib.parser import objects
from runbook_lib.parser.bodies import body
from runbook_lib.parser.effects import effects
from runbook_lib.parser.objects import Node, moved, search_path
from runbook_lib.parser.recovery import Text, copies_from_stdin, copy_defect, defect, recover
from runbook_lib.parser.statement import DbObject, Relation, Statement

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


def read_statements(sql: str, path: str) -> tuple[tuple[Statement, ...], tuple[Finding, ...]]:
    """Parse one migration file into its statements, and into what cannot be read.

    ``path`` is what findings name. A file with errors is read piece by piece: every statement
    that parses is kept, and every error is a finding with its line (SQLSTATE 42601 for syntax).
    """
    text = Text(sql.replace("\0", " "))
    found = [_nul(path, sql)] if "\0" in sql else []
    try:
        tree = postgast.parse(text.sql)
    except postgast.PgQueryError:
        statements, more = recover(text, path, _read_tree)
    else:
        statements, more = _read_tree(tree, text, (0, len(text.raw)), path)
    numbered = (replace(item, number=place) for place, item in enumerate(statements, start=1))
    return tuple(numbered), (*found, *more)


def fingerprint(sql: str) -> str:
    """Return the SHA-256 of what the parser made of the SQL, empty for what does not parse.

    Comments, white space and the case of keywords do not change it.
    """
    try:
        return hashlib.sha256(postgast.deparse(postgast.parse(sql)).encode()).hexdigest()
    except postgast.PgQueryError:
        return ""


def _nul(path: str, sql: str) -> Finding:
    line = sql[: sql.index("\0")].count("\n") + 1
    cause = "The file holds a NUL byte, which PostgreSQL takes nowhere in SQL."
    return defect("nul-byte", path, line, line, cause, "Remove it.")


def _read_tree(
    tree: Node, text: Text, span: tuple[int, int], path: str
) -> tuple[list[Statement], list[Finding]]:
    """Read what was parsed of the bytes ``span`` of the text."""
    base, limit = span
    statements: list[Statement] = []
    found: list[Finding] = []
    schema = "public"
    for raw in tree.stmts:
        start = text.first_token(base + raw.stmt_location)
        end = base + raw.stmt_location + raw.stmt_len if raw.stmt_len else limit
        line = text.line(start)
        tag = raw.stmt.WhichOneof("node")
        node = getattr(raw.stmt, tag)
        if copies_from_stdin(raw.stmt):
            found.append(copy_defect(path, line))
            continue
        source = text.raw[start:end].decode().rstrip()
        statement = _statement(tag, node, source, path, line, lambda at: text.line(base + at))
        statements.append(moved(statement, node, schema))
        schema = search_path(tag, node, schema)
    return statements, found


def _statement(
    tag: str, node: Node, source: str, path: str, line: int, line_of: objects.LineOf
) -> Statement:
    created = tuple(objects.creates(tag, node))
    relations = tuple(objects.relations(tag, node, line_of, line))
    kind = tag.removesuffix("_stmt").replace("_", " ")
    done = effects(tag, node)
    inner = tuple(_inner(tag, node, source, path, line))
    commits = tag == "do_stmt" and any(item.control for item in inner)
    return Statement(
        path=path,
        line=line,
        sql=source,
        kind=kind,
        label=_label(tag, node, kind, created, relations),
        creates=created,
        removes=tuple(objects.removes(tag, node)),
        references=tuple(objects.references(tag, node, created, line_of, line)),
        relations=relations,
        transactional=_transactional(tag, node) and not commits,
        control=_control(tag, node),
        opaque=tag in _OPAQUE,
        locks=done.locks,
        rewrites=done.rewrites,
        scans=done.scans,
        inner=inner,
        calls=tuple(objects.calls(tag, node)),
    )


def _inner(tag: str, node: Node, source: str, path: str, line: int) -> Iterator[Statement]:
    """Yield the statements in the body of a DO block, a function or a procedure."""
    for part in body(tag, node, source):
        at = line + part.line - 1
        parsed = part.parsed()
        if parsed is None:
            yield Statement(path, at, part.sql, "dynamic", "dynamic SQL", opaque=True)
            continue
        for raw in parsed.stmts:
            inner = raw.stmt.WhichOneof("node")
            if inner is None:
                continue
            within = part.sql.encode()[: raw.stmt_location].count(b"\n")
            start = at + within + _leading_lines(part.sql.encode()[raw.stmt_location :])
            yield _statement(inner, getattr(raw.stmt, inner), part.sql, path, start, _always(start))


def _always(line: int) -> objects.LineOf:
    return lambda _: line


def _leading_lines(text: bytes) -> int:
    return text[: len(text) - len(text.lstrip())].count(b"\n")


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
        options = {item.def_elem.defname for item in node.params}
        return not whole and "concurrently" not in options
    if tag == "alter_table_stmt":
        return not any(
            cmd.alter_table_cmd.subtype == postgast.pg_query_pb2.AT_DetachPartition
            and getattr(cmd.alter_table_cmd, "def").partition_cmd.concurrent
            for cmd in node.cmds
        )
    return tag not in _NEVER_IN_TRANSACTION


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
