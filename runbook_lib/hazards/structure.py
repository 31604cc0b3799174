"""Hold how the relations of the target hang together, as its catalogs say."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from runbook_lib.parser.tree import Node, definition, kinds, only

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Constraint:
    """Hold one constraint of a table; ``kind`` as pg_constraint has it, ``target`` of a key."""

    table: str
    name: str
    kind: str
    valid: bool
    target: str | None
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    definition: str

    @cached_property
    def not_null(self) -> set[str]:
        """Return the columns that are not null where a CHECK holds."""
        if self.kind != "c":
            return set()
        (command,) = only(f"ALTER TABLE t ADD {self.definition}").alter_table_stmt.cmds
        return set(proves_not_null(definition(command.alter_table_cmd).constraint.raw_expr))


def proves_not_null(expression: Node) -> Iterator[str]:
    """Yield the columns that are not null where an expression is true."""
    if expression.HasField("null_test"):
        test = expression.null_test
        if test.nulltesttype == kinds.IS_NOT_NULL and test.arg.HasField("column_ref"):
            yield test.arg.column_ref.fields[-1].string.sval
    elif expression.HasField("bool_expr") and expression.bool_expr.boolop == kinds.AND_EXPR:
        for part in expression.bool_expr.args:
            yield from proves_not_null(part)


@dataclass(frozen=True)
class Index:
    """Hold one index; ``computed`` are the columns that an expression or its predicate reads."""

    name: str
    table: str
    columns: tuple[str, ...]
    computed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Child:
    """Hold which table stands under which; ``otherwise`` says that it is the DEFAULT partition."""

    child: str
    parent: str
    partition: bool
    otherwise: bool


@dataclass(frozen=True)
class Use:
    """Hold that ``by`` goes, or loses a part, with what it uses; ``how`` is what uses it."""

    kind: str
    name: str
    column: str
    how: str
    by: str


@dataclass(frozen=True)
class Storage:
    """Hold where and how a table is kept; a ``parted`` one has no rows of its own, but a key."""

    parted: bool = False
    unlogged: bool = False
    tablespace: str = ""
    method: str = ""
    key: str = ""  # as pg_get_partkeydef writes it


@dataclass(frozen=True)
class Domain:
    """Hold the type below a domain, and whether values of it are looked at."""

    base: str
    checked: bool


@dataclass(frozen=True)
class Structure:
    """Answer what a statement reaches beyond what it names; all names are ``schema.name``."""

    indexes: Mapping[str, Index] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    children: tuple[Child, ...] = ()
    uses: tuple[Use, ...] = ()
    domains: Mapping[str, Domain] = field(default_factory=dict)
    volatile: frozenset[str] = frozenset()
    relabels: frozenset[tuple[str, str]] = frozenset()  # types of the same bytes, from and to
    utc: bool = False  # the session's time zone
    publishes_all: bool = False  # changes and deletions of every table there will be

    @cached_property
    def indexes_on(self) -> Mapping[str, list[Index]]:
        """Return the indexes of each table."""
        return _grouped((item.table, item) for item in self.indexes.values())

    @cached_property
    def constraints_on(self) -> Mapping[str, list[Constraint]]:
        """Return the constraints of each table."""
        return _grouped((item.table, item) for item in self.constraints)

    @cached_property
    def keys_to(self) -> Mapping[str, list[Constraint]]:
        """Return the foreign keys that refer to each table."""
        return _grouped((item.target, item) for item in self.constraints if item.target)

    @cached_property
    def _below(self) -> Mapping[str, list[Child]]:
        return _grouped((item.parent, item) for item in self.children)

    @cached_property
    def _above(self) -> Mapping[str, list[Child]]:
        return _grouped((item.child, item) for item in self.children)

    @cached_property
    def _used(self) -> Mapping[tuple[str, str], list[Use]]:
        return _grouped(((item.kind, item.name), item) for item in self.uses)

    def below(self, table: str) -> Iterator[str]:
        """Yield every table under this one: its children, and theirs."""
        for item in self._below.get(table, ()):
            yield item.child
            yield from self.below(item.child)

    def above(self, table: str) -> list[Child]:
        """Return under which tables it stands."""
        return self._above.get(table, [])

    def parted(self, table: str) -> bool:
        """Tell whether the table has partitions."""
        return any(item.partition for item in self._below.get(table, ()))

    @cached_property
    def defaults(self) -> frozenset[str]:
        """Return the DEFAULT partitions."""
        return frozenset(item.child for item in self.children if item.otherwise)

    def otherwise(self, parent: str) -> str:
        """Return the DEFAULT partition of a table; empty where it has none."""
        return next((x.child for x in self._below.get(parent, ()) if x.otherwise), "")

    @cached_property
    def relations(self) -> frozenset[str]:
        """Return the tables and views that the target has."""
        return frozenset(item.by for item in self.uses if item.kind == "schema")

    @cached_property
    def triggered(self) -> frozenset[str]:
        """Return the tables that have triggers of their own."""
        return frozenset(item.by for item in self.uses if item.how == "trigger")

    def uses_of(self, kind: str, name: str) -> list[Use]:
        """Return what depends on an object; ``kind`` as facts_uses.sql names it."""
        return self._used.get((kind, name), [])

    def constraint(self, table: str, name: str) -> Constraint | None:
        """Return a constraint by its name."""
        return next((x for x in self.constraints_on.get(table, ()) if x.name == name), None)


def _grouped(pairs: Iterable[tuple[_Key, _Item]]) -> dict[_Key, list[_Item]]:
    found: dict[_Key, list[_Item]] = {}
    for key, item in pairs:
        found.setdefault(key, []).append(item)
    return found
