"""Write SQL with a statement's own names, by the parser's own deparser."""

from collections.abc import Iterable, Sequence

from runbook_lib.findings import Files
from runbook_lib.hazards.rules import Subject
from runbook_lib.parser import tree
from runbook_lib.parser.identifiers import dotted
from runbook_lib.parser.tree import Node, definition, kinds


def files_of(s: Subject, *files: Iterable[str]) -> Files:
    """Return files without those that are empty; what stood in a block stands outside of it."""
    kept = [tuple(file) for file in files]
    if s.in_block and any(kept):
        kept.insert(0, ("-- outside of the block:",))
    return tuple(file for file in kept if file)


def joined(found: Sequence[Files]) -> Files:
    """Return the first files as one, and behind it the others one after the other."""
    if not found:
        return ()
    first = tuple(sql for files in found for sql in files[0])
    return (first, *(file for files in found for file in files[1:]))


def own(s: Subject) -> Node:
    """Return a copy of the statement's node, which may be changed."""
    node = type(s.node)()
    node.CopyFrom(s.node)
    return node


def written(s: Subject, node: Node) -> str:
    """Return the statement with this node in place of its own."""
    made = tree.of(s.statement.tree)
    getattr(made.stmts[0].stmt, s.tag).CopyFrom(node)
    return _text(made)


def alone(s: Subject, cmd: Node) -> str:
    """Return ALTER TABLE with this one sub-command."""
    node = own(s)
    del node.cmds[:]
    node.cmds.add().alter_table_cmd.CopyFrom(cmd)
    return written(s, node)


def add(s: Subject, constraint: Node) -> str:
    """Return ALTER TABLE that adds this constraint."""
    cmd = kinds.AlterTableCmd(subtype=kinds.AT_AddConstraint, behavior=kinds.DROP_RESTRICT)
    definition(cmd).constraint.CopyFrom(constraint)
    return alone(s, cmd)


def alter(s: Subject, what: str) -> str:
    """Return ALTER TABLE of the statement's own table with this sub-command."""
    return sql(f"ALTER TABLE {only_of(s)}{quoted(s)} {what}")


def sql(text: str) -> str:
    """Return a statement as the parser writes it, without quotes that no name needs."""
    return _text(tree.parse(text))


def _text(made: Node) -> str:
    return str(tree.deparse(made))


def expression(node: Node) -> str:
    """Return an expression as SQL."""
    made = tree.parse("SELECT 1")
    made.stmts[0].stmt.select_stmt.target_list[0].res_target.val.CopyFrom(node)
    return _text(made).removeprefix("SELECT ")


def type_named(written: str) -> Node:
    """Return the node of a type."""
    made = tree.only(f"SELECT NULL::{written}").select_stmt
    return made.target_list[0].res_target.val.type_cast.type_name


def plain(name: str) -> str:
    """Return a name without the quotes that it does not need."""
    return sql(f"TABLE {name}").removeprefix("SELECT * FROM ")


def quoted(s: Subject) -> str:
    """Return the statement's own table, quoted."""
    return dotted((s.node.relation.schemaname, s.node.relation.relname))


def table_of(s: Subject) -> str:
    """Return the statement's own table as people write it."""
    return plain(quoted(s))


def only_of(s: Subject) -> str:
    """Return ONLY where the statement says so."""
    return "" if s.node.relation.inh else "ONLY "


def literal(text: str) -> str:
    """Quote a text (PostgreSQL manual, 4.1.2)."""
    return "'" + text.replace("'", "''") + "'"


def is_column(item: Node) -> bool:
    """Tell whether a part of an expression names a column."""
    return type(item).__name__ == "ColumnRef"


def taken(s: Subject) -> set[str]:
    """Return the names that a new constraint or index of the table cannot have."""
    structure = s.memory.facts.structure
    there = {item.name for item in structure.constraints_on.get(s.table.qualified, ())}
    return there | {name.split(".", 1)[1] for name in structure.indexes}
