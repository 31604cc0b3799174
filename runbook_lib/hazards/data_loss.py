"""Prove that a release only adds, or list what it drops, deletes and changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.findings import Finding, Severity
from runbook_lib.hazards.rules import Facts
from runbook_lib.parser.objects import named, named_relation
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import DbObject, Statement
from runbook_lib.parser.tree import Node, kinds, strings, walk
from runbook_lib.release.model import Acceptance, Migration

_KINDS = {
    kinds.OBJECT_VIEW: "view",
    kinds.OBJECT_MATVIEW: "materialized view",
    kinds.OBJECT_TYPE: "type",
    kinds.OBJECT_DOMAIN: "domain",
    kinds.OBJECT_FUNCTION: "function",
    kinds.OBJECT_PROCEDURE: "procedure",
    kinds.OBJECT_SEQUENCE: "sequence",
    kinds.OBJECT_EXTENSION: "extension",
    kinds.OBJECT_SCHEMA: "schema",
    kinds.OBJECT_TRIGGER: "trigger",
}
EFFECTS = {
    "drops-table": "Its rows are gone, and only the backup has them.",
    "drops-column": "Its values are gone, and only the backup has them.",
    "drops-object": "What uses it fails.",
    "deletes-rows": "The rows are gone, and only the backup has them.",
    "changes-rows": "The old values are gone, and only the backup has them.",
    "dynamic-sql": "What it runs is not known before it runs.",
    "loses-values": "What the new type does not hold is gone, and only the backup has it.",
    "sets-back-sequence": "It hands out again what it has handed out.",
    "deletes-large-objects": "They are gone, and only the backup has them.",
}
BLOCKING = frozenset({"drops-table", "drops-column", "deletes-rows"})
"""The losses by reading that block where no rehearsal counts them."""
UNMEASURED = frozenset({"drops-object", "dynamic-sql"})
"""The rules of which no row or value is counted."""
_REMEDY = (
    "Take it out of the release; or, if it is meant, accept {rule} for this migration in "
    "release.toml."
)
LOSSES = frozenset(EFFECTS)


@dataclass(frozen=True)
class _Loss:
    """Hold one act that takes something away; ``table`` is empty where rows do not matter."""

    rule: str
    severity: Severity
    what: str
    table: DbObject | None = None


@dataclass
class _Reader:
    """Walk the pending migrations and know what they created themselves."""

    facts: Facts
    new: set[tuple[str, str]] = field(default_factory=set)
    functions: dict[str, tuple[Statement, ...]] = field(default_factory=dict)

    def own(self, item: DbObject) -> bool:
        """Tell whether the release, or a session of it, made the object."""
        names = {(item.schema, item.name), ("pg_temp", item.name)}
        if item.kind == "column":
            names = {(item.schema, item.table), (f"{item.schema}.{item.table}", item.name)}
        return bool(names & self.new)

    def learn(self, statement: Statement) -> None:
        for item in statement.creates:
            place = f"{item.schema}.{item.table}" if item.kind == "column" else item.schema
            self.new.add((place, item.name))
            if item.kind == "function":
                self.functions[item.qualified] = statement.inner

    def body(self, name: str) -> tuple[Statement, ...]:
        """Return the statements of a function of the release or of the target."""
        if name not in self.functions:
            text = self.facts.functions.get(name, "")
            read, _ = read_statements(text, f"function {name}")
            self.functions[name] = read[0].inner if read else ()
        return self.functions[name]


def find_losses(
    migrations: Sequence[Migration], facts: Facts, accepts: Sequence[Acceptance]
) -> tuple[Finding, ...]:
    """List what these migrations, in their order, drop, delete or change.

    Looked into are statements, WITH clauses, DO blocks and the functions they call. What the
    release itself created is no loss.
    """
    reader = _Reader(facts)
    found: list[Finding] = []
    for migration in migrations:
        for statement in migration.statements:
            for at, loss, through in _run(reader, statement, frozenset()):
                finding = _finding(reader, statement, at, loss, through)
                of = loss.rule, migration.name, finding.object
                reasons = (item.reason for item in accepts if item.covers(*of))
                found.append(replace(finding, accepted=next(reasons, "")))
            reader.learn(statement)
            for inner in statement.inner if statement.kind == "do" else ():
                reader.learn(inner)
    return tuple(found)


def _finding(
    reader: _Reader, statement: Statement, at: Statement, loss: _Loss, through: str
) -> Finding:
    inside = at.path == statement.path
    rows = ""
    if loss.table is not None:
        known = reader.facts.tables.get(loss.table.qualified)
        rows = f" ({known.rows:,} rows)" if known else ""
    called = f", in {through}, called here" if through else ""
    return Finding(
        phase="reading",
        rule=loss.rule,
        severity=loss.severity,
        path=statement.path,
        line=at.line if inside and not through else statement.line,
        cause=f"{loss.what}{rows}{called}{f' ({at.place})' if through and inside else ''}.",
        effect=EFFECTS[loss.rule],
        remedy=_REMEDY.format(rule=loss.rule),
        statement=statement.line,
        number=statement.number,
        object=_named(loss.table) if loss.table else "",
    )


def _named(item: DbObject) -> str:
    """Return how an acceptance names it: ``schema.table``, or ``schema.table.column``."""
    return ".".join(part for part in (item.schema, item.table, item.name) if part)


def _run(
    reader: _Reader, statement: Statement, seen: frozenset[str], through: str = ""
) -> Iterator[tuple[Statement, _Loss, str]]:
    """Yield what running the statement takes away, in its own body and in what it calls."""
    yield from ((statement, loss, through) for loss in _losses(reader, statement))
    if statement.kind == "do":
        for inner in statement.inner:
            yield from _run(reader, inner, seen, through)
            reader.learn(inner)
    for name in statement.calls:
        if name not in seen:
            for inner in reader.body(name):
                yield from _run(reader, inner, seen | {name}, f"function {name}")


def _losses(reader: _Reader, statement: Statement) -> Iterator[_Loss]:
    if statement.kind == "dynamic":
        short = " ".join(statement.sql.split())[:60]
        yield _Loss("dynamic-sql", Severity.INFO, f"EXECUTE {short} cannot be read")
        return
    for loss in _of_node(statement.tag, statement.node):
        if loss.table is None or not reader.own(loss.table):
            yield loss


def _of_node(tag: str, node: Node) -> Iterator[_Loss]:
    if tag == "drop_stmt":
        yield from _drops(node)
    elif tag == "alter_table_stmt":
        for cmd in (item.alter_table_cmd for item in node.cmds):
            if cmd.subtype == kinds.AT_DropColumn:
                table = named_relation(node.relation)
                column = DbObject("column", table.schema, cmd.name, table.name)
                yield _Loss("drops-column", Severity.ERROR, f"DROP COLUMN {column}", column)
    elif tag == "truncate_stmt":
        for item in node.relations:
            table = named_relation(item.range_var)
            yield _Loss("deletes-rows", Severity.ERROR, f"TRUNCATE {table}", table)
    elif tag == "drop_owned_stmt":
        yield _Loss("drops-table", Severity.ERROR, "DROP OWNED drops everything of a role")
    elif tag in _WRITERS:
        yield from _writes(tag, node)


_WRITERS = {
    *("select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"),
    *("create_table_as_stmt", "explain_stmt", "view_stmt"),
}


def _drops(node: Node) -> Iterator[_Loss]:
    for item in node.objects:
        if node.remove_type in {kinds.OBJECT_TABLE, kinds.OBJECT_FOREIGN_TABLE}:
            table = named("table", strings(item.list.items))
            yield _Loss("drops-table", Severity.ERROR, f"DROP TABLE {table}", table)
        elif node.remove_type in _KINDS:
            kind = _KINDS[node.remove_type]
            found = named(kind, _names(item))
            if kind in {"schema", "extension"}:
                found = replace(found, schema="")
            whole = not found.schema and node.behavior == kinds.DROP_CASCADE
            rule = "drops-table" if whole else "drops-object"
            severity = Severity.ERROR if whole else Severity.WARNING
            cascade = " CASCADE" if node.behavior == kinds.DROP_CASCADE else ""
            yield _Loss(rule, severity, f"DROP {kind.upper()} {found}{cascade}", found)


def _names(item: Node) -> list[str]:
    """Return the parts of a dropped object's name, which the grammar keeps in four ways."""
    kind = item.WhichOneof("node")
    if kind == "string":
        return [item.string.sval]
    if kind == "type_name":
        return strings(item.type_name.names)
    if kind == "object_with_args":
        return strings(item.object_with_args.objname)
    return strings(item.list.items)


def _writes(tag: str, node: Node) -> Iterator[_Loss]:
    own: Mapping[str, Node] = {}
    found = [node, *(item for _, item in walk(node) if item is not node)]
    own = {item.ctename: item for item in found if type(item).__name__ == "CommonTableExpr"}
    done: set[int] = set()
    for item in found:
        name = type(item).__name__
        if id(item) in done or name not in _ROWS:
            continue
        done.add(id(item))
        table = named_relation(item.relation)
        if table.name in own and not item.relation.schemaname:
            continue
        if name == "DeleteStmt":
            yield _Loss("deletes-rows", Severity.ERROR, f"DELETE FROM {table}", table)  # noqa: S608
        elif name == "UpdateStmt":
            yield _Loss("changes-rows", Severity.WARNING, f"UPDATE {table}", table)
        elif name == "MergeStmt":
            yield from _merged(item, table)
        elif item.on_conflict_clause.action == kinds.ONCONFLICT_UPDATE:
            what = f"INSERT INTO {table} ... ON CONFLICT DO UPDATE"
            yield _Loss("changes-rows", Severity.WARNING, what, table)


_ROWS = {"DeleteStmt", "UpdateStmt", "MergeStmt", "InsertStmt"}


def _merged(node: Node, table: DbObject) -> Iterator[_Loss]:
    does = {item.merge_when_clause.command_type for item in node.merge_when_clauses}
    if kinds.CMD_DELETE in does:
        yield _Loss("deletes-rows", Severity.ERROR, f"MERGE INTO {table} ... DELETE", table)
    elif kinds.CMD_UPDATE in does:
        yield _Loss("changes-rows", Severity.WARNING, f"MERGE INTO {table} ... UPDATE", table)
