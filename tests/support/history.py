"""Generate a long history of migrations with the habits of real ones, the same each time."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from runbook_lib.postgres import process, tools
from runbook_lib.postgres.connection import Database

FILES, STATEMENTS = 500, 10  # of each file, about


def write_history(directory: Path) -> dict[Path, bool]:
    """Write the files and return them in order, each with whether psql may run it with ``-1``."""
    written: dict[Path, bool] = {}
    for number, (text, single) in enumerate(_files(), start=1):
        # Numbers that sort wrongly as text; spaces; a directory that ends in .sql.
        name = f"V{number}_step" if number % 7 else f"V{number}_a step with spaces.sql"
        path = directory / f"{name.removesuffix('.sql')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        written[path] = single
    return written


def run_files(target: Database, files: Mapping[Path, bool]) -> None:
    """Run each file in a session of its own, as a person does with psql; start psql once."""
    argv = [str(tools.find_program("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    argv += ["-d", target.conninfo()]
    for path, single in files.items():
        words = ["-f", str(path)]
        argv += ["-c", "\\connect", *(["-c", "BEGIN", *words, "-c", "COMMIT"] if single else words)]
    process.run(argv, timeout=300)


def _files() -> Iterator[tuple[bytes, bool]]:
    chance = random.Random(20)
    tables: list[str] = []
    for number in range(1, FILES + 1):
        kind = number % 25
        lines, single = _special(kind, number, tables), kind not in _NO_SINGLE
        if kind == 13:
            yield b"-- nothing to do here; only a note, with ; and 100 %\n", True
            continue
        while len(lines) < STATEMENTS + 1:
            lines.append(_ordinary(chance, number, len(lines), tables))
        text = ";\n".join(lines) + ("" if kind == 3 else ";\n")
        if kind == 4:
            text = text.replace("\n", "\r\n")
        data = text.encode()
        yield (b"\xef\xbb\xbf" + data if kind == 5 else data), single


_NO_SINGLE = {1, 6, 7, 20}  # own transactions, concurrent builds, COMMIT in a block


def _ordinary(chance: random.Random, number: int, place: int, tables: list[str]) -> str:
    # The tables of a file that sets search_path would be in its schema.
    if len(tables) < 3 or (chance.random() < 0.25 and number % 25 != 10):
        name = f"t_{number}_{place}"
        tables.append(name)
        parent = chance.choice(tables[:-1]) if len(tables) > 1 else ""
        key = f", parent int REFERENCES {parent} -- 50 % of them; more later\n" if parent else ""
        return f'CREATE TABLE {name} (id int PRIMARY KEY, "mixedCase" text{key})'
    table = chance.choice(tables)
    return chance.choice(
        [
            f"ALTER TABLE {table} ADD COLUMN c_{number}_{place} text DEFAULT 'a;b'",
            f'CREATE INDEX IF NOT EXISTS i_{number}_{place} ON {table} ("mixedCase")',
            f"COMMENT ON TABLE {table} IS 'été; ''quoted'' 100 % -- no comment'",
            f"INSERT INTO {table} (id) VALUES ({number * 100 + place}) ON CONFLICT DO NOTHING",
            f'/* before /* nested; */ it */ UPDATE {table} SET "mixedCase" = $q$a;b%s$q$',
            f"ALTER TABLE {table} ADD CONSTRAINT k_{number}_{place} CHECK (id > 0) NOT VALID",
            f"CREATE VIEW v_{number}_{place} AS SELECT id, 'x' || E'\\';' AS x FROM {table}",
            f"CREATE FUNCTION f_{number}_{place}() RETURNS int LANGUAGE sql\n"
            f"AS $$ SELECT count(*)::int FROM {table}; SELECT 1 $$",
            f"DO $do$ BEGIN IF true THEN PERFORM count(*) FROM {table}; END IF; END $do$",
        ]
    )


def _special(kind: int, number: int, tables: list[str]) -> list[str]:
    """Return what a file of this kind begins with."""
    if not tables:
        return []
    table, late = tables[0], tables[-1]
    long = f"n{number}_is_longer_than_sixty_three_bytes_and_postgresql_cuts_it_without_an_error"
    return {
        1: ["BEGIN", f"ALTER TABLE {table} ADD own_{number} int", "COMMIT"],
        2: [
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            f"ALTER TABLE {late} ADD s_{number} int",
        ],
        6: [f"CREATE INDEX CONCURRENTLY IF NOT EXISTS cic_{number} ON {table} (id)"],
        7: [f"DO $$ BEGIN UPDATE {table} SET id = id; COMMIT; END $$"],
        8: [f"LOCK TABLE {table} IN SHARE MODE"],
        9: ["SET lock_timeout = '9s'", "SET timezone = 'Asia/Tokyo'"],
        10: [
            f"CREATE SCHEMA s_{number}",
            f"SET search_path = s_{number}, public",
            "CREATE TABLE inside (id int PRIMARY KEY, at timestamptz DEFAULT '2020-01-01')",
            "CREATE INDEX inside_at ON inside (at)",
        ],
        11: [
            f"CREATE TYPE e_{number} AS ENUM ('a', 'b')",
            f"CREATE TABLE u_{number} (e e_{number})",
        ],
        12: [f"ALTER TYPE e_{number - 1} ADD VALUE 'c'"],
        14: [f"INSERT INTO u_{number - 3} VALUES ('c')"],
        15: [
            f"CREATE TABLE p_{number} (at date, id int) PARTITION BY RANGE (at)",
            f"CREATE TABLE p_{number}_2026_11 PARTITION OF p_{number} "
            "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')",
        ],
        16: [
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'history_reader') "
            "THEN CREATE ROLE history_reader; END IF; END $$",
            f"GRANT SELECT ON {table} TO history_reader",
        ],
        17: [f'CREATE TABLE "{long}" (id int)'],
        18: [f"CREATE TABLE gone_{number} (id int)", f"DROP TABLE gone_{number}"],
        19: [
            f"CREATE TABLE old_{number} (id int)",
            f"ALTER TABLE old_{number} RENAME TO new_{number}",
        ],
        20: [
            f"START TRANSACTION; CREATE TABLE x_{number} (id int); ROLLBACK",
            f"CREATE TABLE x_{number} (id int)",
        ],
        21: [f"ALTER TABLE new_{number - 2} SET SCHEMA s_{number - 11}"],
        22: [f"INSERT INTO s_{number - 12}.new_{number - 3} VALUES (1)"],
        23: [
            "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $body$\n"
            "BEGIN\n  NEW.id := NEW.id; RETURN NEW; -- a ; here\nEND\n$body$",
            f"CREATE TRIGGER stamp_{number} BEFORE INSERT ON {late} "
            "FOR EACH ROW EXECUTE FUNCTION stamp()",
        ],
    }.get(kind, [])
