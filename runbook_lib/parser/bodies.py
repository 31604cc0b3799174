"""Find the SQL inside DO blocks, functions and procedures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runbook_lib.parser.tree import (
    Node,
    PgQueryError,
    deparse,
    kinds,
    parse,
    parse_plpgsql,
    scan,
    token_name,
)

_FULL_STATEMENT = 0  # plpgsql's parse modes (RawParseMode): the others are expressions
UNKNOWN_NAME = "placeholder"  # stands for what only the running block knows


@dataclass(frozen=True)
class Part:
    """Hold one piece of SQL in a body; ``line`` counts from 1 in its statement.

    ``sql`` is as it is written, or, with ``known`` false, an expression that makes the SQL.
    """

    sql: str
    line: int
    known: bool = True
    tree: Node = None

    def parsed(self) -> Node | None:
        """Return the parse tree, None for what cannot be known before it runs."""
        if self.tree is not None:
            return self.tree
        if not self.known:
            return None
        try:
            return parse(self.sql)
        except PgQueryError:
            return None


def body(tag: str, node: Node, source: str) -> Iterator[Part]:
    """Yield the SQL in the body of a DO block, a function or a procedure; else nothing."""
    if tag not in {"do_stmt", "create_function_stmt"}:
        return
    options = {
        item.def_elem.defname: item.def_elem
        for item in (node.args if tag == "do_stmt" else node.options)
    }
    language = options["language"].arg.string.sval if "language" in options else ""
    if tag == "create_function_stmt" and node.HasField("sql_body"):
        lists = (item for item in node.sql_body.list.items if item.HasField("list"))
        for inner in (inner for item in lists for inner in item.list.items):
            tree = kinds.ParseResult()
            tree.stmts.add().stmt.CopyFrom(inner)
            yield Part(deparse(tree), 1, tree=tree)
    elif "as" in options:
        arg = options["as"].arg
        code = arg.string.sval if arg.HasField("string") else arg.list.items[0].string.sval
        first = _line_of_body(source)
        if language.lower() == "sql":
            yield Part(code, first)
        elif language.lower() in {"", "plpgsql"}:
            yield from _plpgsql(source, code, first)
        else:
            yield Part(code, first, known=False)


def _line_of_body(source: str) -> int:
    """Return the line, in the statement, where the last string constant starts: its body."""
    at = 0
    for token in scan(source).tokens:
        long = token.end - token.start > _SHORT
        if token_name(token) == "SCONST" and (long or not at):
            at = token.start
    return source.encode()[:at].count(b"\n") + 1


_SHORT = len("'plpgsql'")  # the language may be written as a constant too


def _plpgsql(source: str, code: str, first: int) -> Iterator[Part]:
    try:
        found = parse_plpgsql(source)
    except (PgQueryError, ValueError):
        # libpg_query knows no catalog, so it refuses some bodies that the server takes; of trigger
        # functions it writes JSON that no parser reads.
        yield Part(code, first, known=False)
        return
    for part in sorted(_walk(found, 1), key=lambda part: part.line):
        yield Part(part.sql, part.line + first - 1, part.known)


def _walk(found: Any, line: int) -> Iterator[Part]:
    if isinstance(found, list):
        for item in found:
            yield from _walk(item, line)
    elif isinstance(found, dict):
        for key, value in found.items():
            if key in {"PLpgSQL_stmt_commit", "PLpgSQL_stmt_rollback"}:
                yield Part(key.rpartition("_")[2].upper(), value.get("lineno", line))
            elif key in {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"}:
                at = value.get("lineno", line)
                query = value["query"]["PLpgSQL_expr"]["query"]
                yield _dynamic(query, at)
                yield from _walk(
                    {name: item for name, item in value.items() if name != "query"}, at
                )
            elif key == "PLpgSQL_expr":
                yield from _expression(value, line)
            elif key.startswith("PLpgSQL_stmt_") and isinstance(value, dict):
                yield from _walk(value, value.get("lineno", line))
            else:
                yield from _walk(value, line)


def _expression(found: dict[str, Any], line: int) -> Iterator[Part]:
    query = found["query"]
    if found.get("parseMode", 0) == _FULL_STATEMENT:
        yield Part(query, line)
    elif "(" in query:  # only a call can do anything
        yield Part(f"SELECT {query.partition(':=')[2] or query}", line)


def _dynamic(expression: str, line: int) -> Part:
    """Return the SQL that EXECUTE runs, as far as it is known: constants, format(), ``||``."""
    try:
        select = parse(f"SELECT {expression}").stmts[0].stmt.select_stmt
        text = _text(select.target_list[0].res_target.val)
        parse(text)
    except (PgQueryError, LookupError):
        return Part(expression, line, known=False)
    return Part(text, line, known=bool(text.strip()) and text.strip() != UNKNOWN_NAME)


def _text(node: Node) -> str:
    """Return what an expression of text makes, a placeholder for what is not constant."""
    kind = node.WhichOneof("node")
    if kind == "a_const" and node.a_const.HasField("sval"):
        return str(node.a_const.sval.sval)
    if kind == "a_expr" and [item.string.sval for item in node.a_expr.name] == ["||"]:
        return _text(node.a_expr.lexpr) + _text(node.a_expr.rexpr)
    if kind == "func_call" and [item.string.sval for item in node.func_call.funcname] == ["format"]:
        return _formatted(_text(node.func_call.args[0]))
    return UNKNOWN_NAME


def _formatted(template: str) -> str:
    """Fill the placeholders of format() with a name (PostgreSQL manual, 9.4.1)."""
    text, rest = "", template
    while "%" in rest:
        before, _, rest = rest.partition("%")
        text += before
        end = next((at for at, letter in enumerate(rest) if letter in "sIL%"), 0)
        text += {"%": "%", "L": "'x'"}.get(rest[end : end + 1], UNKNOWN_NAME)
        rest = rest[end + 1 :]
    return text + rest
