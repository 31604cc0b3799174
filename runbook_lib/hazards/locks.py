"""The hazard rules about locks: what stops the traffic on a table of the target."""

from runbook_lib.errors import SqlState
from runbook_lib.findings import Severity
from runbook_lib.hazards import rewrites
from runbook_lib.hazards.alter_table import (
    free_type,
    rewritten,
    scanned,
    type_of,
    volatile_call,
)
from runbook_lib.hazards.columns import proven
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import Rules, Said, Subject
from runbook_lib.parser.effects import constraints, is_serial, option
from runbook_lib.parser.objects import named_relation
from runbook_lib.parser.statement import LockMode
from runbook_lib.parser.tree import Node, definition, kinds

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
    safe=rewrites.build_concurrently,
    manual="sql-createindex",
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
    safe=rewrites.alter_safely,
    manual="sql-altertable",
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
    manual="sql-createtable",
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
    safe=rewrites.alter_safely,
    manual="sql-altertable",
)
def _check(s: Subject) -> Said:
    adds = {kinds.AT_AddConstraint, kinds.AT_AddColumn}
    for cmd in s.commands:
        for item in constraints(definition(cmd)) if cmd.subtype in adds else ():
            checked = item.contype == kinds.CONSTR_CHECK and not item.skip_validation
            if checked and s.busy(s.table):
                yield f"Every row of {s.busy(s.table)} is checked under ACCESS EXCLUSIVE"


@LOCKS.rule(
    "foreign-key-validated",
    _WARNING,
    "FOREIGN KEY added to a table with rows and validated at once",
    "Writes to both tables wait until every row is checked.",
    "Add it NOT VALID, and VALIDATE CONSTRAINT in a later file.",
    safe=rewrites.alter_safely,
    manual="sql-altertable",
)
def _foreign_key(s: Subject) -> Said:
    for cmd in s.commands:
        given = {item.contype: item for item in constraints(definition(cmd))}
        item = given.get(kinds.CONSTR_FOREIGN)
        # A new column without a value has nothing to look up.
        looks = cmd.subtype == kinds.AT_AddConstraint or kinds.CONSTR_DEFAULT in given
        if item is not None and looks and not item.skip_validation and s.busy(s.table):
            yield f"Every row of {s.busy(s.table)} is looked up in {named_relation(item.pktable)}"


@LOCKS.rule(
    "not-null-by-scan",
    _WARNING,
    "SET NOT NULL, or a primary key by an index of nullable columns, on a table with rows",
    _STOPS_ALL,
    "Add CHECK (column IS NOT NULL) NOT VALID, validate it, then SET NOT NULL.",
    safe=rewrites.alter_safely,
    manual="sql-altertable",
)
def _not_null(s: Subject) -> Said:
    for cmd in s.commands:
        for column in _to_be_not_null(s, cmd) if s.busy(s.table) else ():
            if not proven(s, column):
                yield f"Every row of {s.busy(s.table)} is read to see that {column} is not null"


def _to_be_not_null(s: Subject, cmd: Node) -> Said:
    given = definition(cmd).constraint
    if cmd.subtype == kinds.AT_SetNotNull:
        yield cmd.name
    elif given.contype == kinds.CONSTR_PRIMARY and given.indexname:
        index = s.memory.facts.structure.indexes.get(f"{s.table.schema}.{given.indexname}")
        yield from index.columns if index is not None else ()


@LOCKS.rule(
    "not-null-without-default",
    _ERROR,
    "NOT NULL column without DEFAULT added to a table with rows",
    "The statement fails: the rows have no value for it.",
    "Give it a DEFAULT, or add it nullable, fill it and then SET NOT NULL.",
    sqlstate=SqlState.NOT_NULL_VIOLATION,
    manual="ddl-alter",
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
    "change of a column's type that writes, checks or sorts every row anew",
    _STOPS_ALL,
    "Add a new column, fill it in batches, and switch over.",
    safe=rewrites.alter_safely,
    manual="sql-altertable",
)
def _type_change(s: Subject) -> Said:
    for cmd in s.commands:
        if cmd.subtype != kinds.AT_AlterColumnType or not s.busy(s.table):
            continue
        facts = s.there(s.table)
        old = facts.columns.get(cmd.name, "") if facts else ""
        again = scanned(cmd, s.table.qualified, s.memory.facts)
        if not free_type(cmd, s.table.qualified, s.memory.facts):
            was = f", which was {old}" if old else ""
            yield f"{s.busy(s.table)} is rewritten for {cmd.name}{was}"
        elif again:
            yield f"Every row of {s.busy(s.table)} is read: {again}"


@LOCKS.rule(
    "volatile-default",
    _WARNING,
    "column added with a volatile default",
    _STOPS_ALL,
    "Add the column without it, SET DEFAULT for new rows, fill the old ones in batches.",
    safe=rewrites.alter_safely,
    manual="ddl-alter",
)
def _volatile(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        for item in column.constraints if cmd.subtype == kinds.AT_AddColumn else ():
            default = item.constraint.contype == kinds.CONSTR_DEFAULT
            known = s.memory.facts.structure.volatile | s.memory.volatile
            called = volatile_call(item.constraint.raw_expr, known) if default else ""
            if called and s.busy(s.table):
                yield f"{s.busy(s.table)} is rewritten: {called} gives {column.colname}"


@LOCKS.rule(
    "constrained-domain-added",
    _WARNING,
    "column of a domain with a constraint added to a table with rows",
    _STOPS_ALL,
    "Add the column with the type below the domain and a CHECK NOT VALID, and validate it later.",
    manual="sql-altertable",
)
def _domain_column(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        if cmd.subtype == kinds.AT_AddColumn and s.busy(s.table):
            domain = s.memory.facts.structure.domains.get(type_of(column).qualified)
            narrow = type_of(column).qualified in s.memory.narrow
            if narrow or (domain is not None and domain.checked):
                yield f"{s.busy(s.table)} is rewritten: its new column is of {type_of(column)}"


@LOCKS.rule(
    "domain-check-validated",
    _WARNING,
    "constraint of a domain that is looked at in every row of a table",
    _STOPS_WRITES,
    "ALTER DOMAIN ... ADD CONSTRAINT ... NOT VALID, and VALIDATE CONSTRAINT at a quiet hour.",
    safe=rewrites.domain_later,
    manual="sql-alterdomain",
)
def _domain_check(s: Subject) -> Said:
    done = predict(s.statement, s.memory.facts) if s.tag == "alter_domain_stmt" else None
    for table in done.scans if done else ():
        if s.busy(table):
            yield f"Every row of {s.busy(table)} is checked, which has columns of the domain"


@LOCKS.rule(
    "stored-column-added",
    _WARNING,
    "stored generated column added, or computed anew, on a table with rows",
    _STOPS_ALL,
    "Add an ordinary column, let a trigger keep it, fill it in batches; or a view.",
    manual="ddl-generated-columns",
)
def _stored(s: Subject) -> Said:
    for cmd in s.commands:
        column = definition(cmd).column_def
        if cmd.subtype == kinds.AT_SetExpression and s.busy(s.table):
            yield f"{s.busy(s.table)} is rewritten to compute {cmd.name} anew"
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
    safe=rewrites.alter_safely,
    manual="datatype-numeric",
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
    safe=rewrites.reindex_concurrently,
    manual="sql-reindex",
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
    manual="sql-altertable",
)
def _storage(s: Subject) -> Said:
    anew = {
        kinds.AT_SetLogged,
        kinds.AT_SetUnLogged,
        kinds.AT_SetAccessMethod,
        kinds.AT_SetTableSpace,
    }
    for cmd in s.commands:
        moves = cmd.subtype in anew and rewritten(cmd, s.table.qualified, s.memory.facts)
        if moves and s.busy(s.table):
            yield f"{s.busy(s.table)} is rewritten"


@LOCKS.rule(
    "many-exclusive-locks",
    _WARNING,
    "several tables locked ACCESS EXCLUSIVE in one transaction",
    "All of them stay locked until COMMIT, and a deadlock with the traffic is likely.",
    "Alter one table per file.",
    manual="explicit-locking",
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
    safe=rewrites.alter_safely,
    manual="ddl-partitioning",
)
def _attach(s: Subject) -> Said:
    for cmd in s.commands:
        part = named_relation(definition(cmd).partition_cmd.name)
        proven = str(part) in s.memory.checked
        if cmd.subtype == kinds.AT_AttachPartition and s.busy(part) and not proven:
            yield f"Every row of {s.busy(part)} is read to see that it belongs there"


@LOCKS.rule(
    "default-partition-scanned",
    _WARNING,
    "partition added beside a DEFAULT partition with rows",
    "The DEFAULT partition is locked and read from end to end.",
    "Add to it a CHECK that keeps the new bounds out NOT VALID, validate it, then add the other.",
    safe=rewrites.attach_proven,
    manual="ddl-partitioning",
)
def _beside_default(s: Subject) -> Said:
    adds = s.tag == "create_stmt" or any(
        cmd.subtype == kinds.AT_AttachPartition for cmd in s.commands
    )
    for table in predict(s.statement, s.memory.facts).scans if adds else ():
        default = table.qualified in s.memory.facts.structure.defaults
        if default and s.busy(table) and str(table) not in s.memory.checked:
            yield f"Every row of {s.busy(table)} is read to see that none belongs to the new one"


@LOCKS.rule(
    "detach-not-concurrent",
    _WARNING,
    "DETACH PARTITION without CONCURRENTLY on a table with rows",
    "Every statement on the whole partitioned table waits until the transaction ends.",
    "Write DETACH PARTITION ... CONCURRENTLY; beside a DEFAULT partition, keep the file short.",
    safe=rewrites.alter_safely,
    manual="sql-altertable",
)
def _detach(s: Subject) -> Said:
    for cmd in s.commands:
        given = definition(cmd).partition_cmd
        if cmd.subtype == kinds.AT_DetachPartition and not given.concurrent and s.busy(s.table):
            yield f"{given.name.relname} is detached from {s.busy(s.table)} under ACCESS EXCLUSIVE"


@LOCKS.rule(
    "index-dropped-at-once",
    _WARNING,
    "DROP INDEX without CONCURRENTLY on a table with rows",
    "Every statement on the table waits for the lock, and until the transaction ends.",
    "Write DROP INDEX CONCURRENTLY, in a file of its own.",
    safe=rewrites.drop_concurrently,
    manual="sql-dropindex",
)
def _index_dropped(s: Subject) -> Said:
    if not _drops_index(s) or s.node.concurrent:
        return
    for lock in predict(s.statement, s.memory.facts).locks:
        if s.busy(lock.relation):
            yield f"{s.busy(lock.relation)} is locked ACCESS EXCLUSIVE to drop an index"


def _drops_index(s: Subject) -> bool:
    return s.tag == "drop_stmt" and bool(s.node.remove_type == kinds.OBJECT_INDEX)


@LOCKS.rule(
    "locks-another-table",
    _WARNING,
    "ACCESS EXCLUSIVE on a table with rows that the statement does not name",
    _STOPS_ALL,
    "Keep it in a short file of its own, at a quiet hour.",
    manual="explicit-locking",
)
def _another(s: Subject) -> Said:
    if _drops_index(s):
        return
    structure = s.memory.facts.structure
    own = {lock.relation.qualified for lock in s.statement.locks}
    own |= {each for table in own for each in structure.below(table)}
    done = predict(s.statement, s.memory.facts)
    own |= {table.qualified for table in done.scans}  # of which another rule tells
    for lock in done.locks:
        if lock.mode.stops_reads and lock.relation.qualified not in own and s.busy(lock.relation):
            yield f"{s.busy(lock.relation)} is locked too"


@LOCKS.rule(
    "trigger-added",
    _WARNING,
    "CREATE TRIGGER on a table with rows",
    "Writes wait for the lock, and from then on every write runs the trigger too.",
    "Keep it in a short file of its own, and measure a write with it.",
    manual="sql-createtrigger",
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
    safe=rewrites.refresh_concurrently,
    manual="sql-refreshmaterializedview",
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
    safe=rewrites.look_later,
    manual="sql-altertable",
)
def _validated(s: Subject) -> Said:
    for cmd in s.commands:
        name = f"{s.table}.{cmd.name}"
        if cmd.subtype == kinds.AT_ValidateConstraint and name in s.memory.not_valid:
            yield f"{cmd.name} was added NOT VALID just before"
