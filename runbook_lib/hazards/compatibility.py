"""The hazard rules about what fails, breaks the application, or bites later."""

from runbook_lib.errors import SqlState
from runbook_lib.findings import Severity
from runbook_lib.hazards import rewrites
from runbook_lib.hazards.alter_table import other_result
from runbook_lib.hazards.rules import ALTER, Rules, Said, Subject
from runbook_lib.parser.identifiers import LONGEST
from runbook_lib.parser.objects import named, named_relation
from runbook_lib.parser.tree import (
    Node,
    definition,
    kinds,
    scan,
    strings,
    token_name,
    type_name,
    walk,
)

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_BREAKS = "Code that is running and knows the old name fails at once."
HABITS = Rules()


@HABITS.rule(
    "json-column",
    _WARNING,
    "column of the type json",
    "It has no equality: DISTINCT, GROUP BY and UNION over it fail, and no index helps.",
    "Use jsonb, which has both.",
    manual="datatype-json",
)
def _json(s: Subject) -> Said:
    elements = list(s.node.table_elts) if s.tag == "create_stmt" else []
    for element in [*elements, *(definition(cmd) for cmd in s.commands)]:
        if element.HasField("column_def") and type_name(element.column_def) == "json":
            yield f"Column {element.column_def.colname or '(changed)'} of {s.table} is json"


@HABITS.rule(
    "rename",
    _WARNING,
    "rename, or move to another schema, of what the application knows",
    _BREAKS,
    "Add the new name beside the old (a view, a second column), deploy, then drop the old.",
    safe=rewrites.keep_the_old_name,
    manual="sql-altertable",
)
def _rename(s: Subject) -> Said:
    if s.tag == "rename_stmt":
        if s.node.rename_type in _RELATIONS and s.known(s.table):
            yield f"{s.node.subname or s.table} of {s.table} is renamed to {s.node.newname}"
        elif s.node.rename_type == kinds.OBJECT_SCHEMA and _older(s, "", s.node.subname):
            yield f"Schema {s.node.subname} is renamed to {s.node.newname}"
        elif s.node.rename_type in _TYPES and _older(s, *_type(s.node.object)):
            yield f"Type {_type(s.node.object)[1]} is renamed to {s.node.newname}"
    elif s.tag == "alter_enum_stmt" and s.node.old_val:
        enum = named("enum", strings(s.node.type_name))
        if _older(s, enum.schema, enum.name):
            yield f"Value '{s.node.old_val}' of {enum} is renamed to '{s.node.new_val}'"
    elif s.tag == "alter_object_schema_stmt":
        if s.node.object_type in _RELATIONS and s.known(s.table):
            yield f"{s.table} is moved to the schema {s.node.newschema}"
        elif s.node.object_type in _TYPES and _older(s, *_type(s.node.object)):
            yield f"Type {_type(s.node.object)[1]} is moved to the schema {s.node.newschema}"


_RELATIONS = {
    *(kinds.OBJECT_TABLE, kinds.OBJECT_COLUMN, kinds.OBJECT_TABCONSTRAINT),
    *(kinds.OBJECT_VIEW, kinds.OBJECT_MATVIEW, kinds.OBJECT_FOREIGN_TABLE),
}
_TYPES = {kinds.OBJECT_TYPE, kinds.OBJECT_DOMAIN}


def _type(item: Node) -> tuple[str, str]:
    found = named("type", strings(item.list.items))
    return found.schema, found.name


def _older(s: Subject, schema: str, name: str) -> bool:
    """Tell whether it was there before this release."""
    return (schema, name) not in s.memory.new


@HABITS.rule(
    "cached-plan-breaks",
    Severity.INFO,  # whether the application keeps prepared statements, no server tells others
    "change of a column's type that sessions with prepared statements meet",
    "A statement that a session prepared before and that gives the column fails until it is "
    "prepared anew (0A000, cached plan must not change result type).",
    "Let the application connect anew after it, or make sure that it prepares again by itself.",
    manual="sql-prepare",
)
def _cached_plan(s: Subject) -> Said:
    for cmd in s.commands:
        changed = cmd.subtype == kinds.AT_AlterColumnType and s.busy(s.table)
        if changed and other_result(cmd, s.table.qualified, s.memory.facts):
            yield f"Queries of {cmd.name} of {s.busy(s.table)} give another type"


@HABITS.rule(
    "trigger-disabled",
    _WARNING,
    "DISABLE TRIGGER on a table with rows",
    "What it keeps true, foreign keys with ALL, does not hold for what is written meanwhile.",
    "Enable it again in the same transaction, and look at the rows that were written.",
    manual="sql-altertable",
)
def _trigger_disabled(s: Subject) -> Said:
    off = {kinds.AT_DisableTrig, kinds.AT_DisableTrigAll, kinds.AT_DisableTrigUser}
    for cmd in s.commands:
        if cmd.subtype in off and s.busy(s.table):
            yield f"{cmd.name or 'Every trigger'} of {s.busy(s.table)} is disabled"


@HABITS.rule(
    "row-security-changed",
    _WARNING,
    "row security of a table with rows switched, or a policy changed or dropped",
    "The application sees and writes other rows than before, or none at all.",
    "Create the policies first, and try the application's queries as its role.",
    manual="ddl-rowsecurity",
)
def _row_security(s: Subject) -> Said:
    switched = {
        *(kinds.AT_EnableRowSecurity, kinds.AT_DisableRowSecurity),
        *(kinds.AT_ForceRowSecurity, kinds.AT_NoForceRowSecurity),
    }
    for cmd in s.commands:
        if cmd.subtype in switched and s.busy(s.table):
            yield f"Row security of {s.busy(s.table)} is switched"
    changes = s.tag == "alter_policy_stmt" or (
        s.tag == "drop_stmt" and s.node.remove_type == kinds.OBJECT_POLICY
    )
    narrows = s.tag == "create_policy_stmt" and not s.node.permissive
    for lock in s.statement.locks if changes or narrows else ():
        if s.busy(lock.relation):
            yield f"A policy of {s.busy(lock.relation)} is changed"


@HABITS.rule(
    "replica-identity-changed",
    _WARNING,
    "REPLICA IDENTITY FULL or NOTHING on a table with rows",
    "FULL logs each old row whole; with NOTHING a published table refuses UPDATE and DELETE.",
    "Give the table a primary key, or a unique index on columns that are not null.",
    manual="sql-altertable",
)
def _replica_identity(s: Subject) -> Said:
    for cmd in s.commands:
        kind = definition(cmd).replica_identity_stmt.identity_type
        if cmd.subtype == kinds.AT_ReplicaIdentity and kind in {"f", "n"} and s.busy(s.table):
            yield f"{s.busy(s.table)} is replicated in another way"


@HABITS.rule(
    "primary-key-missing",
    _WARNING,
    "table without a primary key where a publication takes every table",
    "It takes INSERTs, and refuses every UPDATE and DELETE.",
    "Give it a primary key, or REPLICA IDENTITY FULL.",
    manual="logical-replication-publication",
)
def _without_key(s: Subject) -> Said:
    plain = s.tag == "create_stmt" and s.node.relation.relpersistence == "p"
    own = plain and not s.node.inh_relations and s.table.qualified not in s.memory.identified
    if own and s.memory.facts.structure.publishes_all and s.there(s.table) is None:
        yield f"Nothing tells the rows of {s.table} apart for logical replication"


@HABITS.rule(
    "default-dropped",
    _WARNING,
    "DROP DEFAULT of a NOT NULL column on a table with rows",
    "INSERTs of the code that is running leave the column out, and fail.",
    "Drop it after the code that gives a value is deployed.",
    manual="sql-altertable",
)
def _default_dropped(s: Subject) -> Said:
    facts = s.there(s.table) if s.commands else None
    for cmd in s.commands:
        drops = cmd.subtype == kinds.AT_ColumnDefault and not cmd.HasField("def")
        required = (str(s.table), cmd.name) in s.memory.required or (
            facts is not None and cmd.name in facts.not_null
        )
        if drops and required and s.busy(s.table):
            yield f"{cmd.name} of {s.busy(s.table)} may not be null and has no default any more"


@HABITS.rule(
    "privilege-revoked",
    _WARNING,
    "REVOKE on a table or view of the target",
    "Code that runs with the privilege fails at once.",
    "Make sure that nobody uses it, and keep the GRANT at hand.",
    manual="sql-revoke",
)
def _revoked(s: Subject) -> Said:
    if s.tag == "grant_stmt" and not s.node.is_grant:
        for item in s.node.objects:
            table = named_relation(item.range_var)
            if s.known(table):
                yield f"Privileges on {table} are taken away"


@HABITS.rule(
    "extension-updated",
    _WARNING,
    "ALTER EXTENSION ... UPDATE",
    "Its script changes what it likes, under locks that reading does not know.",
    "Read the extension's release notes, and see in the rehearsal what it locks.",
    manual="sql-alterextension",
)
def _extension(s: Subject) -> Said:
    if s.tag == "alter_extension_stmt":
        yield f"Extension {s.node.extname} is updated"


@HABITS.rule(
    "constraint-dropped",
    _WARNING,
    "DROP CONSTRAINT on a table of the target",
    "Rows that it kept out may come in, and cannot be told from the others later.",
    "Make sure that the application enforces it, or take it out.",
    manual="sql-altertable",
)
def _constraint_dropped(s: Subject) -> Said:
    for cmd in s.commands:
        if cmd.subtype == kinds.AT_DropConstraint and s.there(s.table):
            yield f"Constraint {cmd.name} of {s.table} is dropped"


@HABITS.rule(
    "not-null-dropped",
    _WARNING,
    "DROP NOT NULL on a table of the target",
    "Code that relies on a value meets NULL.",
    "Make sure that every reader of the column takes NULL.",
    manual="sql-altertable",
)
def _not_null_dropped(s: Subject) -> Said:
    for cmd in s.commands:
        if cmd.subtype == kinds.AT_DropNotNull and s.there(s.table):
            yield f"Column {cmd.name} of {s.table} may be null from now on"


@HABITS.rule(
    "enum-value-used-at-once",
    _WARNING,  # the same word may be meant for another column: the rehearsal knows
    "enum value used in the transaction that adds it",
    "The statement fails if the value is meant: it has to be committed first.",
    "Use the new value in a later migration.",
    sqlstate=SqlState.UNSAFE_NEW_ENUM_VALUE_USAGE,
    safe=rewrites.enum_value_first,
    manual="sql-altertype",
)
def _enum_used(s: Subject) -> Said:
    added = s.memory.enum_values
    if added and s.tag not in {"alter_enum_stmt", "comment_stmt"}:
        for _, item in walk(s.node):
            if type(item).__name__ == "A_Const" and item.sval.sval in added:
                yield f"'{item.sval.sval}' was added to {added[item.sval.sval]} just before"


@HABITS.rule(
    "concurrent-in-transaction",
    _ERROR,
    "statement that cannot be in a transaction between BEGIN and COMMIT",
    "The statement fails.",
    "Move it out of the transaction, or to a file of its own.",
    sqlstate=SqlState.ACTIVE_SQL_TRANSACTION,
    manual="sql-createindex",
)
def _concurrent(s: Subject) -> Said:
    # Files are judged as a whole (hazards.py); here the blocks, which are always in one.
    if s.in_block and not s.statement.transactional:
        yield f"{s.statement.label} stands in a DO block"


@HABITS.rule(
    "transaction-left-open",
    _ERROR,
    "BEGIN without COMMIT, or COMMIT without BEGIN",
    "What the file did is rolled back when its session ends.",
    "Balance BEGIN and COMMIT in the file.",
    manual="sql-begin",
)
def _left_open(_: Subject) -> Said:
    yield from ()  # files are judged as a whole (hazards.py)


@HABITS.rule(
    "foreign-key-unindexed",
    _WARNING,
    "foreign key whose columns no index begins with",
    "Each DELETE or key change in the referenced table reads this table from end to end.",
    "Create an index on the column.",
    manual="ddl-constraints",
)
def _unindexed(s: Subject) -> Said:
    for key in s.statement.foreign_keys if s.tag in {"create_stmt", ALTER} else ():
        table = s.table.qualified
        if not any((table, column) in s.memory.indexed for column in key.columns):
            yield f"No index of {s.table} begins with {', '.join(key.columns)}"


@HABITS.rule(
    "name-too-long",
    _WARNING,
    "identifier of more than 63 bytes",
    "PostgreSQL cuts it without an error, and two cut names may be the same.",
    "Choose a shorter name.",
    manual="sql-syntax-lexical",
)
def _too_long(s: Subject) -> Said:
    if s.in_block:
        return
    raw = s.statement.sql.encode()
    if len(raw) <= LONGEST:
        return
    for token in scan(s.statement.sql).tokens:
        if token.end - token.start > LONGEST and token_name(token) == "IDENT":
            name = raw[token.start : token.end].strip(b'"')
            if len(name) > LONGEST:
                yield f"{name.decode()} has {len(name)} bytes"


@HABITS.rule(
    "setting-leaks",
    _WARNING,
    "SET that is not given back",
    "With psql or another tool it would hold for the files after this one too.",
    "Write SET LOCAL, or RESET it at the end.",
    safe=rewrites.set_locally,
    manual="sql-set",
)
def _setting(s: Subject) -> Said:
    sets = s.tag == "variable_set_stmt" and s.node.kind == kinds.VAR_SET_VALUE
    if sets and not s.node.is_local and not {s.node.name, "*"} & s.memory.reset:
        yield f"{s.node.name} is set for the whole session"


@HABITS.rule(
    "commit-in-block",
    _WARNING,
    "COMMIT or ROLLBACK inside a DO block",
    "The file is no transaction any more: where it stops, what it did before stays.",
    "Give the block a file of its own that can be run again.",
    manual="plpgsql-transactions",
)
def _commit(s: Subject) -> Said:
    if s.in_block and s.statement.control in {"commit", "rollback"}:
        yield f"{s.statement.control.upper()} stands in a DO block"


@HABITS.rule(
    "invalid-index-passed-over",
    _WARNING,
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
    "After a build that failed, an invalid index has the name, and this reports success.",
    "Leave IF NOT EXISTS out; the runbook drops an invalid leftover itself.",
    safe=rewrites.build_concurrently,
    manual="sql-createindex",
)
def _if_not_exists(s: Subject) -> Said:
    if s.statement.number in s.memory.made_concurrent:
        return  # by the runbook, which reads it back
    if s.tag == "index_stmt" and s.node.concurrent and s.node.if_not_exists and s.there(s.table):
        yield f"An invalid {s.node.idxname} would be taken for a good one"
