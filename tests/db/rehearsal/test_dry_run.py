"""Before any backup a plan is tried on the target's schema without rows: all errors in one go."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib import apply_step, review_release
from runbook_lib.errors import StatementError, ToolError
from runbook_lib.findings import DRY_RUN, Finding, Severity
from runbook_lib.postgres import tools
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.rehearsal import world
from tests.support.defects import Project, project
from tests.support.memory import MakeDirectory
from tests.support.releases import write_release
from tests.support.snapshots import state

DEFECTS = tomllib.loads((Path(__file__).parents[2] / "data" / "dry_run.toml").read_text())
SHOP = """CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE person (id int PRIMARY KEY, name text, mood mood, age int);
CREATE TABLE visit (id int PRIMARY KEY, person int REFERENCES person, note text);
CREATE FUNCTION first_person() RETURNS int LANGUAGE plpgsql AS $$ DECLARE found int;
    BEGIN SELECT id INTO STRICT found FROM person LIMIT 1; RETURN found; END $$;
INSERT INTO person VALUES (7, 'seven', 'calm', 70); INSERT INTO visit VALUES (1, 7, 'x');
SELECT lo_from_bytea(4711, 'a scan'); CREATE MATERIALIZED VIEW top AS SELECT id FROM person;
CREATE UNIQUE INDEX ON top (id)"""
CLEAN = {
    "0001_more": "ALTER TABLE person ADD COLUMN more text; CREATE TABLE fine (id int PRIMARY KEY)",
    "0002_defect": "CREATE VIEW names AS SELECT name FROM person",
    "0003_rest": "ALTER TABLE fine ADD COLUMN person int REFERENCES person",
}
IMPATIENT = "[test.policy.locks]\ntimeout = 0.2\ntries = 1\npause = 0\n"
RENAMED = "ALTER TABLE made RENAME TO fresh"


@pytest.fixture
def shop(
    database: dict[str, str], connection: Connection, tmp_path: Path, shared_root: Path
) -> Iterator[Project]:
    connection.execute(SHOP)
    with project(tmp_path, database, shared_root) as made:
        yield made


def reviewed(shop: Project, files: dict[str, str]) -> tuple[Finding, ...]:
    return shop.reviewed(write_release(shop.root / "release", files))


def errors(found: tuple[Finding, ...]) -> dict[str, str]:
    """Return the SQLSTATE of what is an error by itself, by file."""
    own = (item for item in found if item.severity is Severity.ERROR and not item.follows)
    return {item.path: item.sqlstate for item in own}


def planted(name: str) -> dict[str, str]:
    defect = DEFECTS[name]
    files = {**CLEAN, "0002_defect": f"{CLEAN['0002_defect']};\n{defect['sql']}"}
    return files | ({"0004_later": defect["then"]} if "then" in defect else {})


def test_a_clean_release_is_clean_and_the_target_left_alone(
    shop: Project, connection: Connection
) -> None:
    before = state(connection)
    assert errors(reviewed(shop, CLEAN)) == {}
    assert state(connection) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_named_before_any_backup(shop: Project, name: str) -> None:
    found = reviewed(shop, planted(name))
    place = "release/0002_defect/migration.sql"
    if DEFECTS[name].get("reordered"):
        assert errors(found) == {}
    elif DEFECTS[name].get("warns"):
        (warned,) = (item for item in found if item.phase == DRY_RUN)
        assert (warned.path, warned.sqlstate) == (place, DEFECTS[name]["says"])
    else:
        assert errors(found) == {place: DEFECTS[name]["says"]}


def test_several_defects_are_named_in_one_go(shop: Project) -> None:
    names = (
        "misspelt-column",
        "type-clash",
        "key-to-what-is-not-unique",
        "function-that-is-not-there",
    )
    files = {
        f"{place:04}_{name}": f"CREATE VIEW v{place} AS SELECT 1 AS one; {DEFECTS[name]['sql']}"
        for place, name in enumerate(names, 1)
    }
    found = reviewed(shop, files)
    assert [x.sqlstate for x in found if x.phase == DRY_RUN and not x.follows] == [
        "42703",
        "42804",
        "42830",
        "42883",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO visit VALUES (2, 7, 'of an older row')",
        "SELECT first_person()",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM person) THEN RAISE 'nobody'; END IF; END $$",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY top",
        "CREATE TABLE highest AS SELECT max(id) FROM top",
        "SELECT lo_put(4711, 0, 'b')",
    ],
    ids=["foreign key", "no row", "raised", "refresh", "not filled", "large object"],
)
@pytest.mark.one_of_each()
def test_what_rows_alone_decide_is_left_to_the_rehearsal(shop: Project, sql: str) -> None:
    found = reviewed(shop, {"0001_rows": f"{sql};\nALTER TABLE person ADD COLUMN a int"})
    (open_yet,) = (item for item in found if item.phase == DRY_RUN)
    assert (open_yet.severity, open_yet.line) == (Severity.WARNING, 1)


@pytest.mark.slow
def test_what_the_rehearsal_decided_is_open_no_more(shop: Project) -> None:
    release = write_release(shop.root / "release", {"0001_rows": "SELECT first_person()"})
    verdict = shop.review(release)
    assert verdict["verdict"] == "passed"
    assert [item for item in verdict["findings"] if item["phase"] == DRY_RUN] == []


@pytest.mark.slow
def test_what_is_applied_is_not_tried_again(shop: Project) -> None:
    files = {"0001_first": "CREATE TABLE first (id int)", "0002_later": "DROP TABLE first"}
    release = write_release(shop.root / "release", files)
    shop.review(release)
    apply_step(shop.run(release, "migrate"))
    run = shop.run(release, "prechecks")
    review_release(run)
    assert [x for x in run.reviewed() or () if x.phase == DRY_RUN] == []


@pytest.mark.slow
def test_what_is_committed_in_part_is_left_to_the_rehearsal(
    shop: Project, connection: Connection
) -> None:
    settings = shop.root / "environments.toml"
    settings.write_text(f"{settings.read_text()}{IMPATIENT}")
    sql = "BEGIN; CREATE TABLE made (id int); COMMIT; ALTER TABLE person ADD COLUMN more text"
    release = write_release(shop.root / "release", {"0001_parts": sql})
    shop.review(release)
    with connection.transaction():
        connection.execute("LOCK TABLE person IN SHARE MODE")
        with pytest.raises(StatementError, match="lock timeout"):
            apply_step(shop.run(release, "migrate"))
    run = shop.run(release, "prechecks")
    review_release(run)
    (said,) = (x for x in run.reviewed() or () if x.phase == DRY_RUN)
    assert (said.severity, "committed in part" in said.cause) == (Severity.WARNING, True)


def test_what_keeps_a_file_from_being_split_is_named_and_the_rest_of_it_tried(
    shop: Project,
) -> None:
    begun = "BEGIN; CREATE INDEX CONCURRENTLY a ON person (name);\nVACUUM person;\nCOMMIT"
    files = {
        "0001_refused": f"CREATE TABLE made (id int PRIMARY KEY);\n{begun};\nDROP TABLE nowhere",
        "0002_uses_it": "ALTER TABLE made ADD COLUMN a int; DROP INDEX a",
    }
    found = [x for x in reviewed(shop, files) if x.severity is Severity.ERROR]
    assert [(item.line, item.sqlstate, item.follows) for item in found] == [
        (2, "25001", ""),
        (3, "25001", ""),
        (5, "42P01", ""),
        (1, "42704", "release/0001_refused/migration.sql:2"),
    ]


@pytest.fixture
def plain(
    database: dict[str, str], connection: Connection, tmp_path: Path, shared_root: Path
) -> Iterator[Project]:
    """Make a project that migrates as a role which owns nothing and may read the tables."""
    role = f"mover_{database['dbname']}"
    connection.execute(f"{SHOP}; CREATE ROLE {role} LOGIN; CREATE SCHEMA closed")
    connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    connection.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    with project(tmp_path, {**database, "user": role}, shared_root) as made:
        yield made
    connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_right_that_the_role_does_not_have_is_named(plain: Project) -> None:
    found = reviewed(plain, {"0001_a": "CREATE TABLE closed.mine (id int)"})
    assert errors(found) == {"release/0001_a/migration.sql": "42501"}


def test_where_it_cannot_be_tried_that_is_said_and_blocks_nobody(
    plain: Project, connection: Connection
) -> None:
    connection.execute("CREATE TABLE closed.secret (id int)")
    found = reviewed(plain, {"0001_a": "CREATE TABLE mine (id int)"})
    (said,) = (item for item in found if item.phase == DRY_RUN)
    assert (said.severity, "permission denied" in said.cause) == (Severity.WARNING, True)


@pytest.mark.slow
def test_what_the_targets_server_alone_has_is_unproven(
    in_memory: MakeDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        older = tools.server_installation(15)
    except ToolError:
        pytest.skip("no PostgreSQL 15 is here")
    have = "SELECT count(*) FROM pg_available_extensions WHERE name = 'uuid-ossp'"
    sql = (
        'CREATE EXTENSION "uuid-ossp";\nCREATE TABLE a (id uuid DEFAULT uuid_generate_v4());\n'
        'CREATE TABLE b (c text COLLATE "de-x-icu");\nCREATE EXTENSION no_such_extension'
    )
    wheel = tools.server_installation()
    monkeypatch.setattr(world, "installation_for", lambda *_: wheel)
    monkeypatch.setenv(tools.BINDIR_VARIABLE, str(older.bindir))
    with Sandbox(in_memory("debian")) as server:
        with Database(server.conninfo()).connect() as connection:
            if not connection.value(have):
                pytest.skip("this server has no uuid-ossp")
        monkeypatch.delenv(tools.BINDIR_VARIABLE)
        with project(tmp_path, server.conninfo()) as shop:
            found = reviewed(shop, {"0001_a": sql})
    said = [(x.line, x.sqlstate, x.severity) for x in found if x.phase == DRY_RUN]
    assert said == [
        (4, "0A000", Severity.ERROR),
        (1, "0A000", Severity.WARNING),
        (2, "42883", Severity.WARNING),
        (3, "42704", Severity.WARNING),
    ]


def test_a_table_that_a_block_makes_is_not_missing(shop: Project) -> None:
    made = "DO $$ BEGIN EXECUTE 'CREATE TABLE ' || 'made' || ' (id int)'; END $$"
    files = {"0001_use": "ALTER TABLE fresh ADD COLUMN a int", "0000_make": f"{made};\n{RENAMED}"}
    assert errors(reviewed(shop, files)) == {}
