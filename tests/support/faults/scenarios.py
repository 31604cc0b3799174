"""The releases that are disturbed: small, and each leaves rows that would show a second time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.parser.statement import Split

# What the application has before. Nothing in `log` is unique: what is applied twice shows.
# gate() waits for whoever holds its key, and so holds an index build where a test wants it.
TODAY = """
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, total int NOT NULL);
CREATE TABLE log (what text NOT NULL);
INSERT INTO users SELECT i, 'u' || i || '@example.org' FROM generate_series(1, 50) AS i;
INSERT INTO orders SELECT i, 1 + i % 50, i FROM generate_series(1, 200) AS i;
CREATE FUNCTION gate(key int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM pg_advisory_lock(CASE WHEN key < 0 THEN 1002 ELSE 1001 END);
    PERFORM pg_advisory_unlock(CASE WHEN key < 0 THEN 1002 ELSE 1001 END);
    RETURN key;
END $$;
"""
STEP, AFTER = "0001_it", "0002_after"
_AFTER = "CREATE TABLE done (c int);\nINSERT INTO log VALUES ('the file after');\n"


# What is said of the first file.
APPLIED, NOTHING = f"{STEP} is applied", f"no part of {STEP} is applied"


def some(committed: int, of: int, line: int = 0) -> str:
    """Return what is said of a file that is partly applied."""
    at = f"; it was stopped at line {line}" if line else ""
    return f"{committed} of {of} transactions of {STEP} are committed{at}"


@dataclass(frozen=True)
class Scenario:
    """Hold one release of two files; the first is the one that is disturbed."""

    sql: str
    split: Split = field(default_factory=Split)

    @property
    def files(self) -> Mapping[str, str]:
        return {STEP: self.sql, AFTER: _AFTER}


WHOLE = Scenario(
    """ALTER TABLE orders ADD COLUMN note text;
INSERT INTO log VALUES ('one');
UPDATE orders SET total = total + 1;
INSERT INTO log VALUES ('two');
"""
)
# Three transactions: lines 1-4, 5, 6-9.
PARTS = Scenario(
    """BEGIN;
ALTER TABLE orders ADD COLUMN note text;
INSERT INTO log VALUES ('part one');
COMMIT;
INSERT INTO log VALUES ('between');
BEGIN;
UPDATE orders SET total = total + 1;
INSERT INTO log VALUES ('part two');
COMMIT;
"""
)
BUILD = Scenario(
    """INSERT INTO log VALUES ('before');
CREATE INDEX CONCURRENTLY orders_user ON orders (user_id);
UPDATE orders SET total = total + 1;
INSERT INTO log VALUES ('behind');
"""
)
# The builds of lines 2 and 3 go out of the transaction: three transactions.
TAKEN_APART = Scenario(
    """ALTER TABLE orders ADD COLUMN note text;
CREATE INDEX orders_user ON orders (user_id);
CREATE UNIQUE INDEX users_email ON users (email);
INSERT INTO log VALUES ('behind');
""",
    Split(concurrent=(2, 3)),
)
# The key of line 2 is added and validated apart: three transactions.
KEYS = Scenario(
    """INSERT INTO log VALUES ('before');
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
""",
    Split(apart=(2,)),
)
GATED = Scenario(
    """INSERT INTO log VALUES ('before');
CREATE INDEX CONCURRENTLY orders_gate ON orders (gate(user_id));
INSERT INTO log VALUES ('behind');
"""
)
UNIQUE = Scenario(
    """INSERT INTO log VALUES ('before');
CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);
INSERT INTO log VALUES ('behind');
"""
)
GUARDED = Scenario(UNIQUE.sql.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"))
