"""Rows written after the backup are counted, and carried into the restored database by key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.errors import StatementError
from runbook_lib.evidence.records import Backup
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.rollback import carry_forward
from runbook_lib.rollback.carry_forward import (
    DELETED,
    OTHER_VALUES,
    Carried,
    Undecided,
    carry,
    compare,
)
from runbook_lib.rollback.restore import Restorer
from tests.support.senders import unheard
from tests.support.snapshots import POLICY, back_up, identified

SHOP = """
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE "Users" (id serial PRIMARY KEY, "full Name" text, mood mood, seen float8, doc json,
    twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id int NOT NULL REFERENCES "Users");
CREATE TABLE lines (order_id int REFERENCES orders, place int, what text,
    PRIMARY KEY (order_id, place));
CREATE TABLE untouched (id int PRIMARY KEY); INSERT INTO untouched VALUES (1);
CREATE TABLE keyless (a int);
INSERT INTO "Users" ("full Name", mood, seen, doc)
    SELECT 'u' || n, 'calm', 0.1, '{}' FROM generate_series(1, 5) n;
INSERT INTO orders (user_id) SELECT n FROM generate_series(1, 5) n;
"""
RELEASE = "ALTER TABLE \"Users\" ADD tag text DEFAULT 'x'; CREATE TABLE teams (id int PRIMARY KEY)"
WRITTEN = """
INSERT INTO "Users" ("full Name", mood, seen, doc)
    VALUES ('tab\there \\ é', 'cross', 1e-300, '{"a": 1.0}');
INSERT INTO orders (user_id) VALUES (6), (6);
INSERT INTO lines VALUES (6, 1, 'x'), (7, 1, NULL);
UPDATE "Users" SET "full Name" = 'changed' WHERE id = 2;
DELETE FROM orders WHERE id = 3;
INSERT INTO keyless VALUES (1);
INSERT INTO teams VALUES (1);
"""


@pytest.fixture
def backup(target: Database, connection: Connection, tmp_path: Path) -> Backup:
    connection.execute(SHOP)
    made = back_up(target, tmp_path / "backups")
    connection.execute(RELEASE)
    return made


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Collect the databases to drop at the end."""
    names: list[str] = []
    yield names
    target: Database = request.getfixturevalue("target")
    for name in names:
        target.drop(name)


def restored(target: Database, backup: Backup, kept: list[str]) -> str:
    done = Restorer(target, identified(target).major, backup, POLICY, unheard()).beside()
    kept.append(done.kept_as)
    return done.kept_as


def test_what_was_written_since_is_counted_and_nothing_changed(
    target: Database, connection: Connection, backup: Backup, kept: list[str]
) -> None:
    connection.execute(WRITTEN)
    name = restored(target, backup, kept)
    assert compare(target, name, backup) == (
        Carried("public.Users", missing=1, differ=1),
        Carried("public.keyless", why="no primary key tells which rows are missing"),
        Carried("public.lines", missing=2),
        Carried("public.orders", missing=2, gone=1),
    )
    with target.connect() as session:
        assert snapshot.count_rows(session) == dict(backup.rows)


def test_rows_for_a_person_to_decide_are_named_by_their_keys_up_to_a_bound(
    target: Database,
    connection: Connection,
    backup: Backup,
    kept: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.execute("INSERT INTO lines SELECT 1, n FROM generate_series(1, 5) n")
    later = back_up(target, backup.path.parent)
    connection.execute("UPDATE lines SET what = 'x' WHERE place IN (2, 3)")
    connection.execute("DELETE FROM lines WHERE place > 3; DELETE FROM orders WHERE id = 3")
    monkeypatch.setattr(carry_forward, "MOST_KEYS", 1)
    lines, orders = compare(target, restored(target, later, kept), later)
    assert (lines.differ, lines.gone, orders.gone) == (2, 2, 1)
    assert (*lines.undecided, *orders.undecided) == (
        Undecided("public.lines", "order_id=1, place=2", OTHER_VALUES),
        Undecided("public.lines", "order_id=1, place=4", DELETED),
        Undecided("public.orders", "id=3", DELETED),
    )


def test_missing_rows_are_carried_with_their_values_and_the_sequences_go_on(
    target: Database, connection: Connection, backup: Backup, kept: list[str]
) -> None:
    connection.execute(WRITTEN)
    rows = """SELECT id, "full Name", mood, seen, doc::text, twice FROM "Users" WHERE id > 5"""
    wanted = connection.rows(rows), connection.rows("SELECT * FROM lines ORDER BY 1")
    carry(target, restored(target, backup, kept), backup, unheard())
    with target.connect() as session:
        assert (session.rows(rows), session.rows("SELECT * FROM lines ORDER BY 1")) == wanted
        assert session.value('SELECT "full Name" FROM "Users" WHERE id = 2') == "u2"
        assert session.value("SELECT count(*) FROM orders") == 7
        assert session.value("INSERT INTO orders (user_id) VALUES (1) RETURNING id") == 8
        assert session.value('INSERT INTO "Users" DEFAULT VALUES RETURNING id') == 7
    again = {item.table: item.missing for item in compare(target, kept[0], backup)}
    assert set(again.values()) == {0}


def test_a_table_that_the_release_only_widened_is_not_read_again(
    target: Database, connection: Connection, backup: Backup, kept: list[str]
) -> None:
    assert compare(target, restored(target, backup, kept), backup) == ()


def test_rows_are_not_carried_past_a_trigger(
    target: Database, connection: Connection, tmp_path: Path, kept: list[str]
) -> None:
    connection.execute(
        f"{SHOP}; CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO keyless VALUES (9); RETURN new; END';"
        "CREATE TRIGGER t AFTER INSERT ON untouched FOR EACH ROW EXECUTE FUNCTION t()"
    )
    backup = back_up(target, tmp_path / "backups")
    connection.execute("INSERT INTO untouched VALUES (2)")
    name = restored(target, backup, kept)
    found = {item.table: item for item in carry(target, name, backup, unheard())}
    assert found["public.untouched"].why == "a trigger of the table would fire"
    with target.connect() as session:
        assert session.value("SELECT count(*) FROM untouched") == 1


@pytest.mark.parametrize(
    ("release", "written"),
    [
        ("ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey", "(99)"),
        ("ALTER TABLE orders ALTER user_id DROP NOT NULL", "(NULL)"),
    ],
)
def test_a_row_that_does_not_fit_stops_it_and_nothing_is_carried(
    target: Database,
    connection: Connection,
    backup: Backup,
    kept: list[str],
    release: str,
    written: str,
) -> None:
    connection.execute(f"{release}; {WRITTEN}; INSERT INTO orders (user_id) VALUES {written}")
    name = restored(target, backup, kept)
    with pytest.raises(StatementError, match=r"Rows of public\.\w+ cannot be carried"):
        carry(target, name, backup, unheard())
    with target.connect() as session:
        assert snapshot.count_rows(session) == dict(backup.rows)


def test_a_column_that_the_release_dropped_gets_its_default(
    target: Database, connection: Connection, backup: Backup, kept: list[str]
) -> None:
    connection.execute('ALTER TABLE "Users" DROP seen; DROP TABLE untouched')
    connection.execute("""INSERT INTO "Users" ("full Name") VALUES ('late')""")
    name = restored(target, backup, kept)
    found = {item.table: item for item in carry(target, name, backup, unheard())}
    assert found["public.Users"].missing == 1
    assert "dropped the table" in found["public.untouched"].why
    with target.connect() as session:
        assert session.rows('SELECT "full Name", seen FROM "Users" WHERE id = 6') == [
            {"full Name": "late", "seen": None}
        ]


@pytest.mark.parametrize(
    ("release", "written", "table", "missing", "why"),
    [
        (
            "ALTER TYPE mood ADD VALUE 'new'",
            """INSERT INTO "Users" (mood) VALUES ('new'), ('calm')""",
            "public.Users",
            2,
            "a value does not fit",
        ),
        (
            "ALTER TABLE orders ALTER user_id TYPE bigint",
            "INSERT INTO orders (user_id) VALUES (5)",
            "public.orders",
            1,
            "",
        ),
        ("", "INSERT INTO child VALUES (9, 1, 'x')", "public.child", 1, ""),
        (
            "ALTER TABLE untouched ALTER id TYPE text",
            "INSERT INTO untouched VALUES ('one')",
            "public.untouched",
            1,
            "a value does not fit",
        ),
    ],
    ids=["another enum", "another type", "a child", "no such value"],
)
def test_what_has_another_type_is_compared_and_carried_where_it_fits(
    target: Database,
    connection: Connection,
    tmp_path: Path,
    kept: list[str],
    release: str,
    written: str,
    table: str,
    missing: int,
    why: str,
) -> None:
    connection.execute(
        f"{SHOP}; CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);"
        "CREATE TABLE child (n int, t text, PRIMARY KEY (id)) INHERITS (parent);"
        "INSERT INTO child VALUES (2, 1, 'x')"
    )
    backup = back_up(target, tmp_path / "backups")
    for sql in (release, written):
        connection.execute(sql)
    name = restored(target, backup, kept)
    found = {item.table: item for item in carry(target, name, backup, unheard())}
    assert (found[table].missing, found[table].why[: len(why)]) == (missing, why)
    assert not [item.table for item in found.values() if item.why and item.table != table]
    with target.connect() as session:
        counts = snapshot.count_rows(session)
    assert counts == {**backup.rows, table: backup.rows[table] + (0 if why else missing)}


def test_a_large_object_that_a_row_names_is_carried_with_it(
    target: Database, connection: Connection, tmp_path: Path, kept: list[str]
) -> None:
    connection.execute("CREATE TABLE papers (id int PRIMARY KEY, doc oid)")
    backup = back_up(target, tmp_path / "backups")
    connection.execute("INSERT INTO papers SELECT 1, lo_from_bytea(0, 'ten bytes.')")
    name = restored(target, backup, kept)
    assert carry(target, name, backup, unheard()) == (
        Carried("public.papers", missing=1),
        Carried("large objects", missing=1),
    )
    with target.connect() as session:
        assert session.value("SELECT lo_get(doc) FROM papers") == b"ten bytes."
