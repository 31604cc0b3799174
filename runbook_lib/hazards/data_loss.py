"""Prove that a release only adds, or list what it drops, deletes and changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from runbook_lib.findings import Finding, Severity
from runbook_lib.hazards.rules import Facts, TableFacts
from runbook_lib.parser.bodies import UNKNOWN_NAME
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
    "down-loses": "What it takes away, no rollback brings back.",
}
BLOCKING = frozenset({"drops-table", "drops-column", "deletes-rows", "deletes-large-objects"})
"""The losses by reading that block where no rehearsal counts them."""
UNMEASURED = frozenset({"drops-object", "dynamic-sql", "down-loses"})
"""The rules of which no row or value is counted."""
_REMEDY = (
    "Take it out of the release; or, if it is meant, accept {rule} for this migration in "
    "release.toml."
)
LOSSES = frozenset(EFFECTS)
_TABLES = {"relation", "table", "column"}
_MOVES = {"rename", "alter object schema"}


@dataclass(frozen=True)
class _Loss:
    """Hold one act that takes something away; ``table`` is empty where rows do not matter.

    The schema of a table is empty where none is written. ``if_there``: IF EXISTS is.
    """

    rule: str
    severity: Severity
    what: str
    table: DbObject | None = None
    if_there: bool = False


@dataclass
class _Reader:
    """Walk the pending migrations and know what they created themselves.

    ``there`` leads from the present name of a table that the target had to the one it had then,
    ``columns`` from that and the present name of a column to the one it had, empty for a new one.
    ``new`` is what the target did not have. It is ``blind`` from SQL on that cannot be read.
    """

    facts: Facts
    there: dict[str, str] = field(init=False)
    columns: dict[str, dict[str, str]] = field(init=False)
    new: set[str] = field(default_factory=set)
    functions: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    blind: bool = False

    def __post_init__(self) -> None:
        self.there = {name: name for name in self.facts.tables}
        self.columns = {
            name: {column: column for column in table.columns}
            for name, table in self.facts.tables.items()
        }

    def found(self, item: DbObject, statement: Statement) -> DbObject:
        """Return a table with the schema in which its name is found: a temporary one hides others.

        Where it is looked for, the locks of the statement tell.
        """
        name = item.table or item.name
        if item.schema or item.kind not in _TABLES:
            return item
        if f"pg_temp.{name}" in self.new:
            return replace(item, schema="pg_temp")
        named = (lock.relation for lock in statement.locks if lock.relation.name == name)
        return replace(item, schema=next((other.schema for other in named), "public"))

    def own(self, item: DbObject) -> bool:
        """Tell whether the release, or a session of it, made the object."""
        older = self.there.get(_table(item))
        if older is None:
            hidden = item.kind not in _TABLES and f"pg_temp.{item.name}" in self.new
            return _table(item) in self.new or hidden
        return item.kind == "column" and self.columns[older].get(item.name) == ""

    def absent(self, item: DbObject) -> bool:
        """Tell whether neither the target nor the release has the table, or the column."""
        older = self.there.get(_table(item))
        if older is None:
            return item.kind in _TABLES and _table(item) not in self.new
        return item.kind == "column" and item.name not in self.columns[older]

    def nowhere(self, item: DbObject) -> bool:
        """Tell whether the target has no such table or view in any schema, or no such column.

        What was renamed to a name that is not known may be meant.
        """
        if self.blind or not self.absent(item):
            return False
        if older := self.there.get(_table(item)):
            return UNKNOWN_NAME not in self.columns[older]
        meant = {item.table or item.name, UNKNOWN_NAME}
        known = {*self.there, *self.facts.structure.relations}
        return not {name.rpartition(".")[2] for name in known} & meant

    def inside(self, schema: str) -> list[TableFacts]:
        """Return the tables of the target that are in a schema by now."""
        found = (older for name, older in self.there.items() if name.split(".")[0] == schema)
        return [self.facts.tables[older] for older in found]

    def original(self, item: DbObject) -> tuple[str, str]:
        """Return table and column as they were called on the target, the column empty for none."""
        table = self.there.get(_table(item), _table(item))
        if item.kind != "column":
            return table, ""
        return table, self.columns.get(table, {}).get(item.name) or item.name

    def learn(self, statement: Statement) -> None:
        """Follow tables and columns through what a statement creates, renames and drops."""
        moves = statement.kind in _MOVES
        for item, old in zip_longest(statement.creates, statement.removes if moves else ()):
            if item is not None and old is not None:
                self._move(old, item)
            elif item is not None:
                self._make(item)
                if item.kind == "function":
                    self.functions[item.qualified] = statement.inner
        for item in () if moves else statement.removes:
            self._drop(item)

    def _make(self, item: DbObject) -> None:
        """Take an object for new, unless IF NOT EXISTS found it there."""
        older = self.there.get(_table(item))
        if older is None:
            self.new.add(_table(item))
        elif item.kind == "column":
            self.columns[older].setdefault(item.name, "")

    def _move(self, old: DbObject, item: DbObject) -> None:
        was, name = _table(old), _table(item)
        older = self.there.get(was)
        if item.kind == "column":
            if older is not None:
                self.columns[older][item.name] = self.columns[older].pop(old.name, old.name)
        elif older is not None:
            self.there[name] = self.there.pop(was)
        else:
            self.new.discard(was)
            self.new.add(name)

    def _drop(self, item: DbObject) -> None:
        older = self.there.get(_table(item))
        if item.kind == "column":
            if older is not None:
                self.columns[older].pop(item.name, None)
        elif item.kind == "table":
            self.there.pop(_table(item), None)
            self.new.discard(_table(item))

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
    """List what these migrations, in their order, drop, delete or change, and their way back.

    Looked into are statements, WITH clauses, DO blocks and the functions they call. What the
    release itself created is no loss; what the target had stays what it was under each new name.
    """
    reader = _Reader(facts)
    found: list[Finding] = []
    for migration in migrations:
        for statement in migration.statements:
            for finding in _read(reader, statement):
                of = finding.rule, migration.name, finding.object
                reasons = (item.reason for item in accepts if item.covers(*of))
                found.append(replace(finding, accepted=next(reasons, "")))
            reader.learn(statement)
            for inner in statement.inner if statement.kind == "do" else ():
                reader.learn(inner)
    for migration in reversed(migrations):
        for statement in migration.down:
            found += (_going_back(item) for item in _read(reader, statement))
            reader.learn(statement)
    return tuple(found)


def _read(reader: _Reader, statement: Statement) -> Iterator[Finding]:
    for at, loss, through in _run(reader, statement, frozenset()):
        yield _finding(reader, statement, at, loss, through)


def _going_back(item: Finding) -> Finding:
    """Return what a down.sql takes away: it warns, for a rollback decides anew."""
    severity = Severity.WARNING if item.severity is Severity.ERROR else item.severity
    cause = f"A rollback would do it: {item.cause}"
    remedy = "Take it out of the down.sql, or roll back by restoring."
    return replace(item, rule="down-loses", severity=severity, cause=cause, remedy=remedy)


def _finding(
    reader: _Reader, statement: Statement, at: Statement, loss: _Loss, through: str
) -> Finding:
    inside = at.path == statement.path
    table, column = reader.original(loss.table) if loss.table else ("", "")
    known = reader.facts.tables.get(table)
    rows = f" ({known.rows:,} rows)" if known else ""
    called = f", in {through}, called here" if through else ""
    return Finding(
        phase="reading",
        rule=loss.rule,
        severity=loss.severity if _may_lose(reader.facts, known, loss) else Severity.INFO,
        path=statement.path,
        line=at.line if inside and not through else statement.line,
        cause=f"{loss.what}{rows}{called}{f' ({at.place})' if through and inside else ''}.",
        effect=EFFECTS[loss.rule],
        remedy=_REMEDY.format(rule=loss.rule),
        statement=statement.line,
        number=statement.number,
        object=f"{table}.{column}" if column else table,
    )


def _may_lose(facts: Facts, known: TableFacts | None, loss: _Loss) -> bool:
    """Tell whether there are rows to lose: of a table that is not known, in any of the target's."""
    if known is not None:
        return bool(known.rows)
    of_rows = loss.rule in BLOCKING and loss.rule != "deletes-large-objects"
    return not of_rows or any(table.rows for table in facts.tables.values())


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
                reader.learn(inner)


def _losses(reader: _Reader, statement: Statement) -> Iterator[_Loss]:
    if statement.kind == "dynamic":
        reader.blind = True
        short = " ".join(statement.sql.split())[:60]
        yield _Loss("dynamic-sql", Severity.INFO, f"EXECUTE {short} cannot be read")
        return
    for loss in _of_node(statement.tag, statement.node):
        table = reader.found(loss.table, statement) if loss.table else None
        if table is not None and table.kind == "schema" and loss.rule == "drops-table":
            yield from _of_schema(reader, replace(loss, table=table))
        elif table is None or not _of_nothing(reader, table, if_there=loss.if_there):
            yield replace(loss, table=table)
    yield from _of_type(reader, statement)
    if any(name.endswith(".lo_unlink") for name in statement.calls):
        yield _Loss("deletes-large-objects", Severity.ERROR, "lo_unlink deletes large objects")


def _of_nothing(reader: _Reader, table: DbObject, *, if_there: bool) -> bool:
    """Tell whether the target has nothing of it: the release made it, or it is not there."""
    if reader.own(table):
        return True
    return reader.absent(table) if if_there else reader.nowhere(table)


def _of_schema(reader: _Reader, loss: _Loss) -> Iterator[_Loss]:
    """Yield what DROP SCHEMA CASCADE takes along, by the tables of the target that are in it."""
    name = loss.table.name if loss.table else ""
    inside = reader.inside(name)
    if any(table.rows for table in inside) or (reader.blind and not inside):
        yield loss
    elif inside or reader.facts.structure.uses_of("schema", name):
        yield replace(loss, rule="drops-object", severity=Severity.WARNING)


def _of_type(reader: _Reader, statement: Statement) -> Iterator[_Loss]:
    """Yield the columns of older tables that DROP TYPE or DROP DOMAIN takes along."""
    node = statement.node
    if statement.tag != "drop_stmt" or node.behavior != kinds.DROP_CASCADE:
        return
    if node.remove_type not in {kinds.OBJECT_TYPE, kinds.OBJECT_DOMAIN}:
        return
    names = {".".join(_names(item)).removeprefix("public.") for item in node.objects}
    for name, older in reader.there.items():
        schema, _, table = name.partition(".")
        for column, was in reader.columns[older].items():
            kind = reader.facts.tables[older].columns.get(was, "").removesuffix("[]")
            if kind in names:
                found = DbObject("column", schema, column, table)
                what = f"DROP {' '.join(statement.label.split()[1:])} CASCADE drops {found}"
                yield _Loss("drops-column", Severity.ERROR, what, found)


def _of_node(tag: str, node: Node) -> Iterator[_Loss]:
    if tag == "drop_stmt":
        yield from _drops(node)
    elif tag == "alter_table_stmt":
        for cmd in (item.alter_table_cmd for item in node.cmds):
            if cmd.subtype == kinds.AT_DropColumn:
                table = _written(node.relation)
                column = DbObject("column", table.schema, cmd.name, table.name)
                what = f"DROP COLUMN {column}"
                there = cmd.missing_ok or node.missing_ok
                yield _Loss("drops-column", Severity.ERROR, what, column, if_there=there)
    elif tag == "truncate_stmt":
        for item in node.relations:
            table = _written(item.range_var)
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
            names = strings(item.list.items)
            table = DbObject("table", names[-2] if len(names) > 1 else "", names[-1])
            there = node.missing_ok and node.remove_type == kinds.OBJECT_TABLE
            yield _Loss("drops-table", Severity.ERROR, f"DROP TABLE {table}", table, if_there=there)
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


def _written(relation: Node) -> DbObject:
    """Return the table as it is written, its schema empty where none is."""
    return replace(named_relation(relation), schema=relation.schemaname)


def _table(item: DbObject) -> str:
    """Return the qualified name of what an object is or belongs to."""
    return f"{item.schema}.{item.table or item.name}"


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
        table = _written(item.relation)
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
