"""Split and classify SQL with PostgreSQL's own parser (libpg_query, through postgast)."""

from bisect import bisect_right
from itertools import accumulate

import postgast

from runbook_lib import objects
from runbook_lib.errors import ReleaseError
from runbook_lib.model import DbObject, Relation, Statement
from runbook_lib.objects import Node

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
        command = sql[at:].split(maxsplit=1)[0]
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
        text = _Text(before)
        return _copy_error(path, text.line(text.first_token(earlier[-1].stmt_location)))
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
    created = tuple(objects.creates(tag, node))
    relations = tuple(objects.relations(tag, node, text.line, line))
    kind = tag.removesuffix("_stmt").replace("_", " ")
    return Statement(
        path=path,
        line=line,
        sql=text.raw[start:end].decode().rstrip(),
        kind=kind,
        label=_label(tag, node, kind, created, relations),
        creates=created,
        removes=tuple(objects.removes(tag, node)),
        references=tuple(objects.references(tag, node, created, text.line, line)),
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
