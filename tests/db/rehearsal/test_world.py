"""The world of a rehearsal: like the target, and nobody's function runs as a superuser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.evidence.journal import Journal
from runbook_lib.postgres.connection import Database
from runbook_lib.postgres.embedded import Sandbox
from runbook_lib.rehearsal.source import read_session
from tests.support.memory import MakeDirectory
from tests.support.servers import hurry
from tests.support.worlds import rehearsed

NAME = "Shop & sons"
ALONE = (  # in no transaction
    "CREATE ROLE keeper CREATEDB CONNECTION LIMIT 7 VALID UNTIL '2030-01-01'",
    'CREATE DATABASE "the other" OWNER keeper CONNECTION LIMIT 3',
    "SET allow_in_place_tablespaces = on",
    "CREATE TABLESPACE fast OWNER keeper LOCATION '' WITH (seq_page_cost = 1.5)",
)
SETUP = """
CREATE ROLE clerk NOLOGIN NOINHERIT;
CREATE ROLE mover LOGIN CREATEROLE IN ROLE keeper;
CREATE ROLE eve LOGIN;
ALTER ROLE mover SET DateStyle = 'SQL, DMY';
ALTER ROLE mover SET search_path = 'app', "$user", public;
ALTER ROLE ALL SET IntervalStyle = 'iso_8601';
GRANT clerk TO mover WITH ADMIN OPTION;
GRANT pg_read_all_stats TO mover;
ALTER DATABASE "Shop & sons" SET TimeZone = 'Asia/Kathmandu';
ALTER DATABASE "Shop & sons" SET app.mode = 'it''s strict';
ALTER ROLE mover IN DATABASE "Shop & sons" SET extra_float_digits = 0;
ALTER DATABASE "Shop & sons" CONNECTION LIMIT 50;
GRANT CREATE ON DATABASE "Shop & sons" TO mover;
REVOKE TEMP ON DATABASE "Shop & sons" FROM PUBLIC;
GRANT CREATE ON TABLESPACE fast TO mover WITH GRANT OPTION;
GRANT SET ON PARAMETER log_statement TO mover;
GRANT SET ON PARAMETER app.level TO keeper;
CREATE EXTENSION pg_trgm;
GRANT CREATE ON DATABASE "Shop & sons" TO keeper;
SET ROLE keeper;
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO clerk;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO clerk;
CREATE TABLE app.item (id int PRIMARY KEY, name text);
REVOKE INSERT ON app.item FROM keeper;
RESET ROLE;
INSERT INTO app.item SELECT g, 'item ' || g FROM generate_series(1, 20) g;
"""
EVIL = """
CREATE FUNCTION public.strike() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
    EXECUTE format('CREATE ROLE %I', 'got in ' || current_setting('cluster_name'));
EXCEPTION WHEN insufficient_privilege OR duplicate_object THEN NULL;
END $$;
-- What is said to be immutable may call what is not.
CREATE FUNCTION public.look(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM public.strike(); RETURN x; END $$;
ALTER FUNCTION public.strike() OWNER TO eve;
ALTER FUNCTION public.look(int) OWNER TO eve;
CREATE FOREIGN DATA WRAPPER none;
CREATE DOMAIN public.looked AS int CHECK (public.look(VALUE) > 0);
CREATE TABLE public.trap (id int PRIMARY KEY CHECK (public.look(id) > 0),
    twice int GENERATED ALWAYS AS (public.look(id) * 2) STORED, d public.looked);
CREATE INDEX trap_look ON public.trap (public.look(id));
CREATE MATERIALIZED VIEW public.seen AS
    SELECT public.look(id) AS id FROM public.trap WITH NO DATA;
ALTER TABLE public.trap ADD CONSTRAINT later CHECK (public.look(id) < 100) NOT VALID;
CREATE TYPE public.word AS ENUM ('1', '2', '3', '4', '5');
CREATE FUNCTION public.number(w public.word) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM public.strike(); RETURN w::text::int; END $$;
ALTER FUNCTION public.number(public.word) OWNER TO eve;
CREATE CAST (public.word AS int) WITH FUNCTION public.number(public.word) AS IMPLICIT;
CREATE TABLE public.baited (word public.word REFERENCES public.trap (id));
CREATE TABLE public.parts (d public.looked) PARTITION BY RANGE (d);
CREATE TABLE public.part PARTITION OF public.parts FOR VALUES FROM (1) TO (9);
CREATE TYPE public.pair AS (a public.looked, b int);
CREATE VIEW public.literal AS SELECT '(1,2)'::public.pair AS p, '{1,2}'::public.looked[] AS l;
CREATE FUNCTION public.add(a public.looked, b int) RETURNS public.looked LANGUAGE sql AS 'SELECT a';
CREATE AGGREGATE public.sum_of(int) (SFUNC = public.add, STYPE = public.looked, INITCOND = '1');
CREATE POLICY looks ON public.trap USING (ROW(id, 1)::public.pair <> '(3,4)'::public.pair);
CREATE SERVER far FOREIGN DATA WRAPPER none OPTIONS (host 'x');
CREATE FUNCTION public.seen_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM public.strike(); END $$;
ALTER FUNCTION public.seen_ddl() OWNER TO eve;
CREATE EVENT TRIGGER seen_ddl ON ddl_command_end EXECUTE FUNCTION public.seen_ddl();
CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION public.seen_ddl();
"""
FILL = """
INSERT INTO public.trap (id, d) SELECT g, g FROM generate_series(1, 5) g;
INSERT INTO public.baited SELECT w FROM unnest(enum_range(NULL::public.word)) w;
"""


@pytest.fixture(scope="module")
def shop(in_memory: MakeDirectory) -> Iterator[Sandbox]:
    """Run a server of this module's own, for roles and settings belong to a whole server."""
    with Sandbox(in_memory("world")) as sandbox:
        hurry(sandbox)
        maintenance = Database(sandbox.conninfo())
        with maintenance.connect() as connection:
            options = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
            connection.execute(f'CREATE DATABASE "{NAME}" {options}')
            for statement in ALONE:
                connection.execute(statement)
        with maintenance.on(NAME).connect() as connection:
            connection.execute(SETUP)
        yield sandbox


ALIKE = {
    "roles": """SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
            rolreplication, rolconnlimit, rolvaliduntil::text AS until, rolbypassrls,
            rolconfig::text AS config
        FROM pg_roles WHERE rolname <> 'runbook_rehearsal'""",
    "members": """SELECT roleid::regrole::text AS role, member::regrole::text AS member,
            admin_option, inherit_option, set_option
        FROM pg_auth_members WHERE member::regrole::text !~ '^pg_'""",
    "database": """SELECT datname, pg_get_userbyid(datdba) AS owner, datcollate, datctype,
            pg_encoding_to_char(encoding) AS encoding, datlocprovider, datconnlimit,
            datacl::text AS acl
        FROM pg_database WHERE datname = current_database()""",
    "owners": """SELECT c.oid::regclass::text AS name, pg_get_userbyid(relowner) AS owner,
            relacl::text AS acl
        FROM pg_class c WHERE relnamespace IN ('public'::regnamespace, 'app'::regnamespace)""",
    "schemas": """SELECT nspname, pg_get_userbyid(nspowner) AS owner, nspacl::text AS acl
        FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'""",
    "default privileges": """SELECT pg_get_userbyid(defaclrole) AS role, defaclobjtype,
            defaclacl::text AS acl
        FROM pg_default_acl""",
    "extensions": """SELECT extname, extversion, pg_get_userbyid(extowner) AS owner
        FROM pg_extension WHERE extname <> 'plpgsql'""",
    "tablespaces": """SELECT spcname, pg_get_userbyid(spcowner) AS owner, spcacl::text AS acl,
            spcoptions::text AS options
        FROM pg_tablespace WHERE spcname !~ '^pg_'""",
    "parameters": "SELECT parname, paracl::text ~ 'mover|keeper' AS given FROM pg_parameter_acl",
    "rows": "SELECT * FROM app.item",
}


def test_the_rehearsals_database_is_the_targets_in_what_sql_can_tell(
    shop: Sandbox, shared_root: Path, journal: Journal
) -> None:
    target = Database({**shop.conninfo(NAME), "user": "mover"})
    with rehearsed(target, shared_root, journal) as world:
        owner = Database({**shop.conninfo(NAME)})
        for name, sql in ALIKE.items():
            with owner.connect() as there, world.maintained.connect() as here:
                seen = sorted(map(repr, here.rows(sql)))
                assert seen == sorted(map(repr, there.rows(sql))), name
        with target.connect() as there, world.copy.connect() as here:
            assert here.value("SELECT current_user::text") == "mover"
            assert here.value("SHOW app.mode") == "it's strict"
            shown, wanted = read_session(here), read_session(there)
        differing = {name for name in wanted if shown.get(name, [""])[0] != wanted[name][0]}
        # What this machine is, and no session's meaning of SQL.
        assert differing <= {"shared_memory_size", "shared_memory_size_in_huge_pages"}
        assert len(world.differs) == bool(world.restorer.place.reaches), world.differs


def test_a_function_of_anybody_never_runs_as_a_superuser(
    shop: Sandbox, shared_root: Path, journal: Journal
) -> None:
    maintenance = Database(shop.conninfo())
    maintenance.create("trapped")
    with maintenance.on("trapped").connect() as connection:
        connection.execute(EVIL)
    with maintenance.on("trapped").connect() as connection:
        connection.execute(FILL)  # the trap works: whoever puts a row in runs the function
        connection.execute("REFRESH MATERIALIZED VIEW public.seen")
        connection.execute('DROP ROLE "got in runbook"')
    with (
        rehearsed(
            Database({**shop.conninfo("trapped"), "user": "eve"}), shared_root, journal
        ) as world,
        world.maintained.connect() as connection,
    ):
        world.restorer.schema_beside("beside")
        roles = {row["rolname"] for row in connection.rows("SELECT rolname FROM pg_roles")}
        assert "got in runbook rehearsal" not in roles
        assert connection.value("SELECT count(*) FROM public.trap") == 5
        assert connection.value("SELECT count(*) FROM public.seen") == 5
        assert connection.value("SELECT count(*) FROM public.baited") == 5
        hidden = "SELECT count(*) FROM pg_constraint WHERE contype NOT IN ('c', 'f', 'p', 'u', 'n')"
        assert connection.value(hidden) == 0
        keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
        assert connection.value(keys) == 1
    maintenance.drop("trapped")
