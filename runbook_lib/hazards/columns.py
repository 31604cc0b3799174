"""Write how a constraint or a column comes to a table whose rows are written meanwhile."""

from collections.abc import Sequence
from itertools import chain

from runbook_lib.findings import Files
from runbook_lib.hazards.alter_table import never_null, volatile_call
from runbook_lib.hazards.deparse import (
    add,
    alone,
    alter,
    expression,
    is_column,
    joined,
    literal,
    only_of,
    plain,
    quoted,
    sql,
    table_of,
    taken,
    type_named,
)
from runbook_lib.hazards.rules import Subject
from runbook_lib.parser.effects import constraints, is_serial
from runbook_lib.parser.identifiers import dotted, generated_name, quote
from runbook_lib.parser.tree import Node, definition, kinds, strings, type_name, walk

_KEYS_NOT_VALID = 18  # from it on a key of a partitioned table can be added NOT VALID
_INDEXED = {kinds.CONSTR_UNIQUE, kinds.CONSTR_PRIMARY}
_CHECKED = {kinds.CONSTR_CHECK, kinds.CONSTR_FOREIGN}
_IN_PLACE = {kinds.CONSTR_NULL, kinds.CONSTR_NOTNULL, kinds.CONSTR_DEFAULT}  # of a new column
_SERIALS = {
    **dict.fromkeys(("smallserial", "serial2"), "smallint"),
    **dict.fromkeys(("serial", "serial4"), "integer"),
    **dict.fromkeys(("bigserial", "serial8"), "bigint"),
}
# By blocks, so that no row is read twice; a row that moves meanwhile is left to what comes after.
_BATCHES = """DO $fill$
DECLARE
  place bigint := 0;
  ending bigint := pg_relation_size({table}) / current_setting('block_size')::int;
BEGIN
  WHILE place <= ending LOOP
    {update}
      AND ctid >= format('(%s,0)', place)::tid AND ctid < format('(%s,0)', place + 1000)::tid;
    COMMIT;
    place := place + 1000;
  END LOOP;
END $fill$"""
_FILLED = "UPDATE {table} SET {column} = {value} WHERE {column} IS NULL"
_TO_THE_NEW = "new.{new} := {value};"
_BOTH_WAYS = """IF tg_op = 'INSERT' THEN
    new.{new} := coalesce(new.{new}, new.{old});
    new.{old} := new.{new};
  ELSIF new.{new} IS DISTINCT FROM old.{new} THEN
    new.{old} := new.{new};
  ELSE
    new.{new} := new.{old};
  END IF;"""
_FUNCTION = """CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $both$
BEGIN
  {body}
  RETURN new;
END $both$"""
_GOES_WITH_IT = "-- {new} also needs the default, indexes, constraints and views of {old}"


def proven(s: Subject, column: str) -> bool:
    """Tell whether a column is known not to be null, by the target or what the release did."""
    said = s.memory.not_null_checks | s.memory.required
    known = never_null(s.table.qualified, column, s.memory.facts)
    return known or (str(s.table), column) in said


def constraint(s: Subject, given: Node) -> Files:
    """Add a constraint of the table, and look at the rows later."""
    facts = s.there(s.table)
    parted = facts is not None and facts.storage.parted
    if given.contype in _INDEXED:
        return () if parted or given.options or given.indexspace else _by_index(s, given)
    too_old = parted and s.memory.facts.server_major < _KEYS_NOT_VALID
    if given.contype not in _CHECKED or (too_old and given.contype == kinds.CONSTR_FOREIGN):
        return ()
    made = kinds.Constraint()
    made.CopyFrom(given)
    made.conname = given.conname or _name_for(s, given)
    made.skip_validation, made.initially_valid = True, False
    return (add(s, made),), (alter(s, f"VALIDATE CONSTRAINT {quote(made.conname)}"),)


def _name_for(s: Subject, given: Node) -> str:
    """Return the name that the server would give a constraint without one."""
    if given.contype == kinds.CONSTR_PRIMARY:
        columns, label = [], "pkey"
    elif given.contype == kinds.CONSTR_CHECK:
        found = {x.fields[-1].string.sval for _, x in walk(given.raw_expr) if is_column(x)}
        columns, label = sorted(found) if len(found) == 1 else [], "check"
    elif given.contype == kinds.CONSTR_FOREIGN:
        columns, label = strings(given.fk_attrs), "fkey"
    else:
        columns, label = [*strings(given.keys), *strings(given.including)], "key"
    return generated_name(s.table.name, columns, taken(s), label)


def _by_index(s: Subject, given: Node) -> Files:
    """Build the index first; a primary key needs columns that are known not to be null."""
    made = kinds.Constraint()
    made.CopyFrom(given)
    made.conname = made.indexname = given.conname or given.indexname or _name_for(s, given)
    del made.keys[:], made.including[:]
    made.nulls_not_distinct = False
    columns = strings(given.keys)
    if given.indexname:
        made.indexname = given.indexname
        index = s.memory.facts.structure.indexes.get(f"{s.table.schema}.{given.indexname}")
        columns = list(index.columns) if index else []
    nullable = [x for x in columns if not proven(s, x)]
    needs = nullable if given.contype == kinds.CONSTR_PRIMARY else []
    proofs = joined([not_null(s, column) for column in needs])
    build = () if given.indexname else (_unique_index(s, given, made.conname),)
    return (*(proofs or ((),)), build, (add(s, made),))


def _unique_index(s: Subject, given: Node, name: str) -> str:
    keys, including = (", ".join(map(quote, strings(x))) for x in (given.keys, given.including))
    return sql(
        f"CREATE UNIQUE INDEX CONCURRENTLY {quote(name)} ON {only_of(s)}{quoted(s)} ({keys})"
        + (f" INCLUDE ({including})" if including else "")
        + (" NULLS NOT DISTINCT" if given.nulls_not_distinct else "")
    )


def not_null(s: Subject, column: str) -> Files:
    """Prove it by a CHECK, which is validated beside the traffic."""
    check = generated_name(s.table.name, [column], taken(s), "check")
    name = quote(check)
    return (
        (alter(s, f"ADD CONSTRAINT {name} CHECK ({quote(column)} IS NOT NULL) NOT VALID"),),
        (
            alter(s, f"VALIDATE CONSTRAINT {name}"),
            alter(s, f"ALTER COLUMN {quote(column)} SET NOT NULL"),
            alter(s, f"DROP CONSTRAINT {name}"),
        ),
    )


# --- A new column -------------------------------------------------------------------------------


def new_column(s: Subject, cmd: Node) -> Files:
    """Add it empty, give new rows its default, fill the old ones, then what looks at them."""
    column = definition(cmd).column_def
    given = list(constraints(definition(cmd)))
    if {x.contype for x in given} - _IN_PLACE - _INDEXED - _CHECKED or _narrow(s, column):
        return ()
    default, sequence = _default_of(s, column, given)
    made = kinds.AlterTableCmd()
    made.CopyFrom(cmd)
    bare = definition(made).column_def
    if is_serial(column):
        bare.type_name.CopyFrom(type_named(_SERIALS[type_name(column)]))
    del bare.constraints[:]
    for item in given:
        if item.contype in _IN_PLACE and not default:
            bare.constraints.add().constraint.CopyFrom(item)
    first = [alone(s, made), *sequence]
    name = column.colname
    if default:
        first.append(alter(s, f"ALTER COLUMN {quote(name)} SET DEFAULT {default}"))
    filled = _filled(s, name, default) if default else ()
    required = kinds.CONSTR_NOTNULL in {x.contype for x in given} or is_serial(column)
    steps = not_null(s, name) if default and required else ()
    looked = [constraint(s, _of_table(x, name)) for x in given if x.contype not in _IN_PLACE]
    if not all(looked):
        return ()
    return (tuple(first), *filled, *steps, *chain.from_iterable(looked))


def _narrow(s: Subject, column: Node) -> bool:
    kind = ".".join(strings(column.type_name.names)[-2:])
    kind = kind if "." in kind else f"public.{kind}"
    domain = s.memory.facts.structure.domains.get(kind)
    return kind in s.memory.narrow or (domain is not None and domain.checked)


def _default_of(s: Subject, column: Node, given: Sequence[Node]) -> tuple[str, Sequence[str]]:
    """Return what each old row needs a value of its own from, and the sequence of a serial."""
    if is_serial(column):
        name = generated_name(s.table.name, [column.colname], (), "seq")
        sequence = dotted((s.node.relation.schemaname, name))
        kind = _SERIALS[type_name(column)]
        owner = f"{quoted(s)}.{quote(column.colname)}"
        made = sql(f"CREATE SEQUENCE {sequence} AS {kind} OWNED BY {owner}")
        return f"nextval({literal(plain(sequence))}::regclass)", (made,)
    known = s.memory.facts.structure.volatile | s.memory.volatile
    defaults = [x.raw_expr for x in given if x.contype == kinds.CONSTR_DEFAULT]
    return next((expression(x) for x in defaults if volatile_call(x, known)), ""), ()


def _of_table(given: Node, column: str) -> Node:
    """Return a column's constraint as one of its table."""
    made = kinds.Constraint()
    made.CopyFrom(given)
    names = made.fk_attrs if given.contype == kinds.CONSTR_FOREIGN else made.keys
    if given.contype != kinds.CONSTR_CHECK:
        names.add().string.sval = column
    return made


def _filled(s: Subject, column: str, value: str) -> Files:
    """Fill a column in batches, and then what moved meanwhile."""
    table = f"{only_of(s)}{quoted(s)}"
    update = sql(_FILLED.format(table=table, column=quote(column), value=value))
    return (_BATCHES.format(table=literal(table_of(s)), update=update),), (update,)


# --- A second column ----------------------------------------------------------------------------


def other_type(s: Subject, cmd: Node) -> Files:
    """Put a column of the other type beside the old one, and let it take its name."""
    given = definition(cmd).column_def
    new = generated_name(cmd.name, (), _columns(s), "new")
    made = kinds.AlterTableCmd()
    made.CopyFrom(cmd)
    made.subtype, made.name = kinds.AT_AddColumn, ""
    column = definition(made).column_def
    column.colname = new
    column.ClearField("raw_default")
    using = given.raw_default if given.HasField("raw_default") else None
    value = expression(using) if using is not None else quote(cmd.name)
    of_row = expression(_of_new(using)) if using is not None else f"new.{plain(quote(cmd.name))}"
    body = _TO_THE_NEW.format(new=plain(quote(new)), value=of_row)
    rename = alter(s, f"RENAME COLUMN {quote(new)} TO {quote(cmd.name)}")
    return _beside(s, alone(s, made), (cmd.name, new), body, value, rename)


def renamed_column(s: Subject, old: str, new: str, kind: str) -> Files:
    """Put a column of the new name beside the old one, and keep both equal."""
    body = _BOTH_WAYS.format(new=plain(quote(new)), old=plain(quote(old)))
    add = alter(s, f"ADD COLUMN {quote(new)} {kind}")
    return _beside(s, add, (old, new), body, quote(old), "")


def _beside(
    s: Subject, add: str, names: tuple[str, str], body: str, value: str, rename: str
) -> Files:
    """Keep a second column by a trigger, fill it, and let it take the place of the old one."""
    old, new = names
    name = generated_name(s.table.name, [new], (), "kept")
    function = dotted((s.node.relation.schemaname, name))
    trigger = f"{quote(name)} BEFORE INSERT OR UPDATE ON {quoted(s)} FOR EACH ROW"
    facts = s.there(s.table)
    required = facts is not None and old in facts.not_null
    return (
        (
            add,
            _FUNCTION.format(name=plain(function), body=body),
            sql(f"CREATE TRIGGER {trigger} EXECUTE FUNCTION {function}()"),
        ),
        *_filled(s, new, value),
        *(not_null(s, new) if required else ()),
        (
            _GOES_WITH_IT.format(new=new, old=old),
            f"-- when no code uses {old} as it is any more",
            sql(f"DROP TRIGGER {quote(name)} ON {quoted(s)}"),
            sql(f"DROP FUNCTION {function}()"),
            alter(s, f"DROP COLUMN {quote(old)}"),
            *([rename] if rename else []),
        ),
    )


def _columns(s: Subject) -> frozenset[str]:
    facts = s.there(s.table)
    return frozenset(facts.columns) if facts else frozenset()


def _of_new(expression: Node) -> Node:
    """Return an expression over the row that a trigger sees."""
    made = kinds.Node()
    made.CopyFrom(expression)
    for _, item in list(walk(made)):
        if is_column(item):
            name = item.fields[-1].string.sval
            del item.fields[:]
            for part in ("new", name):
                item.fields.add().string.sval = part
    return made
