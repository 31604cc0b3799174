"""Split a file into what is committed together, and rewrite what would hold locks for long."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import groupby

from runbook_lib.errors import ReleaseError, SqlState
from runbook_lib.parser import tree
from runbook_lib.parser.identifiers import LONGEST, dotted, quote
from runbook_lib.parser.statement import DbObject, Lock, LockMode, Split, Statement, Transaction
from runbook_lib.parser.tree import definition, kinds, scan, token_name

_DIGEST = 8

# What these do ends with the transaction: a file that has one keeps its own.
_BOUND = {"lock", "constraints set", "declare cursor", "prepare"}
_BOUND_CALLS = {
    *("set_config", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared"),
    *("pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared"),
}
_DROPPED_AT_COMMIT = {kinds.ONCOMMIT_DELETE_ROWS, kinds.ONCOMMIT_DROP}


def transactions_of(
    statements: Sequence[Statement], split: Split | None = None
) -> tuple[Transaction, ...]:
    """Split a file into what is committed together, as the plan's ``split`` says.

    A file is one, as ``psql -1`` runs it, unless it holds its own BEGIN or a statement that cannot
    be in a transaction block: then its own transactions are kept, and every other statement is one,
    as psql runs it without ``-1``. Concurrent index builds that follow each other are taken
    together. Raises ReleaseError for a BEGIN without its COMMIT, and for a statement inside that
    cannot be there.
    """
    wanted = split or Split()
    if all(item.transactional and not item.control for item in statements):
        return tuple(_of_whole(statements, wanted))
    return tuple(_gathered(_of_parts(statements, set(wanted.concurrent))))


def committing(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the names of the procedures that commit, or that call one which does."""
    bodies = [
        (made.name, item.inner)
        for item in statements
        if item.kind == "create function"
        for made in item.creates
    ]
    found: set[str] = set()
    while new := {
        name
        for name, inner in bodies
        if name not in found and any(item.control or _called(item) & found for item in inner)
    }:
        found |= new
    return frozenset(found)


def calling(statements: tuple[Statement, ...], procedures: Set[str]) -> tuple[Statement, ...]:
    """Return a file's statements, those outside a transaction that call one of the procedures.

    A procedure commits only there (PostgreSQL manual, CALL, Notes).
    """
    if not procedures:
        return statements
    return tuple(
        replace(item, transactional=False).with_tree(item.tree)
        if any(_called(call) & procedures for call in (item, *_within(item)))
        else item
        for item in statements
    )


def _within(statement: Statement) -> tuple[Statement, ...]:
    """Return what a DO block runs: the body of a function is run by whoever calls that."""
    return statement.inner if statement.kind == "do" else ()


def _called(statement: Statement) -> set[str]:
    """Return the name of the procedure that is called: of its schema, search_path has a say."""
    if statement.kind != "call":
        return set()
    return {name.rpartition(".")[2] for name in statement.calls}


def as_planned(statements: tuple[Statement, ...], split: Split) -> tuple[Statement, ...]:
    """Return the statements as the plan runs them; those of the file where nothing is split."""
    if not split:
        return statements
    return tuple(
        item
        for transaction in transactions_of(statements, split)
        for item in transaction.statements
    )


def names_in(transaction: Transaction) -> frozenset[str]:
    """Return what a transaction may change, as ``schema.name``."""
    found: set[str] = set()
    for item in transaction.statements:
        made = (*item.creates, *item.removes, *(lock.relation for lock in item.locks))
        found |= {x.qualified for x in made}
    return frozenset(found)


def settings_of(done: Sequence[Transaction]) -> list[str]:
    """Return what transactions that are committed have set: a new session needs it again."""
    kept = [
        item
        for transaction in done
        if not transaction.rolls_back
        for item in transaction.statements
    ]
    return [item.sql for item in kept if item.kind == "variable set" or sets_something(item)]


def sets_something(statement: Statement) -> bool:
    """Tell whether it is a query that only sets something, as pg_dump writes it."""
    calls = {name.split(".")[-1] for name in statement.calls}
    return (
        statement.kind == "select"
        and calls == {"set_config"}
        and not statement.node.HasField("with_clause")  # which may write
    )


def _of_whole(statements: Sequence[Statement], split: Split) -> Iterator[Transaction]:
    """Yield the transactions of a file that could be one transaction."""
    if not split:
        yield Transaction(tuple(statements))
        return
    concurrent, apart = set(split.concurrent), set(split.apart)
    together: list[Statement] = []
    builds: list[Statement] = []
    for item in statements:
        if item.number in concurrent:
            if together:
                yield Transaction(tuple(together))
            together = []
            builds.append(concurrently(item))
        elif item.number not in apart:
            if builds:
                yield Transaction(tuple(builds), in_block=False, builds=True)
            builds = []
            together.append(item)
    if builds:
        yield Transaction(tuple(builds), in_block=False, builds=True)
    if together:
        yield Transaction(tuple(together))
    for item in statements:
        if item.number in apart:
            yield Transaction((_not_valid(item),))
            yield Transaction((_validation(item),))


def _of_parts(statements: Sequence[Statement], concurrent: Set[int]) -> Iterator[Transaction]:
    """Yield the transactions of a file that is several transactions by itself."""
    opens: Statement | None = None
    inside: list[Statement] = []
    temporary: set[str] = set()  # no other session knows these
    for item in statements:
        temporary |= {made.name for made in item.creates if made.schema == "pg_temp"}
        if item.control == "begin":
            if opens is not None:
                raise _unbalanced(item, f"A transaction is already open since line {opens.line}.")
            opens = item
        elif item.control:
            if opens is None:
                raise _unbalanced(item, f"{item.sql.split()[0].upper()} ends no transaction.")
            yield Transaction(tuple(inside), opens=opens, closes=item)
            opens, inside = None, []
        elif opens is None:
            one = concurrently(item) if item.number in concurrent else item
            own = {lock.relation.name for lock in one.locks} & temporary
            builds = not one.transactional and one.kind == "index" and not own
            yield Transaction((one,), in_block=one.transactional, builds=builds)
        elif item.transactional:
            inside.append(item)
        else:
            message = f"'{item.label}' cannot run inside the transaction of line {opens.line}."
            raise ReleaseError(
                message,
                path=item.path,
                line=item.line,
                sqlstate=SqlState.ACTIVE_SQL_TRANSACTION,
                remedy="Move it out.",
            )
    if opens is not None:
        raise _unbalanced(opens, "The transaction that begins here is never committed.")


def _gathered(found: Iterable[Transaction]) -> Iterator[Transaction]:
    """Join concurrent builds that follow each other."""
    for builds, together in groupby(found, key=lambda transaction: transaction.builds):
        if builds:
            joined = tuple(item for transaction in together for item in transaction.statements)
            yield Transaction(joined, in_block=False, builds=True)
        else:
            yield from together


def _unbalanced(statement: Statement, message: str) -> ReleaseError:
    remedy = "Balance BEGIN and COMMIT in the file."
    return ReleaseError(message, path=statement.path, line=statement.line, remedy=remedy)


def choose_split(
    statements: Sequence[Statement],
    busy: Set[str],
    partitioned: Set[str],
    *,
    concurrent: bool,
    apart: bool,
) -> Split:
    """Choose what of a pending file is taken out of its transaction.

    ``busy`` are the tables of the target that hold rows, ``partitioned`` those with partitions,
    as ``schema.name``. Chosen are index builds on busy tables, and the foreign keys at the end of
    a file whose table or target is busy. A file whose statements hold for its transaction alone
    (SET LOCAL, LOCK and the like) is left as it is, and so is an index without a name, for which
    no leftover could be looked up.
    """
    if any(_bound(item) for item in statements):
        return Split()
    try:
        found = transactions_of(statements)
    except ReleaseError:  # a finding of the review
        return Split()
    free = [
        item
        for transaction in found
        if transaction.opens is None
        for item in transaction.statements
    ]
    builds = tuple(item.number for item in free if concurrent and _may_build(item, busy))
    keys: list[int] = []
    if apart and len(found) == 1 and found[0].opens is None:
        new = partitioned | set(_new_partitioned(free))
        for item in reversed(free):
            if not _one_foreign_key(item):
                break
            tables = [lock.relation.qualified for lock in item.locks]
            if set(tables) & busy and not set(tables[:1]) & new:
                keys.append(item.number)
    return Split(builds, tuple(reversed(keys)))


def _bound(statement: Statement) -> bool:
    """Tell whether the statement's meaning depends on the rest of its transaction."""
    if statement.kind in _BOUND or (statement.kind == "transaction" and not statement.control):
        return True  # a savepoint
    if {name.split(".")[-1] for name in statement.calls} & _BOUND_CALLS:
        return True
    if statement.kind == "do":
        return any(_bound(item) for item in statement.inner if item.kind != "dynamic")
    if statement.kind == "variable set":
        node = statement.node
        return bool(node.is_local) or node.kind == kinds.VAR_SET_MULTI
    if statement.kind == "create":
        return statement.node.oncommit in _DROPPED_AT_COMMIT
    if statement.kind == "create table as":
        return statement.node.into.on_commit in _DROPPED_AT_COMMIT
    return False


def _may_build(statement: Statement, busy: Set[str]) -> bool:
    if statement.kind != "index" or not statement.transactional:
        return False
    named = any(item.kind == "index" for item in statement.creates)
    on = {lock.relation.qualified for lock in statement.locks}
    return named and bool(on & busy) and bool(statement.node.relation.inh)


def _one_foreign_key(statement: Statement) -> bool:
    """Tell whether it adds one named foreign key, validated, and nothing else."""
    if statement.kind != "alter table" or len(statement.foreign_keys) != 1:
        return False
    node = statement.node
    if (
        node.missing_ok
        or len(node.cmds) != 1
        or node.cmds[0].alter_table_cmd.subtype != kinds.AT_AddConstraint
    ):
        return False
    constraint = definition(node.cmds[0].alter_table_cmd).constraint
    return bool(constraint.conname) and not constraint.skip_validation


def _new_partitioned(statements: Iterable[Statement]) -> Iterator[str]:
    for item in statements:
        if item.kind == "create" and item.node.HasField("partspec"):
            yield from (made.qualified for made in item.creates if made.kind == "table")


def concurrently(statement: Statement) -> Statement:
    """Return the index build with CONCURRENTLY; its lines stay where they are."""
    raw = statement.sql.encode()
    at = next(token.end for token in scan(statement.sql).tokens if token_name(token) == "INDEX")
    weaker = (Lock(lock.relation, LockMode.SHARE_UPDATE_EXCLUSIVE) for lock in statement.locks)
    return replace(
        statement,
        sql=(raw[:at] + b" CONCURRENTLY" + raw[at:]).decode(),
        label=statement.label.replace("create index", "create index concurrently", 1),
        transactional=False,
        locks=tuple(weaker),
    )


def _not_valid(statement: Statement) -> Statement:
    """Return the foreign key added without a look at the rows that are there."""
    # On a line of its own: the statement may end in a comment.
    return replace(
        statement,
        sql=f"{statement.sql}\nNOT VALID",
        label=f"{statement.label}, not valid",
        scans=(),
    )


def _validation(statement: Statement) -> Statement:
    """Return the look at the rows, which stops no writes (PostgreSQL manual, ALTER TABLE)."""
    node = statement.node
    name = definition(node.cmds[0].alter_table_cmd).constraint.conname
    table = dotted((node.relation.schemaname, node.relation.relname))
    own, *others = statement.locks
    return replace(
        statement,
        sql=f"ALTER TABLE {table} VALIDATE CONSTRAINT {quote(name)}",
        label=f"alter table {node.relation.relname}: validate {name}",
        creates=(),
        references=(),
        foreign_keys=(),
        locks=(
            Lock(own.relation, LockMode.SHARE_UPDATE_EXCLUSIVE),
            *(Lock(lock.relation, LockMode.ROW_SHARE) for lock in others),
        ),
        scans=(own.relation,),
    )


def on_only(statement: Statement, schema: str, table: str, index: str) -> Statement:
    """Return the build on a partitioned table alone, which has no rows of its own.

    The index stays invalid until an index of every partition is attached (PostgreSQL manual,
    5.12.2.2).
    """
    return _on(statement, schema, table, index, only=True)


def on_partition(statement: Statement, schema: str, table: str, index: str) -> Statement:
    """Return the concurrent build on one partition."""
    return _on(statement, schema, table, index, only=False)


def _on(statement: Statement, schema: str, table: str, index: str, *, only: bool) -> Statement:
    made = tree.of(statement.tree)
    node = made.stmts[0].stmt.index_stmt
    node.relation.schemaname, node.relation.relname = schema, table
    node.relation.inh, node.concurrent, node.idxname = not only, not only, index
    node.if_not_exists = False
    relation = DbObject("relation", schema, table)
    mode = LockMode.SHARE if only else LockMode.SHARE_UPDATE_EXCLUSIVE
    how = "" if only else " concurrently"
    return replace(
        statement,
        sql=tree.deparse(made),
        label=f"create index{how} {index} on {table}",
        creates=(DbObject("index", schema, index, table),),
        locks=(Lock(relation, mode),),
        scans=() if only else (relation,),
        transactional=only,
    )


def may_exist(statement: Statement) -> bool:
    """Tell whether the build says IF NOT EXISTS."""
    return bool(statement.node.if_not_exists)


def index_name(partition: str, index: str) -> str:
    """Return the name of a partition's index: both names, cut with a digest where too long."""
    name = f"{partition}_{index}"
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    kept = name.encode()[: LONGEST - _DIGEST - 1].decode(errors="ignore")
    return f"{kept}_{digest}"
