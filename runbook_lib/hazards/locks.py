"""The hazard rules about locks: what stops the traffic on a table of the target."""

import re

from runbook_lib.errors import SqlState
from runbook_lib.findings import Severity
from runbook_lib.hazards.rules import Rules, Said, Subject
from runbook_lib.parser.effects import constraints, is_serial, option, volatile
from runbook_lib.parser.objects import named_relation
from runbook_lib.parser.statement import LockMode
from runbook_lib.parser.tree import Node, definition, kinds, type_name

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_STOPS_ALL = "Every statement on the table waits until it is done."
_STOPS_WRITES = "INSERT, UPDATE and DELETE on the table wait until the transaction ends."
_INDEX_FIRST = "Build a unique index CONCURRENTLY first, then ADD CONSTRAINT ... USING INDEX."
LOCKS = Rules()


@LOCKS.rule(
    "index-not-concurrent",
    _WARNING,
    "CREATE INDEX without CONCURRENTLY on a table with rows",
    _STOPS_WRITES,
    "Write CREATE INDEX CONCURRENTLY, in a file of its own.",
)
def _index(s: Subject) -> Said:
    if s.tag == "index_stmt" and not s.node.concurrent and s.busy(s.table):
        yield f"Index {s.node.idxname or '(unnamed)'} is built on {s.busy(s.table)} in one go"


@LOCKS.rule(
    "unique-constraint-added",
    _WARNING,
    "UNIQUE or PRIMARY KEY added to a table with rows",
    _STOPS_ALL,
    _INDEX_FIRST,
)
def _unique(s: Subject) -> Said:
    for cmd in s.commands:
        for item in constraints(definition(cmd)):
            unique = (
                item.contype in {kinds.CONSTR_UNIQUE, kinds.CONSTR_PRIMARY} and not item.indexname
            )
            if unique and s.busy(s.table):
                yield f"A unique index is built on {s.busy(s.table)} under ACCESS EXCLUSIVE"


@LOCKS.rule(
    "exclusion-constraint-added",
    _WARNING,
    "EXCLUDE added to a table with rows",
    _STOPS_ALL,
    "There is no way to build it beside the traffic: choose a quiet hour.",
)
def _exclusion(s: Subject) -> Said:
    for cmd in s.commands:
        if definition(cmd).constraint.contype == kinds.CONSTR_EXCLUSION and s.busy(s.table):
            yield f"The constraint's index is built on {s.busy(s.table)}"


@LOCKS.rule(
    "check-validated",
    _WARNING,
    "CHECK added to a table with rows and validated at once",
    _STOPS_ALL,
    "Add it NOT VALID, and VALIDATE CONSTRAINT in a later file.",
)
def _check(s: Subject) -> Said:
    for cmd in s.commands:
        item = definition(cmd).constraint
        checked = item.contype == kinds.CONSTR_CHECK and not item.skip_validation
        if cmd.subtype == kinds.AT_AddConstraint and checked and s.busy(s.table):
            yield f"Every row of {s.busy(s.table)} is checked under ACCESS EXCLUSIVE"


@LOCKS.rule(
    "foreign-key-validated",
    _WARNING,
    "FOREIGN KEY added to a table with rows and validated at once",
    "Writes to both tables wait until every row is checked.",
    "Add it NOT VALID, and VALIDATE CONSTRAINT in a later file.",
)
def _foreign_key(s: Subject) -> Said:
    for cmd in s.commands:
        item = definition(cmd).constraint
        checked = item.contype == kinds.CONSTR_FOREIGN and not item.skip_validation
        if cmd.subtype == kinds.AT_AddConstraint and checked and s.busy(s.table):
            yield f"Every row of {s.busy(s.table)} is looked up in {named_relation(item.pktable)}"


@LOCKS.rule(
    "not-null-by-scan",
    _WARNING,
    "SET NOT NULL on a table with rows",
    _STOPS_ALL,
    "Add CHECK (column IS NOT NULL) NOT VALID, validate it, then SET NOT NULL.",
)
def _not_null(s: Subject) -> Said:
    for cmd in s.commands:
        proven = (str(s.table), cmd.name) in s.memory.not_null_checks
        if cmd.subtype == kinds.AT_SetNotNull and s.busy(s.table) and not proven:
            yield f"Every row of {s.busy(s.table)} is read to see that {cmd.name} is not null"


@LOCKS.rule(
    "not-null-without-default",
    _ERROR,
    "NOT NULL column without DEFAULT added to a table with rows",
    "The statement fails: the rows have no value for it.",
    "Give it a DEFAULT, or add it nullable, fill it and then SET NOT NULL.",
    sqlstate=SqlState.NOT_NULL_VIOLATION,
)
def _required(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        given = {item.constraint.contype for item in column.constraints}
        has_value = given & {kinds.CONSTR_DEFAULT, kinds.CONSTR_IDENTITY, kinds.CONSTR_GENERATED}
        required = given & {kinds.CONSTR_NOTNULL, kinds.CONSTR_PRIMARY}
        wanted = required and not has_value and not is_serial(column)
        if cmd.subtype == kinds.AT_AddColumn and wanted and s.busy(s.table):
            yield f"Column {column.colname} of {s.busy(s.table)} may not be null and has no default"


@LOCKS.rule(
    "type-change-rewrites",
    _WARNING,
    "change of a column's type that rewrites every row",
    _STOPS_ALL,
    "Add a new column, fill it in batches, and switch over.",
)
def _type_change(s: Subject) -> Said:
    for cmd in s.commands:
        if cmd.subtype != kinds.AT_AlterColumnType or not s.busy(s.table):
            continue
        facts = s.there(s.table)
        old = facts.columns.get(cmd.name, "") if facts else ""
        if not _free(old, definition(cmd).column_def):
            yield f"{s.busy(s.table)} is rewritten: {cmd.name} was {old or 'of unknown type'}"


_LIMITED = re.compile(r"(?P<base>[^(]+)\((?P<limits>\d+(,\d+)?)\)")


def _free(old: str, column: Node) -> bool:
    """Tell whether only the catalog changes (PostgreSQL manual, ALTER TABLE, Notes)."""
    new, sizes = type_name(column), [item.a_const.ival.ival for item in column.type_name.typmods]
    limited = _LIMITED.fullmatch(old)
    base = limited["base"] if limited else old
    limits = [int(part) for part in limited["limits"].split(",")] if limited else []
    text = {"character varying", "text"}
    if base in text and new == "text":
        return True
    if base in text and new == "varchar":
        return not sizes or (bool(limits) and sizes[0] >= limits[0])
    if base == "numeric" and new == "numeric":
        wider = not sizes or (bool(limits) and sizes[0] >= limits[0])
        return wider and (sizes[1:] or [0]) == (limits[1:] or [0]) if sizes else True
    return base == "cidr" and new == "inet"


@LOCKS.rule(
    "volatile-default",
    _WARNING,
    "column added with a volatile default",
    _STOPS_ALL,
    "Add the column without it, SET DEFAULT for new rows, fill the old ones in batches.",
)
def _volatile(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        for item in column.constraints if cmd.subtype == kinds.AT_AddColumn else ():
            found = item.constraint.contype == kinds.CONSTR_DEFAULT
            if found and volatile(item.constraint.raw_expr) and s.busy(s.table):
                yield f"{s.busy(s.table)} is rewritten to give each row its {column.colname}"


@LOCKS.rule(
    "stored-column-added",
    _WARNING,
    "stored generated column added to a table with rows",
    _STOPS_ALL,
    "Add an ordinary column, let a trigger keep it, fill it in batches; or a view.",
)
def _stored(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        for item in column.constraints if cmd.subtype == kinds.AT_AddColumn else ():
            stored = item.constraint.contype == kinds.CONSTR_GENERATED
            if stored and str(item.constraint.generated_kind) != "v" and s.busy(s.table):
                yield f"{s.busy(s.table)} is rewritten to compute {column.colname}"


@LOCKS.rule(
    "serial-added",
    _WARNING,
    "serial or identity column added to a table with rows",
    _STOPS_ALL,
    "Add a nullable column, fill it in batches, then attach the sequence.",
)
def _serial(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        given = {item.constraint.contype for item in column.constraints}
        numbered = is_serial(column) or kinds.CONSTR_IDENTITY in given
        if cmd.subtype == kinds.AT_AddColumn and numbered and s.busy(s.table):
            yield f"{s.busy(s.table)} is rewritten to number its rows in {column.colname}"


@LOCKS.rule(
    "table-rewritten-in-place",
    _WARNING,
    "VACUUM FULL, CLUSTER, or REINDEX without CONCURRENTLY",
    _STOPS_ALL,
    "Use REINDEX CONCURRENTLY, or pg_repack for a table.",
)
def _in_place(s: Subject) -> Said:
    if s.tag == "vacuum_stmt" and option(s.node.options, "full"):
        yield "VACUUM FULL rewrites every table it names"
    elif s.tag == "cluster_stmt":
        yield "CLUSTER rewrites the table"
    elif s.tag == "reindex_stmt" and not option(s.node.params, "concurrently"):
        yield "REINDEX rebuilds the indexes in one go"


@LOCKS.rule(
    "set-logged",
    _WARNING,
    "SET LOGGED, SET UNLOGGED, SET TABLESPACE or SET ACCESS METHOD on a table with rows",
    _STOPS_ALL,
    "Choose a quiet hour, or move the rows to a new table in batches.",
)
def _storage(s: Subject) -> Said:
    anew = {
        kinds.AT_SetLogged,
        kinds.AT_SetUnLogged,
        kinds.AT_SetAccessMethod,
        kinds.AT_SetTableSpace,
    }
    for cmd in s.commands:
        if cmd.subtype in anew and s.busy(s.table):
            yield f"{s.busy(s.table)} is rewritten"


@LOCKS.rule(
    "many-exclusive-locks",
    _WARNING,
    "several tables locked ACCESS EXCLUSIVE in one transaction",
    "All of them stay locked until COMMIT, and a deadlock with the traffic is likely.",
    "Alter one table per file.",
)
def _many_locks(s: Subject) -> Said:
    held = s.memory.exclusive
    for lock in s.statement.locks if len(held) < 2 else ():  # said once a transaction
        table = str(lock.relation)
        if lock.mode is LockMode.ACCESS_EXCLUSIVE and s.busy(lock.relation) and table not in held:
            held.append(table)
            if len(held) == 2:
                yield f"{held[0]} is still locked when {table} is locked too"


@LOCKS.rule(
    "partition-scanned",
    _WARNING,
    "ATTACH PARTITION of a table with rows and no CHECK that proves its bounds",
    "The table to attach is locked and read from end to end.",
    "Add a CHECK that matches the bounds NOT VALID, validate it, attach, drop it.",
)
def _attach(s: Subject) -> Said:
    for cmd in s.commands:
        part = named_relation(definition(cmd).partition_cmd.name)
        proven = str(part) in s.memory.checked
        if cmd.subtype == kinds.AT_AttachPartition and s.busy(part) and not proven:
            yield f"Every row of {s.busy(part)} is read to see that it belongs there"


@LOCKS.rule(
    "trigger-added",
    _WARNING,
    "CREATE TRIGGER on a table with rows",
    "Writes wait for the lock, and from then on every write runs the trigger too.",
    "Keep it in a short file of its own, and measure a write with it.",
)
def _trigger(s: Subject) -> Said:
    if s.tag == "create_trig_stmt" and s.busy(s.table):
        yield f"Trigger {s.node.trigname} is put on {s.busy(s.table)}"


@LOCKS.rule(
    "refresh-not-concurrent",
    _WARNING,
    "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
    "Readers of the view wait until it is refreshed.",
    "Give it a unique index and REFRESH ... CONCURRENTLY.",
)
def _refresh(s: Subject) -> Said:
    plain = s.tag == "refresh_mat_view_stmt" and not s.node.concurrent
    if plain and s.there(s.table) is not None:
        yield f"{s.table} is refreshed under ACCESS EXCLUSIVE"


@LOCKS.rule(
    "validated-at-once",
    _WARNING,
    "NOT VALID and VALIDATE CONSTRAINT in one transaction",
    "The strong lock of the first statement is held while every row is checked.",
    "Validate in a later file.",
)
def _validated(s: Subject) -> Said:
    for cmd in s.commands:
        name = f"{s.table}.{cmd.name}"
        if cmd.subtype == kinds.AT_ValidateConstraint and name in s.memory.not_valid:
            yield f"{cmd.name} was added NOT VALID just before"
