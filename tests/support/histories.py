"""Generate six long histories of migrations, each of its own character, the same each time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.releases import write_release


@dataclass(frozen=True)
class History:
    """Hold what a history is of: so many ``files``, written one by one by ``write``."""

    files: int
    write: Callable[[int], str]

    def write_to(self, directory: Path) -> dict[Path, bool]:
        """Write the files and return them in order, each with whether ``psql -1`` takes it."""
        named = {f"{2020_0000 + n}_step": self.write(n) for n in range(1, self.files + 1)}
        write_release(directory, named)
        return {
            directory / name / "migration.sql": not ("CONCURRENTLY" in sql or "BEGIN;" in sql)
            for name, sql in named.items()
        }


def _shop(n: int) -> str:
    """Write a shop that finds its words late: tables, columns and enum values are renamed."""
    made, kind = (n - 1) // 10 * 10 + 1, n % 10
    return [
        f"ALTER TABLE goods_{made} RENAME COLUMN label TO title;\n"
        f"CREATE OR REPLACE VIEW shelf_{made} AS SELECT id, title, price FROM goods_{made};",
        f"CREATE TYPE state_{n} AS ENUM ('new', 'paid');\n"
        f"CREATE TABLE item_{n} (id serial PRIMARY KEY, name text NOT NULL, "
        f"price numeric(8,2), state state_{n} NOT NULL DEFAULT 'new');",
        f"ALTER TYPE state_{made} ADD VALUE 'sent';\nCREATE INDEX item_{made}_name ON item_{made} "
        "(name);",
        f"INSERT INTO item_{made} (name, price, state) SELECT 'item ' || i, i, 'sent' "
        "FROM generate_series(1, 20) i;",
        f"ALTER TABLE item_{made} RENAME TO goods_{made};\n"
        f"ALTER TABLE goods_{made} RENAME COLUMN name TO label;",
        f'CREATE TABLE "Cart_{made}" (id int PRIMARY KEY, "goodsId" int REFERENCES goods_{made} '
        f'ON DELETE CASCADE);\nCREATE INDEX ON "Cart_{made}" ("goodsId");',
        f"CREATE TABLE draft_{made} (id int);\nINSERT INTO draft_{made} VALUES (1), (2);\n"
        f"UPDATE goods_{made} SET price = price * 1.1 WHERE state = 'sent';",
        f"DROP TABLE draft_{made};\nDELETE FROM goods_{made} WHERE state = 'paid';",
        f"CREATE VIEW shelf_{made} AS SELECT id, label, price FROM goods_{made};",
        f"DROP VIEW shelf_{made};\n"
        f"ALTER TABLE goods_{made} ALTER COLUMN price TYPE numeric(12,2);\n"
        f"CREATE VIEW shelf_{made} AS SELECT id, label AS title, price FROM goods_{made};",
    ][kind]


def _bank(n: int) -> str:
    """Write a bank's books: types grow, rules are added NOT VALID and proven, triggers change."""
    made, kind = (n - 1) // 8 * 8 + 1, n % 8
    book, text = f"book_{made}", f"text_{made}"
    return [
        f"DROP TRIGGER stamp ON {book};\nDROP FUNCTION stamp_{made}();\n"
        f"COMMENT ON TABLE {book} IS 'closed; 100 % done';",
        f"CREATE DOMAIN {text} AS text CHECK (VALUE <> '');\n"
        f"CREATE TABLE {book} (id int PRIMARY KEY, amount int NOT NULL, memo {text}, "
        "at timestamp);",
        f"INSERT INTO {book} SELECT i, i * 100, 'row ' || i, '2024-01-01' "
        f"FROM generate_series(1, 30) i;\nALTER TABLE {book} ALTER COLUMN id TYPE bigint;",
        f"ALTER TABLE {book} ADD CONSTRAINT positive CHECK (amount >= 0) NOT VALID;\n"
        f"ALTER TABLE {book} VALIDATE CONSTRAINT positive;",
        f"CREATE FUNCTION stamp_{made}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
        f"  NEW.at := '2024-02-02'; RETURN NEW;\nEND $$;\nCREATE TRIGGER stamp BEFORE UPDATE ON "
        f"{book} FOR EACH ROW EXECUTE FUNCTION stamp_{made}();",
        f"ALTER TABLE {book} ALTER COLUMN at TYPE timestamptz USING at AT TIME ZONE 'UTC';\n"
        f"UPDATE {book} SET memo = 'checked' WHERE amount > 1000;",
        f"DO $$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '{book}'"
        f"::regclass AND attname = 'currency') THEN\n    ALTER TABLE {book} ADD COLUMN currency "
        f"char(3) NOT NULL DEFAULT 'EUR';\n  END IF;\nEND $$;",
        f"CREATE OR REPLACE FUNCTION stamp_{made}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
        "  NEW.at := now(); NEW.memo := coalesce(NEW.memo, 'none'); RETURN NEW;\nEND $$;",
    ][kind]


def _metrics(n: int) -> str:
    """Write measurements in partitions by date: made in loops, attached, emptied, dropped."""
    made, kind = (n - 1) // 6 * 6 + 1, n % 6
    name = f"metric_{made}"
    return [
        f"DROP TABLE {name}_2024_01;\nALTER TABLE {name} DETACH PARTITION {name}_2024_02;\n"
        f"DROP TABLE {name}_2024_02;",
        f"CREATE TABLE {name} (at date NOT NULL, host text, value float8) "
        "PARTITION BY RANGE (at);\n"
        f"CREATE INDEX {name}_at ON {name} (at);",
        "DO $$ DECLARE first date := '2024-01-01';\nBEGIN\n  FOR m IN 0..2 LOOP\n"
        f"    EXECUTE format('CREATE TABLE %I PARTITION OF {name} FOR VALUES FROM (%L) TO (%L)',"
        f"\n      '{name}_' || to_char(first + m * interval '1 month', 'YYYY_MM'),\n"
        "      first + m * interval '1 month', first + (m + 1) * interval '1 month');\n"
        "  END LOOP;\nEND $$;",
        f"INSERT INTO {name} SELECT '2024-01-01'::date + i, 'h' || i % 3, i "
        "FROM generate_series(0, 80) i;\n"
        f"CREATE MATERIALIZED VIEW {name}_daily AS SELECT at, avg(value) FROM {name} GROUP BY at;",
        f"CREATE TABLE {name}_2024_04 (LIKE {name} INCLUDING ALL);\n"
        f"ALTER TABLE {name} ATTACH PARTITION {name}_2024_04 FOR VALUES FROM ('2024-04-01') TO "
        f"('2024-05-01');\nCREATE TABLE {name}_rest PARTITION OF {name} DEFAULT;",
        f"DROP MATERIALIZED VIEW {name}_daily;\nALTER TABLE {name} ADD COLUMN unit text;\n"
        f"CREATE VIEW {name}_hosts AS SELECT DISTINCT host FROM {name};",
    ][kind]


def _forum(n: int) -> str:
    """Write a forum that moves between schemas and puts views, functions and rights on top."""
    made, kind = (n - 1) // 12 * 12 + 1, n % 12
    space, post = f"space_{made}", f"post_{made}"
    return [
        f"DROP SCHEMA {space}_old CASCADE;",
        f"CREATE SCHEMA {space};\nCREATE TABLE {post} (id bigint GENERATED BY DEFAULT AS IDENTITY "
        "PRIMARY KEY, parent bigint, body text, tags text[] DEFAULT '{}');",
        f"ALTER TABLE {post} ADD FOREIGN KEY (parent) REFERENCES {post};\n"
        f"INSERT INTO {post} (body) VALUES ('first; post'), ('it''s 100 %');",
        f"ALTER TABLE {post} SET SCHEMA {space};\nINSERT INTO {space}.{post} (parent, body) "
        "VALUES (1, 'answer');",
        f"SET search_path = {space}, public;\nCREATE VIEW threads AS SELECT id, body FROM {post} "
        "WHERE parent IS NULL;",
        f"CREATE OR REPLACE VIEW {space}.threads AS SELECT id, body, tags FROM {space}.{post} "
        "WHERE parent IS NULL;",
        f"CREATE FUNCTION {space}.answers(bigint) RETURNS bigint STABLE LANGUAGE sql AS $f$\n"
        f"  SELECT count(*) FROM {space}.{post} WHERE parent = $1; $f$;\n"
        f"REVOKE ALL ON FUNCTION {space}.answers FROM PUBLIC;",
        f"BEGIN;\nALTER TABLE {space}.{post} ADD COLUMN votes int NOT NULL DEFAULT 0;\n"
        f"UPDATE {space}.{post} SET votes = id;\nCOMMIT;",
        f"ALTER VIEW {space}.threads RENAME TO topics;\n"
        f"ALTER TABLE {space}.{post} ENABLE ROW LEVEL SECURITY;\n"
        f"CREATE POLICY readable ON {space}.{post} FOR SELECT USING (true);",
        f"CREATE SEQUENCE {space}.rank START 10;\nALTER TABLE {space}.{post} ADD COLUMN rank int "
        f"DEFAULT nextval('{space}.rank');\n"
        f"ALTER SEQUENCE {space}.rank OWNED BY {space}.{post}.rank;",
        f"CREATE UNIQUE INDEX CONCURRENTLY {post}_rank ON {space}.{post} (rank);",
        f"ALTER SCHEMA {space} RENAME TO {space}_old;\nCREATE TABLE {post} (id int);",
    ][kind]


def _tenants(n: int) -> str:
    """Write small steps for ever more tenants: mostly a column, an index, a comment, a row."""
    made, kind = (n - 1) // 16 * 16 + 1, n % 16
    table = f"tenant_{made}"
    column = f"ALTER TABLE {table} ADD COLUMN {{}};"
    return [
        f"ALTER TABLE {table} DROP COLUMN gone;",
        f"CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE);",
        column.format("plan text"),
        f"CREATE INDEX {table}_plan ON {table} (plan);",
        f"INSERT INTO {table} (name, plan) VALUES ('a', 'free'), ('b', 'paid');",
        column.format("settings jsonb NOT NULL DEFAULT '{}'"),
        f'COMMENT ON COLUMN {table}.settings IS \'e.g. {{"theme": "dark"}}; -- see docs\';',
        f"CREATE TABLE {table}_users (tenant uuid REFERENCES {table}, mail varchar(80));",
        f"ALTER TABLE {table}_users ALTER COLUMN mail TYPE varchar(255);",
        f"CREATE UNIQUE INDEX {table}_mail ON {table}_users (lower(mail));",
        f"UPDATE {table} SET plan = 'trial' WHERE plan = 'free';",
        f"ALTER TABLE {table} ALTER COLUMN plan SET DEFAULT 'trial';",
        column.format("gone int"),
        f"DROP INDEX {table}_plan;\nCREATE INDEX {table}_plan_name ON {table} (plan, name);",
        f"ALTER TABLE {table}_users RENAME TO {table}_members;",
        f"CREATE TRIGGER {table}_same BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION "
        "suppress_redundant_updates_trigger();",
    ][kind]


def _clinic(n: int) -> str:
    """Write a clinic in large steps: ten statements a file, most on what was there before."""
    at, before = f"visit_{n}", f"visit_{max(n - 1, 1)}"
    return "\n".join(
        (
            f"CREATE TABLE {at} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient text "
            "NOT NULL, ward int, seen timestamptz NOT NULL DEFAULT now());",
            f"CREATE INDEX {at}_patient ON {at} (patient);",
            f"ALTER TABLE {at} ADD CONSTRAINT ward_known CHECK (ward BETWEEN 1 AND 40);",
            f"COMMENT ON COLUMN {at}.ward IS 'as on the door; -- not the phone''s';",
            f"INSERT INTO {at} (patient, ward) VALUES ('Ada; B.', 3), ('Bo', 7), ('Cy', NULL);",
            f"ALTER TABLE {before} ADD COLUMN note_{n} text;",
            f"UPDATE {before} SET note_{n} = 'none' WHERE ward IS NULL;",
            f"CREATE INDEX {before}_ward_{n} ON {before} (ward, seen);",
            f"CREATE VIEW {at}_open AS SELECT id, patient FROM {at} WHERE ward IS NOT NULL;",
            f"DELETE FROM {before} WHERE patient = 'Bo' AND note_{n} IS NULL;",
        )
    )


HISTORIES = {
    "a shop": History(150, _shop),
    "a clinic": History(150, _clinic),
    "a bank": History(200, _bank),
    "measurements": History(300, _metrics),
    "a forum": History(480, _forum),
    "tenants": History(800, _tenants),
}
