"""Forecast what rewrites and index builds will need of the server's disk, by its tables' sizes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.formatting import size
from runbook_lib.hazards.alter_table import scanned
from runbook_lib.hazards.reach import predict
from runbook_lib.hazards.rules import ALTER, Facts
from runbook_lib.parser.effects import constraints
from runbook_lib.parser.statement import DbObject, Statement
from runbook_lib.parser.transactions import as_planned
from runbook_lib.parser.tree import definition, kinds, strings
from runbook_lib.postgres import catalog
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.release.model import Release
from runbook_lib.release.plan import Plan, StepKind

_ENTRY = 16  # bytes of an index entry beside its values: line pointer, header, padding
_FILLED = 0.9  # of a page of a B-tree
_KEYS = {kinds.CONSTR_UNIQUE, kinds.CONSTR_PRIMARY}
_Widths = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Need:
    """Hold what one statement makes of a table: the bytes of its new file, and for sorting."""

    what: str
    file: int
    temporary: int = 0


@dataclass(frozen=True)
class Forecast:
    """Hold what a plan makes anew of tables that have rows."""

    needs: tuple[Need, ...]

    @property
    def files(self) -> int:
        """Return the bytes of the new files; the old ones go when their transactions end."""
        return sum(item.file for item in self.needs)

    @property
    def total(self) -> int:
        """Return files, as much WAL, and what the largest sort takes meanwhile."""
        return 2 * self.files + max((item.temporary for item in self.needs), default=0)

    def __str__(self) -> str:
        largest = sorted(self.needs, key=lambda item: -item.file)
        shown = ", ".join(f"{item.what} {size(item.file)}" for item in largest[:5])
        return f"{shown}{', ...' if len(largest) > 5 else ''}, as much WAL, and sorting"


def forecast(connection: Connection, release: Release, plan: Plan) -> Forecast:
    """Return what the pending files will make anew, as far as it can be told beforehand."""
    facts = catalog.read_facts(connection, plan.target.major)
    pending = [step for step in plan.steps if step.kind is StepKind.APPLY]
    statements = [
        statement
        for step in pending
        for statement in as_planned(release.migration(step.name).statements, step.split)
    ]
    named = {lock.relation.qualified for item in statements for lock in item.locks}
    touched = {each for table in named for each in (table, *facts.structure.below(table))}
    rows = connection.rows(load("column_widths"), {"tables": sorted(touched)})
    widths = {(row["table"], row["column"]): row["width"] for row in rows}
    return Forecast(tuple(need for item in statements for need in _needs(item, facts, widths)))


def _needs(statement: Statement, facts: Facts, widths: _Widths) -> Iterator[Need]:
    if statement.kind == "dynamic":
        return
    done = predict(statement, facts)
    for table in _with_rows(done.rewrites, facts):
        yield Need(f"{table} rewritten", facts.tables[table.qualified].size)
    for columns in _built(statement, facts):
        for table in _with_rows(done.scans, facts):
            bytes_of = _index_size(table, columns, facts, widths)
            yield Need(f"index of {table}", bytes_of, bytes_of)


def _with_rows(tables: Iterable[DbObject], facts: Facts) -> Iterator[DbObject]:
    for table in tables:
        known = facts.tables.get(table.qualified)
        if known is not None and known.rows:
            yield table


def _built(statement: Statement, facts: Facts) -> Iterator[list[str]]:
    """Yield the columns of each index that is built; empty ones are of unknown width."""
    node = statement.node
    if statement.tag == "index_stmt":
        elements = (*node.index_params, *node.index_including_params)
        known = node.access_method in {"", "btree"}
        yield [item.index_elem.name if known else "" for item in elements]
    elif statement.tag == ALTER:
        for cmd in (item.alter_table_cmd for item in node.cmds):
            table = statement.locks[0].relation.qualified if statement.locks else ""
            for given in constraints(definition(cmd)) if scanned(cmd, table, facts) else ():
                if given.contype in _KEYS and not given.indexname:
                    own = definition(cmd).column_def.colname
                    yield [own] if own else [*strings(given.keys), *strings(given.including)]


def _index_size(table: DbObject, columns: list[str], facts: Facts, widths: _Widths) -> int:
    """Return about how large a B-tree gets; where a width is not known, at most as its table."""
    known = facts.tables[table.qualified]
    found = [widths.get((table.qualified, column)) for column in columns]
    if None in found:
        return known.size
    wide = sum(item for item in found if item is not None)
    return int(known.rows * (_ENTRY + wide) / _FILLED)
