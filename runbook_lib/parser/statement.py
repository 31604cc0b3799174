"""The words of SQL: objects, locks and statements, as frozen values."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from runbook_lib.parser import tree
from runbook_lib.parser.tree import Node


@dataclass(frozen=True, order=True)
class DbObject:
    """Name one database object. ``table`` is set for what belongs to a table."""

    kind: str
    schema: str
    name: str
    table: str = ""

    @property
    def qualified(self) -> str:
        """Return ``schema.name``, without quotes, as catalog queries and facts are keyed."""
        return f"{self.schema}.{self.name}"

    def __str__(self) -> str:
        prefix = "" if self.schema in {"", "public"} else f"{self.schema}."
        if self.kind == "column":
            return f"{prefix}{self.table}.{self.name}"
        return f"{prefix}{self.name}"


@dataclass(frozen=True)
class Reference:
    """Point at an object that a statement needs, and where it says so."""

    object: DbObject
    line: int


@dataclass(frozen=True)
class ForeignKey:
    """Describe one foreign key. ``target_columns`` is empty where the primary key is meant."""

    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        to = ",".join(self.target_columns) or "id"
        return f"{self.table}.{','.join(self.columns)} -> {self.target}.{to}"


class LockMode(StrEnum):
    """Name a table-level lock as pg_locks does, weakest first (PostgreSQL manual, 13.3.1)."""

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def words(self) -> str:
        """Return the name the manual uses, for example ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    @property
    def stops_writes(self) -> bool:
        """Tell whether INSERT, UPDATE and DELETE of others wait for it."""
        return list(LockMode).index(self) >= list(LockMode).index(LockMode.SHARE)

    @property
    def stops_reads(self) -> bool:
        """Tell whether SELECT of others waits for it."""
        return self is LockMode.ACCESS_EXCLUSIVE


@dataclass(frozen=True, order=True)
class Lock:
    """Hold one table-level lock that a statement takes."""

    relation: DbObject
    mode: LockMode


@dataclass(frozen=True)
class Statement:
    """Hold one SQL statement as the parser read it. ``line`` counts from 1 in its file.

    ``locks`` are the strongest on each relation that is named; ``rewrites`` and ``scans`` are the
    tables whose every row is written anew or read, as far as reading alone can tell. ``inner`` are
    the statements in the body of a DO block, a function or a procedure, ``calls`` the functions
    that are called, as ``schema.name``. ``number`` is its place in the file, from 1.
    """

    path: str
    line: int
    sql: str
    kind: str
    label: str
    creates: tuple[DbObject, ...] = ()
    removes: tuple[DbObject, ...] = ()
    references: tuple[Reference, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    transactional: bool = True
    control: str = ""
    opaque: bool = False
    locks: tuple[Lock, ...] = ()
    rewrites: tuple[DbObject, ...] = ()
    scans: tuple[DbObject, ...] = ()
    inner: tuple["Statement", ...] = ()
    calls: tuple[str, ...] = ()
    number: int = 0

    @property
    def place(self) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{self.line}"

    @cached_property
    def tree(self) -> Node:
        """Return the parse tree, made once; raises PgQueryError for what is ``dynamic``."""
        return tree.only(self.sql)

    @property
    def tag(self) -> str:
        """Return the kind as the tree has it, for example ``create_stmt``."""
        return tree.tag_of(self.tree)

    @property
    def node(self) -> Node:
        """Return the statement's own node of the tree."""
        return getattr(self.tree, self.tag)

    def with_tree(self, found: Node) -> Self:
        """Keep the tree that was made where the statement was read; return the statement."""
        self.__dict__["tree"] = found
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "tree"}


@dataclass(frozen=True)
class Transaction:
    """Hold statements that are committed together, ``in_block`` in one transaction block.

    ``opens`` and ``closes`` are the file's own BEGIN and COMMIT, where it has them. ``builds`` says
    that the statements are concurrent index builds, which may run side by side.
    """

    statements: tuple[Statement, ...]
    in_block: bool = True
    opens: Statement | None = None
    closes: Statement | None = None
    builds: bool = False

    @property
    def rolls_back(self) -> bool:
        """Tell whether the file itself takes it back."""
        return self.closes is not None and self.closes.control == "rollback"


@dataclass(frozen=True)
class Split:
    """Say which statements, by their number, a plan takes out of their file's transaction.

    ``concurrent`` are index builds that must not stop writes; ``apart`` are foreign keys that are
    added NOT VALID and then validated, each in a short transaction.
    """

    concurrent: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.concurrent or self.apart)
