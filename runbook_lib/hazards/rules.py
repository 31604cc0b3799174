"""Find what would hurt: each hazard rule is data plus one function, and knows the target."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from runbook_lib.errors import ReleaseError, SqlState
from runbook_lib.findings import Files, Finding, Severity
from runbook_lib.hazards.structure import Storage, Structure, proves_not_null
from runbook_lib.parser.effects import constraints
from runbook_lib.parser.objects import named, named_relation
from runbook_lib.parser.statement import DbObject, Split, Statement
from runbook_lib.parser.transactions import as_planned, transactions_of
from runbook_lib.parser.tree import Node, PgQueryError, definition, kinds, strings
from runbook_lib.release.model import Acceptance, Migration

Said = Iterator[str]
_BY_PLAN = ("index-not-concurrent", "foreign-key-validated")
_SPARED = "Nobody waits: the plan takes it out of the file's transaction."
_DONE = "The plan does this for you."

ALTER = "alter_table_stmt"


@dataclass(frozen=True)
class TableFacts:
    """Hold what is known of one table of the target; ``size`` in bytes, ``rows`` as estimated.

    ``columns`` maps each column to its type as ``format_type`` writes it; ``indexes`` are the
    columns of each index, in order; ``not_null`` the columns that may not be null.
    """

    rows: int
    size: int
    columns: Mapping[str, str]
    indexes: tuple[tuple[str, ...], ...] = ()
    not_null: frozenset[str] = frozenset()
    storage: Storage = field(default_factory=Storage)


@dataclass(frozen=True)
class Facts:
    """Hold what the hazard rules ask of the target. Tables and functions by ``schema.name``.

    ``functions`` maps to the ``CREATE FUNCTION`` text of each function that users made;
    ``structure`` says how the tables hang together.
    """

    server_major: int
    tables: Mapping[str, TableFacts]
    functions: Mapping[str, str]
    structure: Structure = field(default_factory=Structure)


@dataclass(frozen=True)
class Rule:
    """Describe one hazard. ``versions`` are the first and last major it concerns, None for all.

    ``safe`` writes the statements that do it safely; ``manual`` is PostgreSQL's page about it.
    """

    id: str
    severity: Severity
    condition: str
    effect: str
    remedy: str
    find: Callable[["Subject"], Said]
    versions: tuple[int, int] | None = None
    sqlstate: str = ""
    safe: Callable[["Subject"], Files] | None = None
    manual: str = ""

    def applies_to(self, major: int) -> bool:
        """Tell whether it speaks of servers of this major version."""
        first, last = self.versions or (major, major)
        return first <= major <= last


class Rules(dict[str, Rule]):
    """Hold rules by id; ``rule`` makes one of the function it decorates."""

    def rule(
        self,
        name: str,
        severity: Severity,
        condition: str,
        effect: str,
        remedy: str,
        *,
        versions: tuple[int, int] | None = None,
        sqlstate: str = "",
        safe: Callable[["Subject"], Files] | None = None,
        manual: str,
    ) -> Callable[[Callable[["Subject"], Said]], Callable[["Subject"], Said]]:
        """Register a function, which yields one cause for each thing it finds."""

        def register(find: Callable[["Subject"], Said]) -> Callable[["Subject"], Said]:
            self[name] = Rule(
                id=name,
                severity=severity,
                condition=condition,
                effect=effect,
                remedy=remedy,
                find=find,
                versions=versions,
                sqlstate=sqlstate,
                safe=safe,
                manual=manual,
            )
            return find

        return register


@dataclass
class Memory:
    """Hold what the earlier statements of the release said, as far as rules ask for it."""

    facts: Facts
    indexed: frozenset[tuple[str, str]]  # schema.table and the first column of an index
    identified: frozenset[str] = frozenset()  # tables that get what tells their rows apart
    new: set[tuple[str, str]] = field(default_factory=set)
    not_null_checks: set[tuple[str, str]] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)
    unvalidated: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what it will prove
    required: set[tuple[str, str]] = field(default_factory=set)  # columns that are NOT NULL now
    volatile: set[str] = field(default_factory=set)  # functions
    narrow: set[str] = field(default_factory=set)  # domains with a constraint
    enum_values: dict[str, str] = field(default_factory=dict)  # of this transaction
    not_valid: set[str] = field(default_factory=set)  # of this transaction
    exclusive: list[str] = field(default_factory=list)  # of this transaction
    reset: frozenset[str] = frozenset()  # settings that this file gives back
    made_concurrent: frozenset[int] = frozenset()  # statements that the plan turns so, by number

    def begin(self) -> None:
        """Forget what belongs to the transaction that ended."""
        self.enum_values, self.not_valid, self.exclusive = {}, set(), []


@dataclass(frozen=True)
class Subject:
    """Hold one statement as the rules see it."""

    statement: Statement
    tag: str
    node: Node
    memory: Memory
    in_block: bool

    @cached_property
    def commands(self) -> list[Node]:
        """Return the sub-commands of ALTER TABLE, but those that find nothing to do there."""
        found = [item.alter_table_cmd for item in self.node.cmds] if self.tag == ALTER else []
        return [item for item in found if not (item.missing_ok and self._idle(item))]

    def _idle(self, command: Node) -> bool:
        """Tell whether IF NOT EXISTS finds its column there."""
        facts = self.there(self.table)
        adds = command.subtype == kinds.AT_AddColumn
        return (
            adds and facts is not None and definition(command).column_def.colname in facts.columns
        )

    @property
    def table(self) -> DbObject:
        """Return the relation that the statement names first."""
        return named_relation(self.node.relation)

    def there(self, table: DbObject) -> TableFacts | None:
        """Return the facts of a table that the target has, None for one of this release."""
        if (table.schema, table.name) in self.memory.new:
            return None
        return self.memory.facts.tables.get(table.qualified)

    def known(self, item: DbObject) -> bool:
        """Tell whether the target has this table or view, and it is not of this release."""
        new = (item.schema, item.name) in self.memory.new
        return not new and item.qualified in self.memory.facts.structure.relations

    def busy(self, table: DbObject) -> str:
        """Return the table with its rows as people say it; empty where it has none or is new."""
        facts = self.there(table)
        return f"{table} ({facts.rows:,} rows)" if facts is not None and facts.rows else ""


def find_hazards(
    migrations: Sequence[Migration],
    facts: Facts,
    accepts: Sequence[Acceptance],
    rules: Mapping[str, Rule],
    splits: Mapping[str, Split] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """Apply the rules to these pending migrations, in the order they run and as they are planned.

    An acceptance silences one rule in one migration; one that silences nothing is a finding.
    """
    memory = Memory(facts, frozenset(_indexed(migrations, facts)))
    if facts.structure.publishes_all:
        memory.identified = frozenset(_identified(migrations))
    reasons = {(item.rule, item.migration): item.reason for item in accepts}
    current = {name: item for name, item in rules.items() if item.applies_to(facts.server_major)}
    found: list[Finding] = []
    for migration in migrations:
        memory.reset = frozenset(_resets(migration))
        found += _unbalanced(migration, reasons, rules)
        memory.begin()
        split = splits.get(migration.name, Split())
        memory.made_concurrent = frozenset(split.concurrent)
        validated_apart = frozenset(split.apart)
        taken_out = {*split.concurrent, *split.apart}
        written = {x.number: x for x in migration.statements if x.number in taken_out}
        for statement in as_planned(migration.statements, split):
            apart = statement.number in validated_apart
            if statement.control or not statement.transactional or apart:
                memory.begin()
            if (own := written.pop(statement.number, None)) is not None:
                found += _by_plan(own, memory, current, reasons, migration.name)
            inner = statement.inner if statement.kind == "do" else ()
            for part in (statement, *inner):
                for subject in _subjects(part, memory, in_block=part is not statement):
                    for item in current.values():
                        found += _apply(item, subject, statement, reasons, migration.name)
                    _learn(subject)
            if not statement.transactional:
                memory.begin()
    return tuple(found)


def unused(
    accepts: Sequence[Acceptance], findings: Sequence[Finding], known: frozenset[str]
) -> Iterator[Finding]:
    """Yield the acceptances that silence nothing: a misspelt rule would seem silenced."""
    used = {(item.rule, item.accepted) for item in findings if item.accepted}
    for item in accepts:
        if (item.rule, item.reason) in used:
            continue
        what = "does not find anything" if item.rule in known else "is no rule"
        yield Finding(
            phase="reading",
            rule="acceptance-unused",
            severity=Severity.WARNING,
            path=item.path,
            line=item.line,
            cause=f"{item.rule} is accepted in {item.migration or item.object}, and {what} there.",
            effect="The acceptance has no effect.",
            remedy="Remove it, or correct its rule and migration.",
        )


def _by_plan(
    statement: Statement,
    memory: Memory,
    rules: Mapping[str, Rule],
    reasons: Mapping[tuple[str, str], str],
    migration: str,
) -> Iterator[Finding]:
    """Yield what the statement would stop as it is written, and does not as it is planned."""
    for subject in _subjects(statement, memory, in_block=False):
        for item in (rules[name] for name in _BY_PLAN if name in rules):
            for found in _apply(item, subject, statement, reasons, migration):
                yield replace(
                    found, severity=Severity.INFO, effect=_SPARED, remedy=_DONE, planned=True
                )


def _subjects(statement: Statement, memory: Memory, *, in_block: bool) -> Iterator[Subject]:
    if statement.kind != "dynamic":
        yield Subject(statement, statement.tag, statement.node, memory, in_block)


def _apply(
    item: Rule,
    subject: Subject,
    outer: Statement,
    reasons: Mapping[tuple[str, str], str],
    migration: str,
) -> Iterator[Finding]:
    for cause in dict.fromkeys(item.find(subject)):
        place = subject.statement.path, subject.statement.line
        found = _finding(item, place, outer.line, cause, reasons.get((item.id, migration), ""))
        safe = _safe(item, subject)
        was = subject.statement.sql if safe else ""
        yield replace(found, number=outer.number, was=was, safe=safe)


def _safe(item: Rule, subject: Subject) -> Files:
    try:
        return item.safe(subject) if item.safe else ()
    except PgQueryError:  # the deparser does not know every statement that the parser does
        return ()


def _finding(
    item: Rule, place: tuple[str, int], statement: int, cause: str, reason: str
) -> Finding:
    return Finding(
        phase="reading",
        rule=item.id,
        severity=item.severity,
        path=place[0],
        line=place[1],
        cause=cause,
        effect=item.effect,
        remedy=item.remedy,
        sqlstate=item.sqlstate,
        statement=statement,
        accepted=reason,
    )


def _unbalanced(
    migration: Migration, reasons: Mapping[tuple[str, str], str], rules: Mapping[str, Rule]
) -> Iterator[Finding]:
    try:
        transactions_of(migration.statements)
    except ReleaseError as error:
        inside = error.sqlstate == SqlState.ACTIVE_SQL_TRANSACTION
        item = rules["concurrent-in-transaction" if inside else "transaction-left-open"]
        place = error.path or "", error.line or 1
        reason = reasons.get((item.id, migration.name), "")
        yield _finding(item, place, place[1], error.message, reason)


def _indexed(migrations: Sequence[Migration], facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield table and first column of every index there will be."""
    for name, table in facts.tables.items():
        yield from ((name, columns[0]) for columns in table.indexes if columns)
    for migration in migrations:
        for statement in (part for item in migration.statements for part in (item, *item.inner)):
            if statement.kind in {"index", "create", "alter table"}:
                yield from _indexes_of(statement.tag, statement.node)


def _identified(migrations: Sequence[Migration]) -> Iterator[str]:
    """Yield the tables that get a primary key or a REPLICA IDENTITY somewhere in the release."""
    for statement in (part for item in migrations for part in item.statements):
        node, named_one = statement.node, statement.tag in {"create_stmt", ALTER}
        elements = node.table_elts if statement.tag == "create_stmt" else ()
        commands = [x.alter_table_cmd for x in node.cmds] if statement.tag == ALTER else []
        given = [*elements, *map(definition, commands)]
        kept = any(x.subtype == kinds.AT_ReplicaIdentity for x in commands)
        keyed = (x.contype == kinds.CONSTR_PRIMARY for each in given for x in constraints(each))
        if named_one and (kept or any(keyed)):
            yield named_relation(node.relation).qualified


def _indexes_of(tag: str, node: Node) -> Iterator[tuple[str, str]]:
    unique = {kinds.CONSTR_PRIMARY, kinds.CONSTR_UNIQUE}
    if tag == "index_stmt" and node.index_params:
        table = named_relation(node.relation)
        first = node.index_params[0].index_elem.name
        if node.HasField("where_clause") and first not in proves_not_null(node.where_clause):
            return  # a key looks for every value
        yield table.qualified, node.index_params[0].index_elem.name
        return
    if tag not in {"create_stmt", ALTER}:
        return
    table = named_relation(node.relation)
    elements = (
        list(node.table_elts)
        if tag == "create_stmt"
        else [definition(item.alter_table_cmd) for item in node.cmds]
    )
    for element in elements:
        if element.HasField("constraint") and element.constraint.contype in unique:
            yield from (
                (table.qualified, key.string.sval) for key in list(element.constraint.keys)[:1]
            )
        elif element.HasField("column_def"):
            for item in element.column_def.constraints:
                if item.constraint.contype in unique:
                    yield table.qualified, element.column_def.colname


def _resets(migration: Migration) -> Iterator[str]:
    """Yield the settings that a file gives back itself; ``*`` for all."""
    for statement in migration.statements:
        if statement.kind == "discard":
            yield "*"
        elif statement.kind == "variable set":
            node = statement.node
            if node.kind == kinds.VAR_RESET_ALL:
                yield "*"
            elif node.kind in {kinds.VAR_RESET, kinds.VAR_SET_DEFAULT}:
                yield node.name


def _learn(subject: Subject) -> None:
    """Remember what later statements are judged by."""
    memory = subject.memory
    for item in subject.statement.creates:
        if item.kind in {"table", "view", "enum", "type", "schema"}:
            memory.new.add((item.schema, item.name))
    _learn_kinds(subject)
    if subject.tag == "alter_enum_stmt" and subject.node.new_val and not subject.node.old_val:
        enum = named("enum", strings(subject.node.type_name))
        if (enum.schema, enum.name) not in memory.new:
            memory.enum_values[subject.node.new_val] = enum.name
    table = str(subject.table) if subject.commands else ""
    for cmd in subject.commands:
        constraint = definition(cmd).constraint
        name = f"{table}.{cmd.name or constraint.conname}"
        memory.required |= {(table, column) for column in _required(cmd)}
        if cmd.subtype == kinds.AT_AddConstraint and constraint.contype == kinds.CONSTR_CHECK:
            proven = tuple(proves_not_null(constraint.raw_expr))
            if constraint.skip_validation:
                memory.not_valid.add(name)
                memory.unvalidated[name] = proven
            else:
                memory.checked.add(table)
                memory.not_null_checks |= {(table, column) for column in proven}
        elif cmd.subtype == kinds.AT_AddConstraint and constraint.skip_validation:
            memory.not_valid.add(name)
        elif cmd.subtype == kinds.AT_ValidateConstraint:
            memory.checked.add(table)
            by = memory.unvalidated.get(name) or _proven_by(subject, cmd.name)
            memory.not_null_checks |= {(table, column) for column in by}


def _learn_kinds(subject: Subject) -> None:
    """Remember the functions and domains whose use as a default or a type writes every row."""
    node, memory = subject.node, subject.memory
    if subject.tag == "create_function_stmt":
        given = {x.def_elem.arg.string.sval for x in node.options}
        function = named("function", strings(node.funcname))
        if not given & {"immutable", "stable"}:
            memory.volatile.add(function.qualified)
    elif subject.tag == "create_domain_stmt":
        narrow = {kinds.CONSTR_CHECK, kinds.CONSTR_NOTNULL}
        if {item.constraint.contype for item in node.constraints} & narrow:
            memory.narrow.add(named("type", strings(node.domainname)).qualified)


def _required(cmd: Node) -> Iterator[str]:
    if cmd.subtype == kinds.AT_SetNotNull:
        yield cmd.name
    column = definition(cmd).column_def
    given = {item.constraint.contype for item in column.constraints}
    if cmd.subtype == kinds.AT_AddColumn and kinds.CONSTR_NOTNULL in given:
        yield column.colname


def _proven_by(subject: Subject, name: str) -> set[str]:
    """Return the columns that a CHECK of the target, now validated, proves not to be null."""
    check = subject.memory.facts.structure.constraint(subject.table.qualified, name)
    return check.not_null if check is not None else set()
