"""Write the statements that do safely what a hazardous one does, made from its own parse tree.

They come as files that run one after the other. None of them scans or rewrites a table while it
keeps others from it, but for what a comment among them says.
"""

import re
from collections.abc import Iterable, Iterator

from runbook_lib.findings import Files
from runbook_lib.hazards.alter_table import rewritten, scanned, volatile_call
from runbook_lib.hazards.columns import (
    constraint,
    new_column,
    not_null,
    other_type,
    proven,
    renamed_column,
)
from runbook_lib.hazards.deparse import (
    alone,
    expression,
    files_of,
    joined,
    literal,
    own,
    sql,
    table_of,
    taken,
    written,
)
from runbook_lib.hazards.rules import ALTER, Subject
from runbook_lib.parser import tree
from runbook_lib.parser.effects import constraints
from runbook_lib.parser.identifiers import dotted, generated_name, quote
from runbook_lib.parser.objects import named_relation
from runbook_lib.parser.transactions import index_name, on_only, on_partition
from runbook_lib.parser.tree import Node, definition, kinds, strings, walk

_SET = re.compile(r"(?im)^\s*SET\s+(?:SESSION\s+)?")


# --- Whole statements ---------------------------------------------------------------------------


def build_concurrently(s: Subject) -> Files:
    """Build an index CONCURRENTLY; of a partitioned table that of each partition, and attach it."""
    node = own(s)
    node.concurrent, node.if_not_exists = True, False
    if not s.memory.facts.structure.parted(s.table.qualified):
        return files_of(s, (written(s, node),))
    keys = (*node.index_params, *node.index_including_params)
    columns = [item.index_elem.name or "expr" for item in keys]
    name = node.idxname or generated_name(s.table.name, columns, taken(s))
    return files_of(s, *([sql] for sql in _index_below(s, s.table.qualified, name)))


def _index_below(s: Subject, table: str, name: str) -> Iterator[str]:
    schema, own = table.split(".", 1)
    structure = s.memory.facts.structure
    if not structure.parted(table):
        yield on_partition(s.statement, schema, own, name).sql
        return
    yield on_only(s.statement, schema, own, name).sql
    for child in (item.child for item in structure.children if item.parent == table):
        part = index_name(child.split(".", 1)[1], name)
        yield from _index_below(s, child, part)
        where = child.split(".", 1)[0]
        yield sql(f"ALTER INDEX {dotted((schema, name))} ATTACH PARTITION {dotted((where, part))}")


def drop_concurrently(s: Subject) -> Files:
    """Drop each index CONCURRENTLY; one of a partitioned table cannot be."""
    found = []
    for item in s.node.objects:
        index = s.memory.facts.structure.indexes.get(_index_of(item))
        if index is None or s.memory.facts.structure.parted(index.table):
            return ()
        node = own(s)
        del node.objects[:]
        node.objects.add().CopyFrom(item)
        node.concurrent, node.behavior = True, kinds.DROP_RESTRICT
        found.append(written(s, node))
    return files_of(s, found)


def _index_of(item: Node) -> str:
    parts = strings(item.list.items)
    return ".".join(parts if len(parts) > 1 else ("public", *parts))


def reindex_concurrently(s: Subject) -> Files:
    """Rebuild indexes CONCURRENTLY; VACUUM FULL and CLUSTER have no such form."""
    if s.tag != "reindex_stmt" or s.node.kind == kinds.REINDEX_OBJECT_SYSTEM:
        return ()
    node = own(s)
    node.params.add().def_elem.defname = "concurrently"
    return files_of(s, (written(s, node),))


def refresh_concurrently(s: Subject) -> Files:
    """Refresh a materialized view CONCURRENTLY, which WITH NO DATA rules out."""
    if s.node.skip_data:
        return ()
    node = own(s)
    node.concurrent = True
    needs = f"-- {table_of(s)} has to have a unique index on columns alone, without WHERE"
    return files_of(s, (needs, written(s, node)))


def look_later(s: Subject) -> Files:
    """Validate in a file of its own."""
    return files_of(s, (), (written(s, own(s)),))


def domain_later(s: Subject) -> Files:
    """Add a domain's CHECK NOT VALID, and validate it."""
    given = definition(s.node).constraint
    if given.contype != kinds.CONSTR_CHECK:
        return ()
    parts = strings(s.node.type_name)
    node = own(s)
    made = definition(node).constraint
    made.conname = given.conname or generated_name(parts[-1], (), (), "check")
    made.skip_validation, made.initially_valid = True, False
    validate = f"ALTER DOMAIN {dotted(parts)} VALIDATE CONSTRAINT {quote(made.conname)}"
    quiet = "-- up to PostgreSQL 17 writes wait for this one: choose a quiet hour"
    return files_of(s, (written(s, node),), (quiet, sql(validate)))


def enum_value_first(s: Subject) -> Files:
    """Add the values in a file before the one that uses them."""
    used = {item.sval.sval for _, item in walk(s.node) if type(item).__name__ == "A_Const"}
    added = {value: enum for value, enum in s.memory.enum_values.items() if value in used}
    first = [sql(f"ALTER TYPE {quote(x)} ADD VALUE {literal(v)}") for v, x in added.items()]
    return files_of(s, first, (written(s, own(s)),))


def set_locally(s: Subject) -> Files:
    """Set it for the transaction alone, in the file's own words.

    The parser's deparser writes a value as a name, in which no secret is found.
    """
    local, count = _SET.subn("SET LOCAL ", s.statement.sql, count=1)
    return files_of(s, (local.rstrip("; \n"),)) if count else ()


def keep_the_old_name(s: Subject) -> Files:
    """Leave a view with a table's old name, or a second column with a column's."""
    if s.tag != "rename_stmt":
        return ()
    schema, old, new = s.node.relation.schemaname, s.node.relation.relname, s.node.newname
    if s.node.rename_type == kinds.OBJECT_COLUMN:
        facts = s.there(s.table)
        kind = facts.columns.get(s.node.subname) if facts and not facts.storage.parted else None
        return files_of(s, *renamed_column(s, s.node.subname, new, kind)) if kind else ()
    if s.node.rename_type not in {kinds.OBJECT_TABLE, kinds.OBJECT_VIEW}:
        return ()
    view, table = dotted((schema, old)), dotted((schema, new))
    made = sql(f"CREATE VIEW {view} AS TABLE {table}")
    unused = f"-- when no code uses {old} any more"
    return files_of(s, (written(s, own(s)), made), (unused, sql(f"DROP VIEW {view}")))


# --- ALTER TABLE --------------------------------------------------------------------------------


def alter_safely(s: Subject) -> Files:
    """Do what each sub-command does; nothing where one of them has no safe form."""
    found: list[Files] = []
    for cmd in s.commands:
        safe = _safely(s, cmd) if _hurts(s, cmd) else ((alone(s, cmd),),)
        if not safe:
            return ()
        found.append(safe)
    return files_of(s, *joined(found))


def _hurts(s: Subject, cmd: Node) -> bool:
    if cmd.subtype == kinds.AT_AttachPartition:
        return True
    if cmd.subtype == kinds.AT_DetachPartition:
        return not definition(cmd).partition_cmd.concurrent
    if cmd.subtype == kinds.AT_SetNotNull:
        return not proven(s, cmd.name)
    facts = s.memory.facts
    known = facts.structure.volatile | s.memory.volatile
    given = [x.raw_expr for x in constraints(definition(cmd)) if x.contype == kinds.CONSTR_DEFAULT]
    table = s.table.qualified
    return bool(rewritten(cmd, table, facts) or scanned(cmd, table, facts)) or (
        cmd.subtype == kinds.AT_AddColumn and any(volatile_call(x, known) for x in given)
    )


def _safely(s: Subject, cmd: Node) -> Files:
    facts = s.there(s.table)
    parted = facts is not None and facts.storage.parted
    given = definition(cmd)
    if cmd.subtype == kinds.AT_AttachPartition:
        return _attached(s, cmd)
    if cmd.subtype == kinds.AT_DetachPartition:
        return _detached(s, cmd)
    if cmd.subtype == kinds.AT_AddConstraint:
        return constraint(s, given.constraint)
    if cmd.subtype == kinds.AT_SetNotNull:
        return not_null(s, cmd.name)
    if cmd.subtype == kinds.AT_AddColumn and not parted:
        return new_column(s, cmd)
    if cmd.subtype == kinds.AT_AlterColumnType and not parted:
        return other_type(s, cmd)
    return ()


# --- Partitions ---------------------------------------------------------------------------------


def attach_proven(s: Subject) -> Files:
    """Prove by a CHECK of the DEFAULT partition that no row of it belongs to the new one."""
    if s.tag == ALTER:
        return alter_safely(s)
    parent = named_relation(s.node.inh_relations[0].range_var).qualified
    proof = _kept_out(s, parent, s.node.partbound)
    return files_of(s, *_proven((written(s, own(s)),), proof)) if proof else ()


def _attached(s: Subject, cmd: Node) -> Files:
    """Prove by a CHECK that the rows are within the bounds; beside DEFAULT, that none is there."""
    given = definition(cmd).partition_cmd
    bounds = _bounds(s, s.table.qualified, given.bound)
    part = named_relation(given.name)
    otherwise = s.memory.facts.structure.otherwise(s.table.qualified)
    out = _kept_out(s, s.table.qualified, given.bound) if otherwise else None
    if not bounds or (otherwise and not out):
        return ()
    within = _checked(dotted((given.name.schemaname, part.name)), part.name, bounds[0])
    return _proven((alone(s, cmd),), *filter(None, (within, out)))


_Proof = tuple[str, str, str]  # it added, validated and dropped


def _proven(then: Iterable[str], *proofs: _Proof) -> Files:
    added, validated, dropped = zip(*proofs, strict=True)
    return added, validated, (*then, *dropped)


def _checked(table: str, own: str, condition: str) -> _Proof:
    name = quote(generated_name(own, (), (), "bounds"))
    added = sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    validated = sql(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
    return added, validated, sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def _kept_out(s: Subject, parent: str, bound: Node) -> _Proof | None:
    bounds = _bounds(s, parent, bound)
    schema, own = s.memory.facts.structure.otherwise(parent).split(".", 1)
    return _checked(_known(schema, own), own, bounds[1]) if bounds else None


def _bounds(s: Subject, parent: str, bound: Node) -> tuple[str, str] | None:
    """Return what holds for the rows of a partition by one key, and what for all others."""
    facts = s.memory.facts.tables.get(parent)
    key = _key(facts.storage.key) if facts is not None and facts.storage.key else ""
    if not key or bound.is_default or bound.strategy not in {"r", "l"}:
        return None
    if bound.strategy == "l":
        values = [expression(item) for item in bound.listdatums if not item.a_const.isnull]
        if not values or len(values) < len(bound.listdatums):
            return None
        listed = ", ".join(values)
        return (
            f"{key} IS NOT NULL AND {key} IN ({listed})",
            f"{key} IS NULL OR {key} NOT IN ({listed})",
        )
    within, without = [f"{key} IS NOT NULL"], [f"{key} IS NULL"]
    for item, inside, outside in (
        (bound.lowerdatums[0], ">=", "<"),
        (bound.upperdatums[0], "<", ">="),
    ):
        if not _is_limitless(item):
            within.append(f"{key} {inside} {expression(item)}")
            without.append(f"{key} {outside} {expression(item)}")
    return " AND ".join(within), " OR ".join(without)


def _is_limitless(item: Node) -> bool:
    return item.HasField("column_ref") and strings(item.column_ref.fields)[-1].lower() in {
        "minvalue",
        "maxvalue",
    }


def _key(written: str) -> str:
    """Return the one column or expression of a partition key; empty where there are more."""
    made = tree.only(f"CREATE TABLE t () PARTITION BY {written}").create_stmt.partspec
    elements = [item.partition_elem for item in made.part_params]
    if len(elements) != 1:
        return ""
    one = elements[0]
    return quote(one.name) if one.name else f"({expression(one.expr)})"


def _detached(s: Subject, cmd: Node) -> Files:
    if s.memory.facts.structure.otherwise(s.table.qualified):
        return ()
    made = kinds.AlterTableCmd()
    made.CopyFrom(cmd)
    definition(made).partition_cmd.concurrent = True
    return (), (alone(s, made),)


def _known(schema: str, name: str) -> str:
    return dotted(("" if schema == "public" else schema, name))
