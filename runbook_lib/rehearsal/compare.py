"""Compare the rows of a table in two databases, in which nobody's code is run to do so.

Values are compared as hashes of what PostgreSQL prints of them, or of themselves where their hash
is the same in every database. Those of one side are carried over only where sums of hashes, taken
of parts of the rows, differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from runbook_lib.errors import SqlState, StatementError
from runbook_lib.postgres.connection import SQL, Connection, Identifier, Query, Row
from runbook_lib.postgres.queries import load

_TEXTS = ("text", "character varying", "character(", "bpchar")
_ZONED = "with time zone"
_PARTS = 1024  # of a table's rows, by the hash of their key
_SAMPLE = 64  # of so many rows one is compared where not all are


@dataclass(frozen=True)
class Column:
    """Hold one column: ``plain`` where its hash is portable, ``built_in`` where its casts are.

    ``altered`` tells that its definition was written anew, as a change of its values by DDL does.
    ``attributes`` are the numbers of those that its values are made of, where it is composite.
    """

    number: int
    name: str
    type: str
    plain: bool
    altered: bool
    built_in: bool
    attributes: Sequence[int]


@dataclass(frozen=True)
class Table:
    """Hold one table as a catalog has it; ``root`` is that of its partitions, else itself.

    ``touched`` counts the rows that were changed or ``deleted``, without those ``inserted``;
    ``key`` numbers the columns of a primary or unique key, if there is one.
    """

    oid: int
    schema: str
    name: str
    parted: bool
    root: int
    file: int
    size: int
    touched: int
    deleted: int
    inserted: int
    columns: tuple[Column, ...]
    key: tuple[int, ...]

    @property
    def qualified(self) -> str:
        """Return ``schema.name``, without quotes."""
        return f"{self.schema}.{self.name}"

    def numbered(self, number: int) -> Column | None:
        """Return the column of this number, None where it was dropped."""
        return next((item for item in self.columns if item.number == number), None)

    def named(self, name: str) -> Column | None:
        """Return the column of this name, None where there is none."""
        return next((item for item in self.columns if item.name == name), None)


def read_tables(connection: Connection, since: str | None = None) -> dict[int, Table]:
    """Return the tables of a database by oid, but for the ledger and what is temporary.

    ``since`` is the transaction id from which on columns count as altered.
    """
    found = {}
    for row in connection.rows(load("older_tables"), {"since": since}):
        columns = tuple(Column(**item) for item in row["columns"])
        found[row["oid"]] = Table(**{**row, "columns": columns, "key": tuple(row["key"])})
    return found


@dataclass(frozen=True)
class Pair:
    """Hold a column as it was, and as each table that holds the rows now has it, None for not."""

    was: Column
    now: tuple[Column | None, ...]

    @property
    def types(self) -> set[str]:
        """Return the other types that it has now."""
        return {item.type for item in self.now if item} - {self.was.type}

    @property
    def castable(self) -> bool:
        """Tell whether what it is now can be cast back by PostgreSQL itself."""
        columns = (self.was, *(item for item in self.now if item))
        return bool(self.types) and all(item.built_in for item in columns)

    @property
    def texts(self) -> bool:
        """Tell whether it is a text of whatever length on both sides."""
        return bool(self.types) and all(
            item.startswith(_TEXTS) for item in (self.was.type, *self.types)
        )


@dataclass(frozen=True)
class Subject:
    """Hold which tables held the rows, which hold them now, and the columns that both have.

    ``key`` are the places of the columns that tell rows apart, none where they do not.
    ``in_place`` says that there is a key, and that what no statement wrote lies where it lay;
    ``sampled`` that of the others not every row is to be compared. ``deleted`` is how many rows the
    server counted as such.
    """

    before: Sequence[Table]
    after: Sequence[Table]
    pairs: Sequence[Pair]
    key: Sequence[int]
    in_place: bool
    sampled: bool
    deleted: int

    @property
    def values(self) -> Sequence[str]:
        """Return the names of each value's hash."""
        return [f"c{place}" for place in range(len(self.pairs))]

    @property
    def own_key(self) -> Mapping[int, str]:
        """Return the names of the key's own values by place, none where hashes stand for them.

        What is one on one side is one on the other, too, and an index finds it.
        """
        pairs = [self.pairs[place] for place in self.key]
        hashed = any(x.types or not x.was.plain or x.was.type.startswith(_TEXTS) for x in pairs)
        return {} if hashed else {place: f"k{place}" for place in self.key}


@dataclass(frozen=True)
class Counts:
    """Hold how many rows there were, are gone and are changed, and the values that are, by name."""

    rows: int
    gone: int = 0
    changed: int = 0
    values: Mapping[str, int] | None = None

    @property
    def total(self) -> int:
        """Return how much was lost, to tell which reading of a column loses least."""
        return self.gone + self.changed + sum((self.values or {}).values())


@dataclass(frozen=True)
class Sessions:
    """Hold a session in each database.

    ``zone`` is the time zone of the role that migrates, ``since`` the transaction id from which on
    the plan wrote rows.
    """

    before: Connection
    after: Connection
    zone: str
    since: str

    def compare(self, subject: Subject) -> Counts:
        """Count what is gone and what is changed.

        A column whose type was changed is compared in the type that it had, as text where its
        values cannot be cast back; where a time zone decides how, in the one that loses less.
        """
        casts = any(
            _ZONED in kind
            for pair in subject.pairs
            for kind in (pair.was.type, *pair.types)
            if pair.castable
        )
        zones = dict.fromkeys((self.zone, "UTC")) if casts else ["UTC"]
        return min((self._in_zone(subject, zone) for zone in zones), key=lambda item: item.total)

    def _in_zone(self, subject: Subject, zone: str) -> Counts:
        try:
            return self._compare(subject, zone, cast=True)
        except StatementError as error:
            if not (error.sqlstate or "").startswith(_NO_CAST):
                raise
            return self._compare(subject, zone, cast=False)

    def _compare(self, subject: Subject, zone: str, *, cast: bool) -> Counts:
        readings = _before(subject, cast=cast), _after(subject, cast=cast)
        with self.before.transaction(), self.after.transaction(), ThreadPoolExecutor(2) as pool:
            for session in (self.before, self.after):
                session.rows(load("content_settings"))
                session.rows("SELECT set_config('TimeZone', %(zone)s, true)", {"zone": zone})
            if subject.in_place and (counts := self._written(subject, *readings, pool)):
                return counts
            if subject.sampled:
                return self._sample(subject, *map(_sampled, readings))
            whole, left = pool.map(_sum, (self.before, self.after), readings)
            if whole == left:
                return Counts(whole["rows"])
            old, new = pool.map(_sums, (self.before, self.after), readings)
            # Without a key, what became of a row may lie in a part of its own.
            among = old if subject.key else {**old, **new}
            parts = sorted(part for part in among if old.get(part) != new.get(part))
            within = SQL("SELECT * FROM ({}) AS rows WHERE k & {} = ANY ({})")
            lie = [within.format(reading, _PARTS - 1, parts) for reading in readings]
            return replace(self._each(subject, *lie), rows=whole["rows"])

    def _sample(self, subject: Subject, old: Query, new: Query) -> Counts:
        """Compare every so many rows and multiply; as many are gone at least as there are less."""
        rows, left = self.count(subject.before).rows, _count(self.after, subject.after)
        found = self._each(subject, old, new)
        values = {name: count * _SAMPLE for name, count in (found.values or {}).items()}
        gone = max(found.gone * _SAMPLE, rows - left)
        return Counts(rows, gone, found.changed * _SAMPLE, values)

    def _each(self, subject: Subject, old: Query, new: Query) -> Counts:
        """Compare row by row."""
        keyed = self._carry(subject, new) and subject.key
        query = _keyed(subject, old) if keyed else _unkeyed(subject, old)
        (row,) = self.before.rows(query)
        # Without a key, one that was replaced looks changed: the server knows what was deleted.
        more = 0 if keyed else min(row["changed"], max(subject.deleted - row["gone"], 0))
        gone, changed = row["gone"] + more, row["changed"] - more
        return _counts(subject, {**row, "gone": gone, "changed": changed})

    def _written(
        self, subject: Subject, old: Query, new: Query, pool: ThreadPoolExecutor
    ) -> Counts | None:
        """Compare what was written since; the other rows lie where they lay, and are not read.

        None where the key does not tell apart what was written.
        """
        recent = SQL("SELECT * FROM ({}) AS rows WHERE age(written) <= (SELECT age({}::xid))")
        if not self._carry(subject, recent.format(new, self.since)):
            self.before.execute("DROP TABLE carried")
            return None
        there = pool.submit(_count, self.after, subject.after)
        rows = self.count(subject.before).rows
        (row,) = self.before.rows(_keyed(subject, old, matched=True))
        kept = there.result() - self.before.value("SELECT count(*) FROM carried")
        return replace(_counts(subject, {**row, "gone": rows - kept - row["matched"]}), rows=rows)

    def _carry(self, subject: Subject, rows: Query) -> bool:
        """Carry rows over to the other side; tell whether the key is another in each."""
        types = dict.fromkeys(("k", "h", *subject.values), "bigint")
        own = subject.own_key.items()
        types |= {name: subject.pairs[place].was.type for place, name in own}
        each = (SQL("{} {}").format(Identifier(x), SQL(kind)) for x, kind in types.items())
        create = SQL("CREATE TEMP TABLE carried ({}) ON COMMIT DROP")
        self.before.execute(create.format(SQL(", ").join(each)))
        columns = SQL(", ").join(map(Identifier, types))
        copy = SQL("COPY (SELECT {} FROM ({}) AS rows) TO STDOUT (FORMAT binary)")
        read = copy.format(columns, rows)
        self.after.copy(read, self.before, SQL("COPY carried FROM STDIN (FORMAT binary)"))
        self.before.execute("ANALYZE carried")
        unique: bool = self.before.value("SELECT count(*) = count(DISTINCT k) FROM carried")
        return unique

    def count(self, tables: Sequence[Table]) -> Counts:
        """Count the rows that tables held."""
        return Counts(_count(self.before, tables))

    def count_values(self, tables: Sequence[Table], columns: Sequence[str]) -> dict[str, int]:
        """Count the values that columns held, of what is there no more."""
        part = SQL("SELECT {} FROM ONLY {}")
        names = SQL(", ").join(map(Identifier, columns))
        parts = [part.format(names, Identifier(item.schema, item.name)) for item in tables]
        counts = [SQL("count({0}) AS {0}").format(Identifier(name)) for name in columns]
        query = SQL("SELECT {} FROM ({}) AS rows").format(
            SQL(", ").join(counts), SQL(" UNION ALL ").join(parts)
        )
        (row,) = self.before.rows(query)
        return row


_NO_CAST = ("22", SqlState.CANNOT_COERCE)  # a value that its old type does not take, or no cast


def _sum(session: Connection, rows: Query) -> Row:
    """Return how many the rows are, and the sum of their hashes."""
    sums = SQL("SELECT count(*) AS rows, sum(h)::text AS total FROM ({}) AS rows")
    (row,) = session.rows(sums.format(rows))
    return row


def _sums(session: Connection, rows: Query) -> dict[int, tuple[int, str]]:
    """Return for each part of the rows how many they are, and the sum of their hashes."""
    sums = SQL(
        "SELECT k & {} AS part, count(*) AS rows, sum(h)::text AS total "
        "FROM ({}) AS rows GROUP BY 1"
    )
    found = session.rows(sums.format(_PARTS - 1, rows))
    return {row["part"]: (row["rows"], row["total"]) for row in found}


def _count(session: Connection, tables: Sequence[Table]) -> int:
    part = SQL("(SELECT count(*) FROM ONLY {})")
    parts = (part.format(Identifier(item.schema, item.name)) for item in tables)
    total: int = session.value(SQL("SELECT {}").format(SQL(" + ").join(parts)))
    return total


def _sampled(rows: Query) -> Query:
    """Return every so many of the rows, by the hash of their key: the same on both sides."""
    return SQL("SELECT * FROM ({}) AS rows WHERE k & {} = 0").format(rows, _SAMPLE - 1)


def _counts(subject: Subject, row: Row) -> Counts:
    pairs = zip(subject.pairs, subject.values, strict=True)
    values = {pair.was.name: min(row[name], row["changed"]) for pair, name in pairs}
    found = {name: count for name, count in values.items() if count}
    return Counts(0, row["gone"], row["changed"], found)


def _keyed(subject: Subject, old: Query, *, matched: bool = False) -> Query:
    """Return the query that compares rows of the same key; a value where none was is no loss.

    With ``matched`` only those are looked at that were carried.
    """
    other = [
        SQL("(o.{0} IS NOT NULL AND c.{0} IS DISTINCT FROM o.{0})").format(Identifier(name))
        for name in subject.values
    ]
    count = SQL("count(*) FILTER (WHERE c.k IS NOT NULL AND {})")
    each = [
        SQL(", {} AS {}").format(count.format(item), Identifier(name))
        for item, name in zip(other, subject.values, strict=True)
    ]
    changed = SQL(" OR ").join(other) if other else SQL("false")
    key = subject.own_key.values() or ["k"]
    return SQL(
        "SELECT count(*) FILTER (WHERE c.k IS NULL) AS gone, "
        "count(c.k) AS matched, {} AS changed{} FROM ({}) AS o {} JOIN carried c ON {}"
    ).format(
        count.format(SQL("({})").format(changed)),
        SQL("").join(each),
        old,
        SQL("INNER" if matched else "LEFT"),
        SQL(" AND ").join(SQL("c.{0} = o.{0}").format(Identifier(x)) for x in key),
    )


def _unkeyed(subject: Subject, old: Query) -> Query:
    """Return the query that compares what there is of equal rows, and of equal values.

    What was replaced one for one counts as changed, the rest as gone.
    """
    missing = SQL(
        "(SELECT coalesce(sum(greatest(n, 0)), 0)::bigint FROM (SELECT sum(n) AS n FROM both_sides "
        "WHERE {0} IS NOT NULL GROUP BY {0}) AS x)"
    )
    each = [
        SQL(", greatest({} - gone, 0) AS {}").format(missing.format(name), name)
        for name in map(Identifier, subject.values)
    ]
    columns = SQL("").join(SQL(", {}").format(Identifier(name)) for name in subject.values)
    return SQL(
        "WITH both_sides AS (SELECT 1 AS n, h{0} FROM ({1}) AS o "
        "UNION ALL SELECT -1, h{0} FROM carried), "
        "rows AS (SELECT sum(greatest(n, 0))::bigint AS lost, sum(greatest(-n, 0))::bigint AS new "
        "FROM (SELECT sum(n) AS n FROM both_sides GROUP BY h) AS x), "
        "ends AS (SELECT greatest(lost - new, 0) AS gone, least(lost, new) AS changed FROM rows) "
        "SELECT gone, changed{2} FROM ends"
    ).format(columns, old, SQL("").join(each))


def _before(subject: Subject, *, cast: bool) -> Query:
    parts = []
    for table in subject.before:
        columns = [table.named(pair.was.name) for pair in subject.pairs]
        parts.append(_part(subject, table, columns, cast=cast))
    return SQL(" UNION ALL ").join(parts)


def _after(subject: Subject, *, cast: bool) -> Query:
    parts = []
    for place, table in enumerate(subject.after):
        columns = [pair.now[place] for pair in subject.pairs]
        parts.append(_part(subject, table, columns, cast=cast))
    return SQL(" UNION ALL ").join(parts)


def _part(subject: Subject, table: Table, columns: Sequence[Column | None], *, cast: bool) -> Query:
    """Return what reads the hashes of the rows of one table: of key, row and each value."""
    values = [
        _value(pair, column, cast=cast) for pair, column in zip(subject.pairs, columns, strict=True)
    ]
    row = _hash(values)
    key = _hash([values[place] for place in subject.key]) if subject.key else row
    each = [
        SQL(", CASE WHEN num_nulls({}) = 0 THEN {} END AS {}").format(
            Identifier(column.name), _hash([value]), Identifier(f"c{place}")
        )
        if column
        else SQL(", NULL::bigint AS {}").format(Identifier(f"c{place}"))
        for place, (column, value) in enumerate(zip(columns, values, strict=True))
    ]
    own = [
        SQL(", {}::{} AS {}").format(
            Identifier(column.name) if (column := columns[place]) else SQL("NULL"),
            SQL(subject.pairs[place].was.type),
            Identifier(name),
        )
        for place, name in subject.own_key.items()
    ]
    return SQL("SELECT {} AS k, {} AS h{}, xmin AS written FROM ONLY {}").format(
        key, row, SQL("").join([*each, *own]), Identifier(table.schema, table.name)
    )


def _hash(values: Sequence[Query]) -> Query:
    if not values:  # a table without any column has rows, too
        return SQL("0::bigint")
    return SQL("hash_record_extended(ROW({}), 0)").format(SQL(", ").join(values))


def _value(pair: Pair, column: Column | None, *, cast: bool) -> Query:
    """Return a column as it is hashed, the same on both sides; its output needs no cast."""
    if column is None:
        return SQL("NULL::text")
    value = SQL("{}").format(Identifier(column.name))
    if pair.texts:  # without the blanks that pad character(n)
        return SQL('{}::text COLLATE "C"').format(value)
    back = cast and pair.castable
    if back and column.type != pair.was.type:
        value = SQL("{}::{}").format(value, SQL(pair.was.type))
    if not pair.was.plain or (pair.types and not back):
        return SQL("format('%s', {}) COLLATE \"C\"").format(value)
    # Some collations take texts for equal that are not.
    return SQL('{} COLLATE "C"').format(value) if pair.was.type.startswith(_TEXTS) else value


def tables_of(tables: Mapping[int, Table]) -> Iterator[Table]:
    """Yield those that hold rows themselves."""
    return (table for table in tables.values() if not table.parted)
