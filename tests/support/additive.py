"""Draw releases that only add: statements that all run, over an older schema with rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
# What is there before. Each table has a key, a unique int column that new keys may refer to.
OLDER = """
CREATE SCHEMA "Old.Shop";
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN amount AS int CHECK (VALUE >= 0);
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * a';
CREATE TABLE users (id serial PRIMARY KEY, name text, mood mood DEFAULT 'glad');
CREATE TABLE "Old.Shop"."Order" ("Id" int PRIMARY KEY, "user" int REFERENCES users, total amount);
CREATE TABLE events (day int, what text) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
CREATE UNIQUE INDEX events_day ON events (day);
CREATE VIEW glad AS SELECT id, name FROM users WHERE mood = 'glad';
CREATE MATERIALIZED VIEW totals AS SELECT "user", sum(total) AS total FROM "Old.Shop"."Order"
    GROUP BY 1;
CREATE INDEX users_name ON users (lower(name));
INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 20) n;
INSERT INTO "Old.Shop"."Order" SELECT n, 1 + n % 20, n FROM generate_series(1, 30) n;
INSERT INTO events SELECT n, 'e' || n FROM generate_series(1, 40) n;
COMMENT ON TABLE users IS 'who may enter'; COMMENT ON COLUMN users.name IS 'é; ''quoted''';
GRANT SELECT, INSERT (name) ON users TO pg_monitor; GRANT EXECUTE ON FUNCTION twice TO pg_monitor;
"""
TYPES = {  # with a default that costs the server no second look
    "int": "7",
    "bigint": "-7",
    "text": "'x; ''y'''",
    "varchar(40)": "'%s'",
    "numeric(8, 2)": "1.50",
    "boolean": "true",
    "date": "'2026-01-31'",
    "timestamptz": "'2026-01-31 10:00+02'",
    "jsonb": """'{"a": [1]}'""",
    "uuid": "'00000000-0000-0000-0000-000000000001'",
    "bytea": "'\\x00ff'",
    "text[]": "'{a,b}'",
    "int4range": "'[1,5)'",
    "interval": "'1 day'",
    "inet": "'10.0.0.1'",
}
NAMES = ("n{0}", '"N {0}"', '"a.b{0}"', '"ü""{0}"', '"select{0}"', '"it\'s %s {0}"')


@dataclass
class Relation:
    """Hold what later statements need of a table: its key, and int columns that nobody fills."""

    name: str
    key: str
    unique: bool = True
    partitioned: bool = False
    own: bool = True
    heir: bool = False
    empty: list[str] = field(default_factory=list)


class Author:
    """Write one release, statement by statement; what it made may be used by what follows."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._number = 0
        self.lines: list[str] = []
        self.schemas = ["public", '"Old.Shop"']
        self.tables = [
            Relation("public.users", "id", own=False),
            Relation('"Old.Shop"."Order"', '"Id"', own=False),
            Relation("public.events", "day", partitioned=True, own=False),
        ]
        self.views = [("public.users", "id"), ("public.glad", "id"), ("public.totals", "total")]
        self.functions = ["public.twice"]
        self.types = dict(TYPES) | {"public.mood": "'sad'", "public.amount": "3"}
        self.made: list[tuple[str, str]] = []  # what a comment or a grant may name
        self.indexable: list[tuple[str, str]] = []

    def one(self, of: Sequence[T]) -> T:
        return self._draw(st.sampled_from(of))

    def coin(self) -> bool:
        return self._draw(st.booleans())

    def maybe(self, text: str) -> str:
        return self.one(("", text))

    def name(self) -> str:
        self._number += 1
        return self.one(NAMES).format(self._number)

    def placed(self, kind: str) -> str:
        """Return a new object's qualified name, which later statements may comment on."""
        name = f"{self.one(self.schemas)}.{self.name()}"
        self.made.append((kind, name))
        return name

    def say(self, line: str) -> None:
        self.lines.append(line)

    def column(self, of: Relation | None = None) -> str:
        """Return a column's definition; ``of`` is the table that it is added to, if it is there."""
        name, function = self.name(), self.one(self.functions)
        kind = self.one(list(self.types))
        choices = [
            f"{name} {kind}",
            f"{name} {kind} NOT NULL DEFAULT {self.types[kind]}",
            f"{name} {kind}[]",
            f"{name} int DEFAULT {function}(3)",
            f"{name} int CHECK ({name} > 0)",
            f"{name} timestamptz DEFAULT now()",
            f'{name} text COLLATE "C"',
        ]
        if of is None or not of.partitioned:
            choices.append(f"{name} int UNIQUE")
            choices.append(f"{name} bigserial")
            choices.append(f"{name} int GENERATED {self.one(('ALWAYS', 'BY DEFAULT'))} AS IDENTITY")
        if of is not None:
            choices.append(f"{name} int GENERATED ALWAYS AS ({function}({of.key})) STORED")
            choices.append(f"{name} int REFERENCES {self.target()}")
        return self.one(choices)

    def target(self) -> str:
        found = self.one([item for item in self.tables if item.unique])
        return f"{found.name} ({found.key}){self.one(('', ' ON DELETE CASCADE'))}"

    # --- what a statement of the release may be ---------------------------------------------------

    def add_schema(self) -> None:
        name = self.name()
        self.say(f"CREATE SCHEMA {name}")
        self.schemas.append(name)
        self.made.append(("SCHEMA", name))

    def add_table(self) -> None:
        key, empty = self.name(), self.name()
        found = Relation(self.placed("TABLE"), key, empty=[empty])
        parts = [f"{key} int {self.one(('PRIMARY KEY', 'UNIQUE', 'NOT NULL UNIQUE'))}"]
        parts += [f"{empty} int"]
        parts += [self.column() for _ in range(self.one((0, 1, 2, 3)))]
        parts += self.one(([], [f"FOREIGN KEY ({empty}) REFERENCES {self.target()}"]))
        of = self.one(("", "", " INHERITS (public.users)"))
        found.heir = bool(of)
        self.say(f"CREATE TABLE {found.name} ({', '.join(parts)}){of}")
        self.tables.append(found)
        self.views.append((found.name, key))

    def add_partitioned(self) -> None:
        key = self.name()
        found = Relation(self.placed("TABLE"), key, partitioned=True)
        how, bounds = self.one(
            (
                ("RANGE", ("FROM (1) TO (5)", "FROM (5) TO (MAXVALUE)")),
                ("LIST", ("IN (1, 2)", "IN (3, NULL)")),
                ("HASH", ("WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)")),
            )
        )
        found.unique = self.coin()
        unique = " UNIQUE" if found.unique else ""
        kinds = ("text", "mood")[: self.one((0, 2))]
        rest = "".join(f", {self.name()} {kind}" for kind in kinds)
        self.say(f"CREATE TABLE {found.name} ({key} int{unique}{rest}) PARTITION BY {how} ({key})")
        for bound in bounds[: self.one((0, 1, 2))]:
            part = f"CREATE TABLE {self.placed('TABLE')} PARTITION OF {found.name}"
            self.say(f"{part} FOR VALUES {bound}")
        self.tables.append(found)

    def add_partition(self) -> None:
        if not any("OF public.events " in line for line in self.lines):
            bound = "FOR VALUES FROM (100) TO (200)"
            self.say(f"CREATE TABLE {self.placed('TABLE')} PARTITION OF public.events {bound}")

    def add_column(self) -> None:
        table = self.one(self.tables)
        many = ", ADD ".join(self.column(table) for _ in range(self.one((1, 1, 2))))
        self.say(f"ALTER TABLE {table.name} ADD {many}")

    def add_type(self) -> None:
        kind = self.one(("enum", "domain", "composite", "range", "attribute"))
        if kind == "enum":
            name = self.placed("TYPE")
            self.say(f"CREATE TYPE {name} AS ENUM ('one', 'it''s')")
            self.types[name] = "'one'"
        elif kind == "domain":
            of = self.one([item for item in self.types if "[]" not in item])
            name = self.placed("DOMAIN")
            check = self.maybe(" CONSTRAINT is_there CHECK (VALUE IS NOT NULL)")
            default = self.types[of] if check else self.one(("NULL", self.types[of]))
            self.say(f"CREATE DOMAIN {name} AS {of} DEFAULT {default}{check}")
            if not check:
                self.types[name] = self.types[of]
        elif kind == "composite":
            name = self.placed("TYPE")
            self.say(f"CREATE TYPE {name} AS ({self.name()} int, {self.name()} public.mood)")
            self.types[name] = "ROW(1, 'sad')"
        elif kind == "range":
            self.say(f"CREATE TYPE {self.placed('TYPE')} AS RANGE (subtype = float8)")
        else:
            self.say(f"ALTER TYPE public.pair ADD ATTRIBUTE {self.name()} int")

    def add_function(self) -> None:
        name, table = self.placed("FUNCTION"), self.one(self.tables)
        body = self.one(
            (
                "LANGUAGE sql IMMUTABLE AS 'SELECT a * a + 1'",
                f"LANGUAGE sql IMMUTABLE RETURN {self.one(self.functions)}(a * a) + 1",
                "LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN a * a + 1; -- ; \nEND $$",
                f"LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT a * a + 1; "
                f"SELECT coalesce(max({table.key}), 0) * 0 + a * a + 1 FROM {table.name}; END",
            )
        )
        self.say(f"CREATE FUNCTION {name}(a int{self.maybe(' DEFAULT 4')}) RETURNS int {body}")
        if "ATOMIC" not in body:
            self.functions.append(name)

    def add_index(self) -> None:
        name = self.name()
        if self.indexable and self.coin():
            view, key = self.one(self.indexable)
            self.say(f"CREATE INDEX {name} ON {view} ({key})")
            return
        table = self.one(self.tables)
        key, function = table.key, self.one(self.functions)
        what = self.one(
            (
                f"INDEX {name} ON {table.name} ({key} DESC)",
                f"INDEX {name} ON {table.name} USING hash ({key})",
                f"INDEX {name} ON {table.name} ({function}({key}), {key}) WHERE {key} > 3",
                f"INDEX {name} ON {table.name} ({function}({key})) INCLUDE ({key})",
                f"UNIQUE INDEX {name} ON {table.name} ({key}) NULLS NOT DISTINCT",
            )
        )
        self.say(f"CREATE {what}")

    def add_constraint(self) -> None:
        table = self.one(self.tables)
        key = table.key
        kinds = [
            f"CHECK ({self.one(self.functions)}({key}) IS NOT NULL){self.maybe(' NOT VALID')}",
            f"UNIQUE ({key})",
        ]
        if not table.partitioned:
            kinds += [f"EXCLUDE USING btree ({key} WITH =)"]
            kinds += [f"FOREIGN KEY ({key}) REFERENCES {self.target()} NOT VALID"]
        kinds += [f"FOREIGN KEY ({one}) REFERENCES {self.target()}" for one in table.empty]
        self.say(f"ALTER TABLE {table.name} ADD CONSTRAINT {self.name()} {self.one(kinds)}")

    def add_keys_both_ways(self) -> None:
        found = [item for item in self.tables if item.own and item.unique and item.empty]
        if len(found) > 1:
            for one, other in ((found[0], found[-1]), (found[-1], found[0])):
                key = f"FOREIGN KEY ({one.empty[0]}) REFERENCES {other.name} ({other.key})"
                self.say(f"ALTER TABLE {one.name} ADD CONSTRAINT {self.name()} {key}")

    def add_view(self) -> None:
        (of, key), column = self.one(self.views), self.name()
        kind = self.one(("VIEW", "VIEW", "MATERIALIZED VIEW"))
        name = self.placed(kind)
        function = self.one(self.functions)
        self.say(f"CREATE {kind} {name} AS SELECT {function}({key}::int) AS {column} FROM {of}")
        self.views.append((name, column))
        if kind != "VIEW":
            self.indexable.append((name, column))

    def add_trigger(self) -> None:
        function, table = self.placed("FUNCTION"), self.one(self.tables)
        body = "BEGIN RETURN new; END"
        self.say(f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS '{body}'")
        when = self.one(("AFTER INSERT", "AFTER UPDATE OR DELETE", "BEFORE UPDATE"))
        how = f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        self.say(f"CREATE TRIGGER {self.name()} {when} ON {table.name} {how}")

    def add_policy(self) -> None:
        table = self.one(self.tables)
        check = f"({self.one(self.functions)}({table.key}) > 0)"
        self.say(f"CREATE POLICY {self.name()} ON {table.name} USING {check}")

    def add_rule(self) -> None:
        table = self.one(self.tables)
        self.say(f"CREATE RULE {self.name()} AS ON DELETE TO {table.name} DO ALSO SELECT 1")

    def add_statistics(self) -> None:
        table = self.one(self.tables)
        name = f"{self.one(self.schemas)}.{self.name()}"
        function = self.one(self.functions)
        self.say(f"CREATE STATISTICS {name} ON {function}({table.key}) FROM {table.name}")

    def add_sequence(self) -> None:
        name = self.placed("SEQUENCE")
        self.say(f"CREATE SEQUENCE {name} START 5")
        table, column = self.one(self.tables), self.name()
        if self.coin():
            default = name.replace("'", "''")
            self.say(f"ALTER TABLE {table.name} ADD {column} int DEFAULT nextval('{default}')")
            if self.coin():
                self.say(f"ALTER SEQUENCE {name} OWNED BY NONE")

    def add_comment(self) -> None:
        if self.made:
            kind, name = self.one(self.made)
            self.say(f"COMMENT ON {kind} {name} IS 'été; ''quoted'' 100 %'")

    def add_grant(self) -> None:
        if self.made:
            kind, name = self.one(self.made)
            what = {"VIEW": "TABLE", "MATERIALIZED VIEW": "TABLE"}.get(kind, kind)
            self.say(f"GRANT ALL ON {what} {name} TO pg_monitor{self.maybe(' WITH GRANT OPTION')}")

    def add_rows(self) -> None:
        # A row of an heir takes a number of the older table's sequence.
        found = [x for x in self.tables if x.own and not x.partitioned and not x.heir]
        if found:
            table = self.one(found)
            self._number += 1
            self.say(f"INSERT INTO {table.name} ({table.key}) VALUES ({self._number + 1000})")


ACTS = [name for name in vars(Author) if name.startswith("add_")]


@st.composite
def releases(draw: st.DrawFn) -> list[str]:
    """Return the statements of a release, in order."""
    author = Author(draw)
    # What much else is built on comes more often.
    acts = st.sampled_from(["add_table", "add_column", *ACTS])
    for act in draw(st.lists(acts, min_size=1, max_size=16)):
        getattr(author, act)()
    return author.lines
