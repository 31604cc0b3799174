"""Split and classify SQL with PostgreSQL's own parser (libpg_query, through postgast)."""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate

from runbook_lib.errors import SqlState
from runbook_lib.findings import Finding, Severity
from runbook_lib.parser import objects
from runbook_lib.parser.bodies import body
from runbook_lib.parser.effects import effects
from runbook_lib.parser.objects import moved, search_path
from runbook_lib.parser.statement import DbObject, ForeignKey, Statement
from runbook_lib.parser.tree import (
    Node,
    PgQueryError,
    definition,
    deparse,
    kinds,
    parse,
    scan,
    tag_of,
    token_name,
)

_WHITE_SPACE = re.compile(rb"\s*")
_BEGINS = {"CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE_P", "GRANT", "COMMENT", "DO"}
_SEMICOLON, _BACKSLASH = "ASCII_59", "ASCII_92"
_OFF = {"off", "false", "no", "0", "f", "n"}
_SCANNED = 1024  # bytes at a time, of a file that does not parse


class Text:
    """Map byte offsets, which libpg_query counts in, to lines and to text."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.raw = sql.encode()
        lengths = (len(line) for line in self.raw.split(b"\n"))
        self._ends = list(accumulate(length + 1 for length in lengths))

    def line(self, offset: int) -> int:
        """Return the line of a byte, from 1."""
        return bisect_right(self._ends, offset) + 1

    def first_token(self, offset: int) -> int:
        """Return where the text goes on after white space; libpg_query has passed comments."""
        found = _WHITE_SPACE.match(self.raw, offset)
        return found.end() if found else offset

    def line_end(self, offset: int) -> int:
        """Return where the next line begins."""
        found = self.raw.find(b"\n", offset)
        return len(self.raw) if found < 0 else found + 1


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
        tree = parse(text.sql)
    except PgQueryError:
        statements, more = recover(text, path, _read_tree)
    else:
        statements, more = _read_tree(tree, text, (0, len(text.raw)), path)
    numbered = (
        replace(item, number=place).with_tree(item.tree)
        for place, item in enumerate(statements, start=1)
    )
    return tuple(numbered), (*found, *_without_escapes(statements, more))


def _without_escapes(
    statements: Iterable[Statement], found: Iterable[Finding]
) -> Iterator[Finding]:
    """Yield what cannot be read; what comes behind a SET that gives strings escapes is its doing.

    A file that is read all the same sets nothing that matters to where its strings end.
    """
    off = next((item for item in statements if _gives_escapes(item)), None)
    for item in found:
        if off is not None and item.line > off.line:
            cause = "With standard_conforming_strings off a backslash escapes what follows it in a "
            cause += "string, and the runbook reads strings as PostgreSQL does without that."
            remedy = "Take the SET out, and write strings with escapes as E'...'."
            yield defect("escapes-in-strings", (off.path, off.line), cause, remedy)
            return
        yield item


def _gives_escapes(statement: Statement) -> bool:
    if statement.kind != "variable set":
        return False
    node = statement.node
    values = (item.a_const.sval.sval.lower() for item in node.args)
    return node.name == "standard_conforming_strings" and any(value in _OFF for value in values)


def found_in(statements: Iterable[Statement], schema: str) -> Iterator[Statement]:
    """Yield statements with the names without a schema in this one, until a file sets its own."""
    at = "public"
    for item in statements:
        here = at == "public" and item.kind != "dynamic"
        yield moved(item, item.node, schema).with_tree(item.tree) if here else item
        at = search_path(item.tag, item.node, at)


def fingerprint(sql: str) -> str:
    """Return the SHA-256 of what the parser made of the SQL, empty for what does not parse.

    Comments, white space and the case of keywords do not change it.
    """
    try:
        return hashlib.sha256(deparse(parse(sql)).encode()).hexdigest()
    except PgQueryError:
        return ""


def _nul(path: str, sql: str) -> Finding:
    line = sql[: sql.index("\0")].count("\n") + 1
    cause = "The file holds a NUL byte, which PostgreSQL takes nowhere in SQL."
    return defect("nul-byte", (path, line), cause, "Remove it.")


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
        if copies_from_stdin(raw.stmt):
            found.append(copy_defect(path, line))
            continue
        source = text.raw[start:end].decode().rstrip()
        statement = _statement(raw.stmt, source, path, line, lambda at: text.line(base + at))
        tag, node = tag_of(raw.stmt), getattr(raw.stmt, tag_of(raw.stmt))
        statements.append(moved(statement, node, schema).with_tree(raw.stmt))
        schema = search_path(tag, node, schema)
    return statements, found


def _statement(stmt: Node, source: str, path: str, line: int, line_of: objects.LineOf) -> Statement:
    tag, node = tag_of(stmt), getattr(stmt, tag_of(stmt))
    created = tuple(objects.creates(tag, node))
    foreign_keys = tuple(objects.foreign_keys(tag, node, line_of, line))
    kind = tag.removesuffix("_stmt").replace("_", " ")
    done = effects(tag, node)
    inner = tuple(_inner(tag, node, source, path, line))
    commits = tag == "do_stmt" and any(item.control for item in inner)
    return Statement(
        path=path,
        line=line,
        sql=source,
        kind=kind,
        label=_label(tag, node, kind, created, foreign_keys),
        creates=created,
        removes=tuple(objects.removes(tag, node)),
        references=tuple(objects.references(tag, node, created, line_of, line)),
        foreign_keys=foreign_keys,
        transactional=_transactional(tag, node) and not commits,
        control=_control(tag, node),
        opaque=tag in _OPAQUE,
        locks=done.locks,
        rewrites=done.rewrites,
        scans=done.scans,
        inner=inner,
        calls=tuple(objects.calls(tag, node)),
    ).with_tree(stmt)


def _inner(tag: str, node: Node, source: str, path: str, line: int) -> Iterator[Statement]:
    """Yield the statements in the body of a DO block, a function or a procedure."""
    for part in body(tag, node, source):
        at = line + part.line - 1
        parsed = part.parsed()
        if parsed is None:
            yield Statement(path, at, part.sql, "dynamic", "dynamic SQL", opaque=True)
            continue
        text = Text(part.sql)
        for raw in parsed.stmts:
            if tag_of(raw.stmt):
                start = at + text.line(text.first_token(raw.stmt_location)) - 1
                yield _statement(raw.stmt, part.sql, path, start, _always(start))


def _always(line: int) -> objects.LineOf:
    return lambda _: line


def _control(tag: str, node: Node) -> str:
    if tag != "transaction_stmt":
        return ""
    return _CONTROL.get(kinds.TransactionStmtKind.Name(node.kind), "")


def _transactional(tag: str, node: Node) -> bool:
    """Tell whether the statement may run inside a transaction block."""
    if tag in {"index_stmt", "drop_stmt"}:
        return not node.concurrent
    if tag == "vacuum_stmt":
        return not node.is_vacuumcmd
    if tag == "discard_stmt":
        return bool(node.target != kinds.DISCARD_ALL)
    if tag == "cluster_stmt":
        return bool(node.relation.relname)
    if tag == "reindex_stmt":
        whole = node.kind in (
            kinds.REINDEX_OBJECT_SCHEMA,
            kinds.REINDEX_OBJECT_SYSTEM,
            kinds.REINDEX_OBJECT_DATABASE,
        )
        options = {item.def_elem.defname for item in node.params}
        return not whole and "concurrently" not in options
    if tag == "alter_table_stmt":
        return not any(
            cmd.alter_table_cmd.subtype == kinds.AT_DetachPartition
            and definition(cmd.alter_table_cmd).partition_cmd.concurrent
            for cmd in node.cmds
        )
    return tag not in _NEVER_IN_TRANSACTION


def _label(
    tag: str,
    node: Node,
    kind: str,
    creates: tuple[DbObject, ...],
    foreign_keys: tuple[ForeignKey, ...],
) -> str:
    """Say in a few words what the statement is."""
    if tag == "alter_table_stmt":
        if foreign_keys:
            return (
                f"alter table {node.relation.relname}: add foreign key to {foreign_keys[0].target}"
            )
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


ReadTree = Callable[[Node, Text, tuple[int, int], str], tuple[list[Statement], list[Finding]]]


class _Token:
    """Hold one token's name and place in the whole text."""

    def __init__(self, token: Node, base: int) -> None:
        self.name = token_name(token)
        self.start, self.end = base + token.start, base + token.end


def defect(
    rule: str,
    place: tuple[str, int],
    cause: str,
    remedy: str,
    *,
    statement: int = 0,
    sqlstate: str = "",
) -> Finding:
    """Return a finding about text that cannot be read; its statement begins there or before."""
    path, line = place
    return Finding(
        phase="reading",
        rule=rule,
        severity=Severity.ERROR,
        path=path,
        line=line,
        cause=cause,
        effect="The file cannot be applied.",
        remedy=remedy,
        sqlstate=sqlstate,
        statement=statement or line,
    )


def copy_defect(path: str, line: int) -> Finding:
    """Return the finding for COPY FROM STDIN."""
    cause = "COPY FROM STDIN carries its rows inside the file, which only psql understands."
    remedy = "Write the rows as INSERT statements."
    return defect("copy-from-stdin", (path, line), cause, remedy)


def copies_from_stdin(stmt: Node) -> bool:
    """Tell whether the statement reads rows from the file it stands in."""
    return stmt.WhichOneof("node") == "copy_stmt" and (
        stmt.copy_stmt.is_from and not stmt.copy_stmt.filename and not stmt.copy_stmt.is_program
    )


def recover(text: Text, path: str, read_tree: ReadTree) -> tuple[list[Statement], list[Finding]]:
    """Read a text that does not parse: each statement on its own, each error a finding."""
    return _Recovery(text, path, read_tree).read()


class _Recovery:
    def __init__(self, text: Text, path: str, read_tree: ReadTree) -> None:
        self.text, self.path, self.read_tree = text, path, read_tree
        self.statements: list[Statement] = []
        self.found: list[Finding] = []

    def read(self) -> tuple[list[Statement], list[Finding]]:
        at, size = 0, _SCANNED
        while at < len(self.text.raw):
            reached = self._read_from(at, self.text.line_end(at + size))
            # Nothing whole was in it: a long statement, of which more has to be scanned.
            size = _SCANNED if reached > at else 2 * size
            at = reached
        return self.statements, self.found

    def _read_from(self, base: int, limit: int) -> int:
        """Read what is whole before the limit; return where the next scan has to begin."""
        tokens, unterminated = self._scan(base, limit)
        begin = 0
        for place, token in enumerate(tokens):
            if token.name == _BACKSLASH:  # nowhere in SQL
                if begin < place:
                    self._piece(tokens[begin:place], token.start)
                return self._meta_command(token.start)
            if token.name == _SEMICOLON and not self._goes_on(tokens[begin : place + 1]):
                if begin < place and self._piece(tokens[begin:place], token.start):
                    return self._after_data(token.end)
                begin = place + 1
        if limit < len(self.text.raw):
            return tokens[begin - 1].end if begin else base
        if unterminated is not None:
            self.found.append(unterminated)
        elif begin < len(tokens):
            self._piece(tokens[begin:], len(self.text.raw))
        return len(self.text.raw)

    def _scan(self, base: int, limit: int) -> tuple[list[_Token], Finding | None]:
        rest = self.text.raw[base:limit].decode()
        unterminated = None
        try:
            found = scan(rest)
        except PgQueryError as error:
            rest, opened = self._before(rest, error)
            line = self.text.line(base + len(rest.encode()))
            what = error.message.split(" at or near", 1)[0]
            cause = f"{what[:1].upper()}{what[1:]}: it is opened in this line and never closed."
            state = SqlState.SYNTAX_ERROR
            unterminated = defect("unterminated", (self.path, line), cause, opened, sqlstate=state)
            found = scan(rest)
        comments = {"SQL_COMMENT", "C_COMMENT"}
        tokens = [_Token(token, base) for token in found.tokens]
        return [token for token in tokens if token.name not in comments], unterminated

    @staticmethod
    def _before(rest: str, error: PgQueryError) -> tuple[str, str]:
        """Return the text before what is not closed; cursorpos counts characters from 1."""
        return rest[: max(error.cursorpos - 1, 0)], "Close it."

    def _starts_line(self, offset: int) -> bool:
        before = self.text.raw[self.text.raw.rfind(b"\n", 0, offset) + 1 : offset].rstrip()
        return not before or before.endswith(b";")

    def _goes_on(self, tokens: list[_Token]) -> bool:
        """Tell whether this semicolon stands inside a body that SQL itself delimits."""
        names = [token.name for token in tokens]
        if names[:1] == ["CREATE"] and "RULE" in names[1:4]:
            return names.count("ASCII_40") > names.count("ASCII_41")
        if "ATOMIC" in names:
            return names.count("END_P") <= names.count("CASE")
        return False

    def _meta_command(self, start: int) -> int:
        end = self.text.line_end(start)
        words = self.text.raw[start:end].decode().split()
        line = self.text.line(start)
        cause = f"{words[0]} is a psql meta-command, and the runbook executes plain SQL only."
        remedy = "Write it as SQL or take it out of the file."
        self.found.append(defect("psql-meta-command", (self.path, line), cause, remedy))
        return end

    def _after_data(self, start: int) -> int:
        """Return where the rows of COPY FROM STDIN end."""
        at = self.text.line_end(start)
        while at < len(self.text.raw):
            end = self.text.line_end(at)
            if self.text.raw[at:end].strip() == b"\\.":
                return end
            at = end
        return at

    def _piece(self, tokens: list[_Token], end: int) -> bool:
        """Read one statement; tell whether it is COPY FROM STDIN, whose rows come next."""
        start = tokens[0].start
        sql = self.text.raw[start:end].decode()
        try:
            tree = parse(sql)
        except PgQueryError as error:
            self._error(tokens, end, sql, error)
            return False
        statements, found = self.read_tree(tree, self.text, (start, end), self.path)
        self.statements += statements
        self.found += found
        return any(copies_from_stdin(raw.stmt) for raw in tree.stmts)

    def _error(self, tokens: list[_Token], end: int, sql: str, error: PgQueryError) -> None:
        start = tokens[0].start
        at = start + len(sql[: max(error.cursorpos - 1, 0)].encode())
        at = min(at, tokens[-1].end - 1)
        line, first = self.text.line(at), self.text.line(start)
        message = f"{error.message[:1].upper()}{error.message[1:]}."
        remedy = "Correct the statement."
        # A statement that begins where the error is: most likely a semicolon is missing before it.
        cut = next((place for place, item in enumerate(tokens) if item.start == at), 0)
        begins = cut and tokens[cut].name in _BEGINS and self._starts_line(at)
        if begins and self._parses(start, at):
            remedy = "Write a semicolon before it."
        else:
            begins = False
        self.found.append(
            defect(
                "syntax-error",
                (self.path, line),
                message,
                remedy,
                statement=first,
                sqlstate=SqlState.SYNTAX_ERROR,
            )
        )
        if begins:
            self._piece(tokens[:cut], at)
            self._piece(tokens[cut:], end)

    def _parses(self, start: int, end: int) -> bool:
        try:
            parse(self.text.raw[start:end].decode())
        except PgQueryError:
            return False
        return True
