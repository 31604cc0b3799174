"""Say what one sub-command of ALTER TABLE does to the rows of a table of the target.

PostgreSQL's own rules, as ALTER TABLE's notes in the manual have them: what the catalogs of the
target prove needs no look at the rows.
"""

import re
from collections.abc import Set

from runbook_lib.hazards.rules import Facts, TableFacts
from runbook_lib.hazards.structure import Storage
from runbook_lib.parser.effects import VOLATILE, constraints, fills_rows
from runbook_lib.parser.objects import named
from runbook_lib.parser.statement import DbObject
from runbook_lib.parser.tree import Node, definition, kinds, strings, type_name, walk

_INDEXED = {kinds.CONSTR_PRIMARY, kinds.CONSTR_UNIQUE, kinds.CONSTR_EXCLUSION}
_STORED = {
    *(kinds.AT_SetLogged, kinds.AT_SetUnLogged),
    *(kinds.AT_SetAccessMethod, kinds.AT_SetTableSpace),
}
_NAMES = {  # as the parser writes them, and as format_type does
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
}
_LIMITED = re.compile(r"([^(]+)\(([\d,]+)\)(.*)")
_STAMPS = {"timestamp without time zone", "timestamp with time zone"}
_FRACTIONS = {*_STAMPS, "time without time zone", "time with time zone", "interval"}
_WIDENED = {"character varying", "bit varying"}
_FINEST = 6  # digits of a second
_Type = tuple[str, tuple[int, ...]]


def idle(cmd: Node, facts: TableFacts) -> bool:
    """Tell whether IF [NOT] EXISTS finds nothing to do."""
    if cmd.subtype == kinds.AT_AddColumn:
        return bool(cmd.missing_ok) and definition(cmd).column_def.colname in facts.columns
    return (
        cmd.subtype == kinds.AT_DropColumn
        and bool(cmd.missing_ok)
        and cmd.name not in facts.columns
    )


def rewritten(cmd: Node, table: str, facts: Facts) -> str:
    """Say why the table gets a new file; empty where it keeps its own."""
    known = facts.tables.get(table)
    if known is not None and known.storage.parted:
        return ""
    if cmd.subtype == kinds.AT_AlterColumnType:
        return "" if free_type(cmd, table, facts) else "its values are converted"
    if cmd.subtype == kinds.AT_AddColumn:
        return _filled(cmd, facts)
    if cmd.subtype == kinds.AT_SetExpression:
        return f"{cmd.name} is computed anew"
    moves = cmd.subtype in _STORED and (known is None or _moves(cmd, known.storage))
    return "it gets a new file" if moves else ""


def _moves(cmd: Node, kept: Storage) -> bool:
    """Tell whether the table is kept in another way so far."""
    moved: dict[int, bool] = {
        kinds.AT_SetLogged: kept.unlogged,
        kinds.AT_SetUnLogged: not kept.unlogged,
        kinds.AT_SetTableSpace: cmd.name != kept.tablespace,
        kinds.AT_SetAccessMethod: cmd.name != kept.method,
    }
    return moved[cmd.subtype]


def _filled(cmd: Node, facts: Facts) -> str:
    column = definition(cmd).column_def
    if fills_rows(cmd):
        return "each row gets a value of its own"
    domain = facts.structure.domains.get(type_of(column).qualified)
    if domain is not None and domain.checked:
        return f"its domain {type_of(column)} has a constraint"
    for item in column.constraints:
        if item.constraint.contype == kinds.CONSTR_DEFAULT:
            called = volatile_call(item.constraint.raw_expr, facts.structure.volatile)
            return f"{called} is volatile" if called else ""
    return ""


def type_of(column: Node) -> DbObject:
    """Return the type of a column as its name in the SQL means it."""
    return named("type", strings(column.type_name.names))


def volatile_call(expression: Node, known: Set[str]) -> str:
    """Return the first function that an expression calls and that is volatile; empty for none."""
    for _, item in walk(expression):
        if type(item).__name__ == "FuncCall":
            function = named("function", strings(item.funcname))
            if function.name in VOLATILE or function.qualified in known:
                return f"{function.name}()"
    return ""


def scanned(cmd: Node, table: str, facts: Facts) -> str:
    """Say why every row is read, where the table is not rewritten; empty where none is."""
    known = facts.tables.get(table)
    if known is not None and known.storage.parted:
        return ""
    if cmd.subtype == kinds.AT_AddColumn:
        return _column_checked(cmd)
    if cmd.subtype == kinds.AT_AddConstraint:
        return _constraint_checked(definition(cmd).constraint, table, facts)
    if cmd.subtype == kinds.AT_SetNotNull:
        return "" if never_null(table, cmd.name, facts) else f"{cmd.name} may be null so far"
    if cmd.subtype == kinds.AT_ValidateConstraint:
        added = facts.structure.constraint(table, cmd.name)
        return "" if added is not None and added.valid else f"{cmd.name} is checked"
    if cmd.subtype == kinds.AT_AlterColumnType:
        return _done_again(cmd, table, facts)
    return ""


def _column_checked(cmd: Node) -> str:
    given = {item.contype for item in constraints(definition(cmd))}
    if given & _INDEXED:
        return "its index is built"
    if kinds.CONSTR_CHECK in given:
        return "its CHECK is looked at"
    # Without a value of its own a row needs no look for a foreign key.
    if {kinds.CONSTR_FOREIGN, kinds.CONSTR_DEFAULT} <= given:
        return "its value is looked up"
    return ""


def _constraint_checked(given: Node, table: str, facts: Facts) -> str:
    if given.contype in _INDEXED and not given.indexname:
        return "its index is built"
    if given.contype == kinds.CONSTR_PRIMARY:
        index = facts.structure.indexes.get(f"{table.partition('.')[0]}.{given.indexname}")
        unproven = [x for x in (index.columns if index else ()) if not never_null(table, x, facts)]
        return f"{', '.join(unproven)} may be null so far" if unproven else ""
    checked = given.contype in {kinds.CONSTR_CHECK, kinds.CONSTR_FOREIGN, kinds.CONSTR_NOTNULL}
    return "it is checked" if checked and not given.skip_validation else ""


def never_null(table: str, column: str, facts: Facts) -> bool:
    """Tell whether the column, or a valid CHECK that implies it, is known not to be null."""
    known = facts.tables.get(table)
    checks = facts.structure.constraints_on.get(table, ())
    return (known is not None and column in known.not_null) or any(
        item.valid and column in item.not_null for item in checks
    )


def _done_again(cmd: Node, table: str, facts: Facts) -> str:
    """Say which check or index is made anew although the values stay as they are."""
    for item in facts.structure.constraints_on.get(table, ()):
        if item.kind == "c" and cmd.name in item.columns and item.valid:
            return f"its constraint {item.name} is checked again"
    partition = any(item.partition for item in facts.structure.above(table))
    for index in facts.structure.indexes_on.get(table, ()):
        if cmd.name in index.computed or (partition and cmd.name in index.columns):
            return f"its index {index.name} is built anew"
        if cmd.name in index.columns and definition(cmd).column_def.HasField("coll_clause"):
            return f"its index {index.name} is built anew in the new order"
    return ""


def free_type(cmd: Node, table: str, facts: Facts) -> bool:
    """Tell whether the values of a column stay as they are when its type changes."""
    known = facts.tables.get(table)
    if known is None or cmd.name not in known.columns:
        return False
    column = definition(cmd).column_def
    if not _same_value(column.raw_default, cmd.name, column.type_name):
        return False
    domain = facts.structure.domains.get(type_of(column).qualified)
    if domain is not None and domain.checked:
        return False
    old = _base(known.columns[cmd.name], facts)
    new = _base(domain.base, facts) if domain is not None else _new_type(column)
    return _free(old, new, facts)


def other_result(cmd: Node, table: str, facts: Facts) -> bool:
    """Tell whether a query of the column gives another type, of which its limits are a part."""
    known, column = facts.tables.get(table), definition(cmd).column_def
    if known is None or cmd.name not in known.columns:
        return False
    return column.HasField("coll_clause") or _parsed(known.columns[cmd.name]) != _new_type(column)


def _same_value(using: Node, column: str, wanted: Node) -> bool:
    """Tell whether USING is not there, or is the column itself, or it in the wanted type."""
    if not using.ByteSize():
        return True
    while using.HasField("type_cast"):
        if strings(using.type_cast.type_name.names)[-1] != strings(wanted.names)[-1]:
            return False
        using = using.type_cast.arg
    return using.HasField("column_ref") and strings(using.column_ref.fields)[-1:] == [column]


def _base(written: str, facts: Facts) -> _Type:
    """Return a type without its limits, and those; of a domain its base."""
    schema = "" if "." in written else "public."
    domain = facts.structure.domains.get(f"{schema}{written}")
    return _base(domain.base, facts) if domain is not None else _parsed(written)


def _parsed(written: str) -> _Type:
    found = _LIMITED.fullmatch(written)
    if not found:
        return written, (1,) if written in {"character", "bit"} else ()
    return f"{found[1]}{found[3]}", tuple(int(part) for part in found[2].split(","))


def _new_type(column: Node) -> _Type:
    name = type_name(column)
    limits = tuple(item.a_const.ival.ival for item in column.type_name.typmods)
    if name == "interval":
        limits = limits[1:]
    if name == "numeric" and len(limits) == 1:
        limits = (*limits, 0)
    written = _NAMES.get(name, name) + "[]" * bool(column.type_name.array_bounds)
    return written, limits


def _free(old: _Type, new: _Type, facts: Facts) -> bool:
    (before, had), (after, has) = old, new
    if before == after:
        return had == has or _wider(after, had, has)
    if {before, after} == _STAMPS:
        return facts.structure.utc and _wider(after, had, has)
    return (before, after) in facts.structure.relabels and (not has or after in _WIDENED & {before})


def _wider(kind: str, had: tuple[int, ...], has: tuple[int, ...]) -> bool:
    """Tell whether every value within the old limits is within the new ones as it is."""
    if kind in _FRACTIONS:
        return not has or has[0] >= (had[0] if had else _FINEST)
    if kind in _WIDENED:
        return not has or (bool(had) and has[0] >= had[0])
    if kind == "numeric":
        return not has or (bool(had) and has[0] >= had[0] and has[1:] == had[1:])
    return False
