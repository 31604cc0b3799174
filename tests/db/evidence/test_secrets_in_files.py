"""A secret that stands in a migration file is in nothing that is written or shown of its run.

Every file is read, rehearsed, and sent to the target; then all of it is searched.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib import (
    apply_step,
    check_target,
    diagnose_target,
    forecast,
    rehearse,
    review_release,
    roll_back,
    show_findings,
    show_locks,
    show_observations,
    show_ways,
    take_backup,
)
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.run import Run
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.postgres.snapshot import take_snapshot
from tests.support.defects import project
from tests.support.releases import write_release

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("secrets in files")]

BEFORE = """
CREATE TABLE people (email text PRIMARY KEY, age int NOT NULL CHECK (age < 150), name varchar(9));
CREATE TABLE pets (owner text REFERENCES people);
CREATE TABLE stays (who text, EXCLUDE USING btree (who WITH =));
CREATE TABLE parted (who text) PARTITION BY LIST (who);
CREATE TABLE keys (kind text, value text);
INSERT INTO keys VALUES ('row', 'SECRET-of-a-row'), ('twice', 'SECRET-of-a-row');
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
"""
CALL = "CREATE FUNCTION {} RETURNS text LANGUAGE sql AS $x${}$x$;"
# SECRET stands for a value of the way's own.
WAYS = {
    "alter_role": "ALTER ROLE nobody_here PASSWORD 'SECRET';",
    "alter_role_encrypted": "ALTER USER nobody_here WITH ENCRYPTED PASSWORD 'SECRET';",
    "alter_role_escaped": "ALTER ROLE nobody_here PASSWORD E'SECRET\\n';",
    "alter_role_dollars": "ALTER ROLE nobody_here PASSWORD $p$SECRET$p$;",
    "alter_role_unicode": "ALTER ROLE nobody_here PASSWORD U&'SECRET';",
    "alter_role_commented": "ALTER ROLE nobody_here PASSWORD /* new */\n -- one\n 'SECRET';",
    "alter_role_setting": "ALTER ROLE nobody_here SET app.jwt_secret = 'SECRET';",
    "create_role": "CREATE ROLE shop_reader LOGIN PASSWORD 'SECRET' IN ROLE nobody_here;",
    "create_user": "CREATE USER shop_user PASSWORD 'SECRET' IN ROLE nobody_here;",
    "misspelt": "ALTER ROLE postgres PASWORD 'SECRET';",
    "block": "DO $$ BEGIN EXECUTE 'ALTER ROLE nobody_here PASSWORD ''SECRET'''; END $$;",
    "block_format": "DO $$ BEGIN EXECUTE format('ALTER ROLE nobody_here PASSWORD %L', 'SECRET');"
    " END $$;",
    "block_raises": "DO $$ BEGIN RAISE 'no way to postgresql://me:SECRET@db/shop'; END $$;",
    "block_hint": "DO $$ BEGIN RAISE 'no' USING HINT = 'password=SECRET', DETAIL = 'token=SECRET';"
    " END $$;",
    "user_mapping": "CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere\n"
    "OPTIONS (user 'me', password 'SECRET', nothing 'x');",
    "user_mapping_set": "ALTER USER MAPPING FOR CURRENT_USER SERVER elsewhere\n"
    "OPTIONS (SET password 'SECRET');",
    "server": "CREATE SERVER there FOREIGN DATA WRAPPER no_such OPTIONS (password 'SECRET');",
    "subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere dbname=d password=SECRET'\n"
    "PUBLICATION p;",
    "subscription_quoted": "CREATE SUBSCRIPTION s CONNECTION 'password=''SECRET'' host=/nowhere'\n"
    "PUBLICATION p;",
    "subscription_url": "ALTER SUBSCRIPTION s CONNECTION 'postgresql://me:SECRET@nowhere/d';",
    "dblink": "SELECT dblink('host=/nowhere password=SECRET', 'SELECT 1');",
    "dblink_url": "SELECT dblink_connect('postgresql://me:SECRET@nowhere/d');",
    "dblink_query": "SELECT dblink_connect('postgresql://nowhere/d?user=me&password=SECRET');",
    "function": CALL.format("remote()", "SELECT 'host=db password=SECRET'::text"),
    "function_url": CALL.format("remote()", "SELECT 'https://me:SECRET@api.example'::text"),
    "function_fails": CALL.format("broken()", "SELECT no_such('postgresql://me:SECRET@db/d')"),
    "view": "CREATE VIEW links AS SELECT 'redis://:SECRET@cache/0'::text AS link;",
    "default": "ALTER TABLE keys ADD COLUMN link text DEFAULT 'amqp://me:SECRET@queue/';",
    "default_clash": "ALTER TABLE keys ADD COLUMN kind text DEFAULT 'amqp://me:SECRET@queue/';",
    "comment": "COMMENT ON TABLE nowhere IS 'postgresql://me:SECRET@db/d';",
    "set": "SET app.api_token = 'SECRET'; SELECT 1/0;",
    "set_config": "SELECT set_config('app.api_key', 'SECRET', false), 1/0;",
    "alter_database": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET app.jwt_secret = %L',\n"
    "current_database() || 'x', 'SECRET'); END $$;",
    "alter_system": "ALTER SYSTEM SET primary_conninfo = 'host=db password=SECRET', x = 1;",
    "copy": "COPY keys FROM PROGRAM 'curl -u me:SECRET https://nowhere' (FORMAT nonsense);",
    "crypt": "INSERT INTO keys SELECT 'a', crypt('SECRET', gen_salt('bf'));",
    "row_twice": "INSERT INTO people VALUES ('SECRET', 1, ''), ('SECRET', 2, '');",
    "row_null": "INSERT INTO people VALUES ('SECRET', NULL, '');",
    "row_checked": "INSERT INTO people VALUES ('SECRET', 200, '');",
    "row_refers": "INSERT INTO pets VALUES ('SECRET');",
    "row_excluded": "INSERT INTO stays VALUES ('SECRET'), ('SECRET');",
    "row_unparted": "INSERT INTO parted VALUES ('SECRET');",
    "row_no_number": "ALTER TABLE keys ALTER COLUMN value TYPE int USING value::int;",
    "row_no_date": "SELECT value::date FROM keys;",
    "row_no_enum": "CREATE TYPE kinds AS ENUM ('a');\n"
    "ALTER TABLE keys ALTER COLUMN value TYPE kinds USING value::kinds;",
    "row_no_json": "ALTER TABLE keys ALTER COLUMN value TYPE jsonb \n"
    "USING ('{\"a\": ' || value)::jsonb;",
    "row_unique": "CREATE UNIQUE INDEX keys_value ON keys (value);",
}


def secret(way: str) -> str:
    return f"hunter-{list(WAYS).index(way):02d}-of-ours"


def sent(run: Run, way: str) -> Iterator[str]:
    """Send a file to the target as the migration does; yield its error and its ledger rows."""
    applier = Applier(run.database, run.policy, run.journal.emit)
    try:
        applier.migrate(run.release.migration(way))
    except RunbookError as error:
        yield f"{error} {error!r}"
    with run.database.connect() as session:
        yield str(ledger.read(session))
        ledger.resolve_failed(session, Connection.execute)


@pytest.fixture(scope="module")
def written(server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Take all the files through a run; return all that it wrote and showed."""
    root = tmp_path_factory.mktemp("secrets")
    target = Database(server.conninfo("secrets"))
    target.create(target.dbname)
    with target.connect() as session:
        session.execute(BEFORE.replace("SECRET-of-a-row", "hunterofarow"))
    files = {way: sql.replace("SECRET", secret(way)) for way, sql in WAYS.items()}
    release = write_release(root / "release", files)
    try:
        with project(root, dict(target.parameters)) as shop:
            run = shop.run(release, "prechecks")
            shown = [review_release(run), check_target(run), show_locks(run)]
            shown.append(take_backup(shop.run(release, "backup")))
            run = shop.run(release, "rehearsal")
            shown += [rehearse(run), show_findings(run), show_observations(run), forecast(run)]
            said = [text for way in WAYS for text in sent(run, way)]
            said += [f"{table!r} {table._repr_html_()}" for table in shown]
            yield "\n".join([*said, *files_of(root)])
    finally:
        target.drop(target.dbname)


FORMER = """
CREATE ROLE {role};
ALTER ROLE {role} SET app.jwt_secret = 'hunter-before';
CREATE TABLE keys (link text DEFAULT 'amqp://me:hunter-before@queue/');
CREATE VIEW links AS SELECT 'redis://:hunter-before@cache/0'::text AS link;
"""
LATER = """
ALTER ROLE {role} SET app.jwt_secret = 'hunter-now';
ALTER TABLE keys ALTER link SET DEFAULT 'amqp://me:hunter-now@queue/';
CREATE OR REPLACE VIEW links AS SELECT 'redis://:hunter-now@cache/0'::text AS link;
CREATE FUNCTION remote() RETURNS text LANGUAGE sql AS $x$SELECT 'password=hunter-now'::text$x$;
"""


def test_what_a_release_replaces_gets_nowhere_and_comes_back(
    database: dict[str, str], tmp_path: Path
) -> None:
    target, role = Database(database), f"app_{database['dbname']}"
    with target.connect() as session:
        session.execute(FORMER.format(role=role))
        before = take_snapshot(session).fingerprint
    release = write_release(tmp_path / "release", {"0001_keys": LATER.format(role=role)})
    with project(tmp_path, database) as shop:
        run = shop.run(release, "prechecks")
        shown = [review_release(run), check_target(run)]
        shown.append(take_backup(shop.run(release, "backup")))
        shown += [
            rehearse(shop.run(release, "rehearsal")),
            apply_step(replace(run, phase="migrate")),
        ]
        run = shop.run(release, "rollback")
        ways = show_ways(run)
        shown += [diagnose_target(run), roll_back(run, run.target.dbname)]
    said = [f"{ways!r} {ways._repr_html_()}"]
    said += [f"{table!r} {table._repr_html_()}" for table in shown]
    written = "\n".join([*said, *files_of(tmp_path)])
    assert f"ALTER ROLE {role}" in written
    assert "has no way back but a restore" in written  # what would be sent is in no record
    at = written.find("hunter-")
    assert at < 0, written[max(at - 300, 0) : at + 100]
    with target.connect() as session:
        session.execute(f"DROP ROLE {role}")
        assert take_snapshot(session).fingerprint == before


def files_of(root: Path) -> Iterator[str]:
    """Yield every file but the release itself, and what a backup is for."""
    for path in root.rglob("*"):
        part = path.relative_to(root).parts[0]
        kept = part == "release" or (part == "backups" and path.name != "manifest.json")
        if path.is_file() and not kept:
            yield f"{path}\n{path.read_bytes().decode(errors='replace')}"


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_in_a_file_gets_nowhere_else(way: str, written: str) -> None:
    at = written.find(secret(way))
    assert at < 0, written[max(at - 300, 0) : at + 100]


def test_the_values_of_rows_get_nowhere_but_into_the_list_of_what_is_in_the_way(
    written: str,
) -> None:
    left = re.sub(r"Duplicates of \([^()]*\): [^.]*\.", "", written)
    assert left != written
    at = left.find("hunterofarow")
    assert at < 0, left[max(at - 300, 0) : at + 100]


def test_what_was_searched_tells_of_every_file(written: str) -> None:
    assert [way for way in WAYS if written.count(f"{way}/migration.sql") < 2] == []
