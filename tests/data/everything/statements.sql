-- Statements of PostgreSQL's manual over database.sql, a line each. What stands behind one names why no snapshot tells of it.
-- Publications and subscriptions.
ALTER PUBLICATION a_part ADD TABLE hen
ALTER PUBLICATION a_part DROP TABLE sales.event
ALTER PUBLICATION a_part SET TABLE published.two
ALTER PUBLICATION a_part SET TABLE published.one (id) WHERE (id > 3), sales.event
ALTER PUBLICATION a_part SET TABLE published.one (id, y) WHERE (id > 4), sales.event
ALTER PUBLICATION a_part SET (publish = 'insert, update')
ALTER PUBLICATION a_part SET (publish_via_partition_root = false)
ALTER PUBLICATION a_part OWNER TO postgres
ALTER PUBLICATION a_part RENAME TO another_part
ALTER PUBLICATION of_schema ADD TABLES IN SCHEMA owned
ALTER PUBLICATION of_schema DROP TABLES IN SCHEMA published
ALTER PUBLICATION of_schema ADD TABLE bare
COMMENT ON PUBLICATION a_part IS 'other'
COMMENT ON PUBLICATION of_all IS 'all'
CREATE PUBLICATION more FOR TABLE customer
DROP PUBLICATION of_all
CREATE SUBSCRIPTION listening CONNECTION 'host=127.0.0.1 port=1 password=moonlit-harbour-83' PUBLICATION x WITH (connect = false, enabled = false, slot_name = NONE)
-- What lies elsewhere.
ALTER SERVER hub OPTIONS (SET host 'db.example.net')
ALTER SERVER hub OPTIONS (ADD dbname 'd')
ALTER SERVER hub OPTIONS (DROP port)
ALTER SERVER hub VERSION '2'
ALTER SERVER spoke VERSION '1'
ALTER SERVER hub OWNER TO everything_owner
ALTER SERVER hub RENAME TO middle
CREATE SERVER third FOREIGN DATA WRAPPER postgres_fdw
DROP SERVER spoke
ALTER USER MAPPING FOR PUBLIC SERVER hub OPTIONS (SET user 'other')
ALTER USER MAPPING FOR PUBLIC SERVER hub OPTIONS (SET password 'moonlit-harbour-84')
ALTER USER MAPPING FOR everything_owner SERVER hub OPTIONS (DROP user)
CREATE USER MAPPING FOR everything_reader SERVER hub
DROP USER MAPPING FOR PUBLIC SERVER hub
ALTER FOREIGN TABLE far OPTIONS (SET table_name 'z')
ALTER FOREIGN TABLE far OPTIONS (ADD schema_name 'z')
ALTER FOREIGN TABLE far ALTER id OPTIONS (SET column_name 'q')
ALTER FOREIGN TABLE far ALTER name OPTIONS (ADD column_name 'q')
ALTER FOREIGN TABLE far ALTER name DROP DEFAULT
ALTER FOREIGN TABLE far ALTER name DROP NOT NULL
ALTER FOREIGN TABLE far ADD more int
ALTER FOREIGN TABLE far ADD CONSTRAINT c CHECK (id > 0)
ALTER FOREIGN TABLE far RENAME id TO number
ALTER FOREIGN TABLE far OWNER TO everything_owner
CREATE FOREIGN TABLE farther (id int) SERVER hub
DROP FOREIGN TABLE far
ALTER FOREIGN DATA WRAPPER own_wrapper NO VALIDATOR
ALTER FOREIGN DATA WRAPPER own_wrapper NO HANDLER
ALTER FOREIGN DATA WRAPPER own_wrapper RENAME TO other_wrapper
GRANT USAGE ON FOREIGN SERVER spoke TO everything_reader
REVOKE USAGE ON FOREIGN SERVER hub FROM everything_reader
GRANT USAGE ON FOREIGN DATA WRAPPER own_wrapper TO everything_reader
REVOKE USAGE ON FOREIGN DATA WRAPPER own_wrapper FROM everything_owner
CREATE FOREIGN DATA WRAPPER third_wrapper
COMMENT ON SERVER spoke IS 'outside'
COMMENT ON FOREIGN DATA WRAPPER own_wrapper IS 'own'
COMMENT ON FOREIGN TABLE far IS 'away'
COMMENT ON COLUMN far.id IS 'p'
-- Text search.
ALTER TEXT SEARCH CONFIGURATION song DROP MAPPING FOR word
ALTER TEXT SEARCH CONFIGURATION song ALTER MAPPING FOR asciiword WITH short
ALTER TEXT SEARCH CONFIGURATION song ALTER MAPPING REPLACE english_stem WITH simple
ALTER TEXT SEARCH CONFIGURATION song OWNER TO everything_owner
ALTER TEXT SEARCH CONFIGURATION song RENAME TO songs
ALTER TEXT SEARCH CONFIGURATION song SET SCHEMA sales
CREATE TEXT SEARCH CONFIGURATION ballad (COPY = simple)
ALTER TEXT SEARCH DICTIONARY short (stopwords = german)
ALTER TEXT SEARCH DICTIONARY short (accept = false)
ALTER TEXT SEARCH DICTIONARY short OWNER TO everything_owner
CREATE TEXT SEARCH DICTIONARY long (TEMPLATE = simple)
CREATE TEXT SEARCH PARSER words (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype)
ALTER TEXT SEARCH PARSER letters RENAME TO letter
DROP TEXT SEARCH PARSER letters
CREATE TEXT SEARCH TEMPLATE simply (lexize = dsimple_lexize)
DROP TEXT SEARCH TEMPLATE plainly
COMMENT ON TEXT SEARCH PARSER letters IS 'p'
COMMENT ON TEXT SEARCH TEMPLATE plainly IS 'p'
COMMENT ON TEXT SEARCH CONFIGURATION song IS 'p'
-- Operators, casts, languages and their like.
ALTER OPERATOR === (pair, pair) SET (RESTRICT = NONE)
ALTER OPERATOR === (pair, pair) SET (JOIN = NONE)
ALTER OPERATOR === (pair, pair) OWNER TO everything_owner
ALTER OPERATOR <<< (int, bigint) SET SCHEMA sales
DROP OPERATOR <<< (int, bigint)
CREATE OPERATOR >>> (leftarg = int, rightarg = bigint, function = int_less)
COMMENT ON OPERATOR <<< (int, bigint) IS 'less'
ALTER OPERATOR FAMILY ints USING btree ADD OPERATOR 1 <<< (int, bigint)
ALTER OPERATOR FAMILY ints USING btree ADD FUNCTION 1 (int, bigint) btint48cmp(int, bigint)
ALTER OPERATOR FAMILY ints USING btree OWNER TO everything_owner
ALTER OPERATOR FAMILY ints USING btree RENAME TO integers
CREATE OPERATOR FAMILY others USING hash
DROP OPERATOR FAMILY ints USING btree
ALTER OPERATOR CLASS pair_ops USING hash OWNER TO everything_owner
ALTER OPERATOR CLASS pair_ops USING hash SET SCHEMA sales
CREATE OPERATOR CLASS more_pairs DEFAULT FOR TYPE pair USING btree AS FUNCTION 1 sorted(pair, pair)
DROP OPERATOR CLASS pair_ops USING hash
CREATE CAST (pair AS text) WITH INOUT
DROP CAST (hue AS owned.mood)
COMMENT ON CAST (hue AS owned.mood) IS 'p'
CREATE LANGUAGE other_alias HANDLER plpgsql_call_handler
DROP LANGUAGE plalias CASCADE
ALTER LANGUAGE plalias OWNER TO everything_owner
GRANT USAGE ON LANGUAGE plpgsql TO everything_reader
GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC
REVOKE USAGE ON LANGUAGE sql FROM PUBLIC
COMMENT ON LANGUAGE plalias IS 'p'
CREATE TRANSFORM FOR sales.hstore LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))
DROP TRANSFORM FOR sales.hstore LANGUAGE plalias
CREATE ACCESS METHOD more_rows TYPE TABLE HANDLER heap_tableam_handler
COMMENT ON ACCESS METHOD rows_too IS 'p'
CREATE CONVERSION back_again FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1
ALTER CONVERSION latin OWNER TO everything_owner
DROP CONVERSION latin
CREATE COLLATION posix (provider = libc, locale = 'POSIX')
ALTER COLLATION plain OWNER TO everything_owner
ALTER COLLATION plain RENAME TO plainer
DROP COLLATION german
-- Event triggers.
ALTER EVENT TRIGGER off ENABLE
ALTER EVENT TRIGGER watched DISABLE
ALTER EVENT TRIGGER watched ENABLE REPLICA
ALTER EVENT TRIGGER watched RENAME TO watching
CREATE EVENT TRIGGER third ON ddl_command_start EXECUTE FUNCTION watch()
DROP EVENT TRIGGER off
COMMENT ON EVENT TRIGGER off IS 'p'
-- Extensions.
ALTER EXTENSION hstore SET SCHEMA owned
ALTER EXTENSION citext ADD TABLE bare
ALTER EXTENSION pg_trgm DROP FUNCTION show_limit()
COMMENT ON EXTENSION pg_trgm IS 'p'
COMMENT ON EXTENSION hstore IS NULL
CREATE EXTENSION btree_gist
DROP EXTENSION citext CASCADE
-- Tables and columns.
ALTER TABLE customer ALTER note SET STORAGE MAIN
ALTER TABLE customer ALTER name SET STORAGE PLAIN
ALTER TABLE customer ALTER note SET COMPRESSION pglz
ALTER TABLE customer ALTER body SET COMPRESSION DEFAULT
ALTER TABLE customer ALTER note SET STATISTICS 7
ALTER TABLE customer ALTER note SET STATISTICS -1
ALTER TABLE customer ALTER name SET STATISTICS 7
ALTER TABLE customer ALTER born SET (n_distinct = 10)
ALTER TABLE customer ALTER born RESET (n_distinct)
ALTER TABLE customer ALTER born SET NOT NULL
ALTER TABLE customer ALTER name DROP DEFAULT
ALTER TABLE customer ALTER born SET DEFAULT '2000-01-01'
ALTER TABLE parent ALTER kind TYPE varchar(6)
ALTER TABLE customer ALTER id SET GENERATED BY DEFAULT
ALTER TABLE customer ALTER id SET INCREMENT BY 7
ALTER TABLE customer ALTER id DROP IDENTITY
ALTER TABLE customer ALTER id RESTART WITH 100 -- where a sequence stands
ALTER TABLE customer ALTER paid DROP EXPRESSION
ALTER TABLE customer ADD more int
ALTER TABLE item DROP state
ALTER TABLE customer RENAME note TO notes
ALTER TABLE customer SET (fillfactor = 70)
ALTER TABLE customer RESET (fillfactor)
ALTER TABLE customer RESET (toast.autovacuum_enabled)
ALTER TABLE customer SET (toast.autovacuum_enabled = true)
ALTER TABLE customer SET WITHOUT CLUSTER
ALTER TABLE customer CLUSTER ON customer_lower
ALTER TABLE customer DISABLE ROW LEVEL SECURITY
ALTER TABLE customer NO FORCE ROW LEVEL SECURITY
ALTER TABLE customer OWNER TO everything_owner
ALTER TABLE customer SET SCHEMA sales
ALTER TABLE customer RENAME TO customers
ALTER TABLE customer DISABLE TRIGGER stamped
ALTER TABLE customer ENABLE TRIGGER after_all
ALTER TABLE customer ENABLE REPLICA TRIGGER stamped
ALTER TABLE customer ADD CONSTRAINT more CHECK (id > 0)
ALTER TABLE customer DROP CONSTRAINT price_between
ALTER TABLE customer RENAME CONSTRAINT price_between TO cheap
ALTER TABLE egg ENABLE RULE noted
ALTER TABLE bare DISABLE RULE silent
ALTER TABLE bare ENABLE ALWAYS RULE silent
ALTER TABLE item REPLICA IDENTITY DEFAULT
ALTER TABLE item REPLICA IDENTITY FULL
ALTER TABLE item VALIDATE CONSTRAINT not_checked
ALTER TABLE egg VALIDATE CONSTRAINT egg_hen_fkey
ALTER TABLE hen ALTER CONSTRAINT hen_egg_fkey NOT DEFERRABLE
ALTER TABLE hen ALTER CONSTRAINT hen_egg_fkey DEFERRABLE INITIALLY DEFERRED
ALTER TABLE item ADD UNIQUE USING INDEX item_identity
ALTER TABLE fleeting SET LOGGED
ALTER TABLE bare SET UNLOGGED
ALTER TABLE kept SET ACCESS METHOD heap
ALTER TABLE kept REPLICA IDENTITY DEFAULT
ALTER TABLE typed NOT OF
ALTER TABLE child NO INHERIT other_parent
ALTER TABLE grandchild ALTER id DROP DEFAULT
CREATE TABLE step_child (id int NOT NULL, kind varchar(5)) INHERITS (parent)
ALTER TABLE sales.event DETACH PARTITION sales.event_rest
ALTER TABLE sales.event_2020 DETACH PARTITION sales.event_2020_eu
CREATE TABLE sales.event_2030 PARTITION OF sales.event FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')
ALTER TABLE sales.event ALTER n DROP DEFAULT
ALTER TABLE ONLY sales.event ALTER n SET DEFAULT 5
ALTER TABLE sales.event_2020_eu_0 ENABLE TRIGGER stamped
CREATE TABLE more AS SELECT 1 AS one
CREATE UNLOGGED TABLE more (id int)
CREATE TEMPORARY TABLE passing (id int) -- what is a session's own
DROP TABLE typed
TRUNCATE egg, hen -- rows
INSERT INTO bare DEFAULT VALUES -- rows
COPY bare FROM '/dev/null' -- rows
ANALYZE customer -- the planner's statistics
COMMENT ON TABLE bare IS 'p'
COMMENT ON COLUMN customer.id IS 'p'
COMMENT ON COLUMN paying.id IS 'p'
COMMENT ON CONSTRAINT not_checked ON item IS 'p'
COMMENT ON CONSTRAINT small_check ON DOMAIN small IS 'p'
-- Indexes and statistics.
CREATE INDEX more ON customer (born)
CREATE UNIQUE INDEX more ON customer (id) NULLS NOT DISTINCT
DROP INDEX customer_status
ALTER INDEX customer_lower ALTER COLUMN 1 SET STATISTICS 78
ALTER INDEX customer_lower RENAME TO lower
ALTER INDEX customer_words SET (fastupdate = on)
ALTER INDEX customer_words RESET (fastupdate)
ALTER INDEX customer_lower DEPENDS ON EXTENSION citext
CREATE INDEX event_alone_rest ON sales.event_rest (n)
ALTER INDEX sales.event_alone RENAME TO alone
REINDEX INDEX customer_status -- how rows and indexes lie on the disk
ALTER STATISTICS customer_kinds SET STATISTICS 12
ALTER STATISTICS customer_kinds SET STATISTICS -1
ALTER STATISTICS customer_kinds OWNER TO everything_owner
ALTER STATISTICS customer_kinds RENAME TO kinds
CREATE STATISTICS more ON born, note FROM customer
DROP STATISTICS customer_lengths
COMMENT ON STATISTICS customer_lengths IS 'p'
COMMENT ON INDEX customer_status IS 'p'
-- Sequences.
ALTER SEQUENCE numbers NO CYCLE
ALTER SEQUENCE numbers INCREMENT -2
ALTER SEQUENCE numbers AS int
ALTER SEQUENCE numbers RESTART WITH -5 -- where a sequence stands
SELECT nextval('numbers') -- where a sequence stands
SELECT setval('numbers', -4) -- where a sequence stands
ALTER SEQUENCE item_id_seq OWNED BY NONE
ALTER SEQUENCE standing OWNED BY hen.id
ALTER SEQUENCE standing OWNER TO everything_owner
ALTER SEQUENCE standing SET UNLOGGED
CREATE SEQUENCE more
DROP SEQUENCE standing
COMMENT ON SEQUENCE numbers IS 'p'
-- Types.
ALTER TYPE hue ADD VALUE 'violet' BEFORE 'green'
ALTER TYPE hue RENAME VALUE 'red' TO 'rot'
ALTER TYPE hue OWNER TO everything_owner
ALTER TYPE nested ADD ATTRIBUTE z int
ALTER TYPE nested RENAME ATTRIBUTE p TO q
ALTER TYPE nested ALTER ATTRIBUTE many TYPE text
ALTER TYPE nested SET SCHEMA sales
CREATE TYPE more AS (x int)
CREATE TYPE another_shell
DROP TYPE shell
DROP TYPE span
ALTER DOMAIN small DROP NOT NULL
ALTER DOMAIN small SET DEFAULT 2
ALTER DOMAIN small DROP DEFAULT
ALTER DOMAIN small ADD CONSTRAINT odd CHECK (VALUE % 2 = 1) NOT VALID
ALTER DOMAIN small DROP CONSTRAINT small_positive
ALTER DOMAIN word RENAME TO words
CREATE DOMAIN more AS text
COMMENT ON TYPE pair IS 'p'
COMMENT ON DOMAIN word IS 'p'
GRANT USAGE ON TYPE hue TO everything_owner
REVOKE USAGE ON DOMAIN word FROM PUBLIC
-- Routines.
ALTER FUNCTION plus(int, int) COST 8
ALTER FUNCTION plus(int, int) VOLATILE
ALTER FUNCTION plus(int, int) CALLED ON NULL INPUT
ALTER FUNCTION plus(int, int) SECURITY DEFINER
ALTER FUNCTION plus(int, int) LEAKPROOF
ALTER FUNCTION plus(int, int) PARALLEL UNSAFE
ALTER FUNCTION plus(int, int) SET work_mem = '9MB'
ALTER FUNCTION plus(int, int) OWNER TO everything_reader
ALTER FUNCTION rows_of(int) ROWS 6
ALTER FUNCTION many(text[]) RESET search_path
ALTER FUNCTION rows_of(int) NO DEPENDS ON EXTENSION citext
ALTER FUNCTION plus(int, int) DEPENDS ON EXTENSION citext
ALTER FUNCTION plus(int, int) SUPPORT generate_series_int4_support
ALTER FUNCTION rows_of(int) RENAME TO lines_of
ALTER FUNCTION rows_of(int) SET SCHEMA sales
CREATE OR REPLACE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$
CREATE OR REPLACE FUNCTION standard(a int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + 2
CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'
DROP FUNCTION rows_of(int)
DROP PROCEDURE do_nothing(int)
ALTER PROCEDURE do_nothing(int) OWNER TO everything_owner
ALTER AGGREGATE total(int) OWNER TO everything_owner
ALTER AGGREGATE total(int) RENAME TO sum_of
CREATE OR REPLACE AGGREGATE total(int) (sfunc = plus, stype = int, initcond = '1', parallel = safe)
CREATE OR REPLACE AGGREGATE total(int) (sfunc = plus, stype = int, initcond = '0')
CREATE AGGREGATE lowest(int) (sfunc = int4smaller, stype = int)
DROP AGGREGATE highest(int)
COMMENT ON AGGREGATE highest(int) IS 'p'
COMMENT ON FUNCTION watch() IS 'p'
GRANT EXECUTE ON FUNCTION standard(int) TO PUBLIC
REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION standard(int) FROM everything_reader
-- Views, rules, triggers and policies.
CREATE OR REPLACE VIEW paying AS SELECT id, name FROM customer WHERE status = 'paid'
ALTER VIEW both_ways SET (security_barrier = false)
ALTER VIEW both_ways RESET (check_option)
ALTER VIEW both_ways SET (security_invoker = true)
ALTER VIEW paying ALTER name DROP DEFAULT
ALTER VIEW paying OWNER TO everything_owner
ALTER VIEW paying RENAME name TO called
CREATE VIEW more AS SELECT 1 AS one
DROP VIEW counting
ALTER MATERIALIZED VIEW top_of_top SET (fillfactor = 50)
ALTER MATERIALIZED VIEW top CLUSTER ON top_id
ALTER MATERIALIZED VIEW top ALTER name SET STATISTICS 9
ALTER MATERIALIZED VIEW top DEPENDS ON EXTENSION citext
ALTER MATERIALIZED VIEW top SET ACCESS METHOD rows_too
REFRESH MATERIALIZED VIEW top WITH NO DATA
REFRESH MATERIALIZED VIEW empty_yet
REFRESH MATERIALIZED VIEW top -- rows
DROP MATERIALIZED VIEW empty_yet
COMMENT ON VIEW both_ways IS 'p'
COMMENT ON MATERIALIZED VIEW empty_yet IS 'p'
CREATE OR REPLACE RULE silent AS ON DELETE TO bare DO INSTEAD (SELECT 1)
CREATE RULE more AS ON INSERT TO hen DO ALSO NOTHING
DROP RULE silent ON bare
ALTER RULE silent ON bare RENAME TO quiet
COMMENT ON RULE noted ON egg IS 'p'
CREATE OR REPLACE TRIGGER stamped BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION stamp()
CREATE TRIGGER more AFTER DELETE ON hen FOR EACH ROW EXECUTE FUNCTION stamp()
DROP TRIGGER late ON item
ALTER TRIGGER stamped ON customer RENAME TO stamping
ALTER TRIGGER stamped ON customer DEPENDS ON EXTENSION citext
COMMENT ON TRIGGER late ON item IS 'p'
ALTER POLICY seen ON customer TO everything_owner
ALTER POLICY seen ON customer USING (true)
ALTER POLICY written ON customer WITH CHECK (true)
ALTER POLICY written ON customer RENAME TO wrote
CREATE POLICY more ON hen
DROP POLICY seen ON customer
COMMENT ON POLICY written ON customer IS 'p'
-- Rights.
GRANT SELECT ON customer TO everything_reader
GRANT SELECT (id) ON customer TO everything_reader
REVOKE UPDATE (size) ON item FROM everything_reader
REVOKE GRANT OPTION FOR INSERT ON item FROM everything_reader
GRANT SELECT ON ALL TABLES IN SCHEMA public TO everything_reader
REVOKE USAGE ON SEQUENCE numbers FROM everything_reader
GRANT CREATE ON SCHEMA sales TO everything_reader
REVOKE USAGE ON SCHEMA public FROM PUBLIC
ALTER SCHEMA sales OWNER TO everything_owner
ALTER SCHEMA public OWNER TO everything_owner
ALTER SCHEMA sales RENAME TO sold
CREATE SCHEMA more
DROP SCHEMA published CASCADE
COMMENT ON SCHEMA public IS 'p'
COMMENT ON SCHEMA owned IS 'p'
GRANT SELECT ON pg_catalog.pg_statistic TO everything_reader
REVOKE SELECT ON pg_catalog.pg_class FROM PUBLIC
REVOKE SELECT ON pg_catalog.pg_authid FROM everything_reader
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_backend_pid() FROM PUBLIC
GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) TO PUBLIC
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO everything_reader
GRANT CREATE ON SCHEMA pg_catalog TO everything_reader
ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO everything_reader
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM everything_reader
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC
ALTER DEFAULT PRIVILEGES FOR ROLE everything_owner GRANT USAGE ON SCHEMAS TO PUBLIC
ALTER DEFAULT PRIVILEGES FOR ROLE everything_owner IN SCHEMA sales REVOKE EXECUTE ON FUNCTIONS FROM everything_reader
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO everything_reader
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO everything_reader
REASSIGN OWNED BY everything_owner TO postgres
DROP OWNED BY everything_reader
-- The database itself.
ALTER DATABASE {database} SET work_mem = '5MB'
ALTER DATABASE {database} RESET work_mem
ALTER DATABASE {database} CONNECTION LIMIT 50
ALTER DATABASE {database} OWNER TO everything_owner
GRANT TEMPORARY ON DATABASE {database} TO everything_reader
REVOKE CONNECT ON DATABASE {database} FROM PUBLIC
COMMENT ON DATABASE {database} IS 'other'
ALTER ROLE everything_reader IN DATABASE {database} SET work_mem = '5MB'
ALTER ROLE everything_reader IN DATABASE {database} RESET ALL
ALTER DATABASE {database} IS_TEMPLATE true
-- The whole server.
ALTER ROLE everything_owner SET work_mem = '5MB'
ALTER ROLE everything_owner CONNECTION LIMIT 4
ALTER ROLE everything_owner PASSWORD 'moonlit-harbour-83' -- passwords of roles
GRANT everything_owner TO everything_reader
GRANT everything_owner TO everything_reader WITH INHERIT FALSE
GRANT pg_monitor TO everything_owner
COMMENT ON ROLE everything_owner IS 'p'
CREATE ROLE everything_third
GRANT SET ON PARAMETER work_mem TO everything_owner
-- Large objects.
SELECT lo_create(77003) -- large objects
SELECT lo_unlink(77001) -- large objects
ALTER LARGE OBJECT 77002 OWNER TO everything_owner -- large objects
GRANT SELECT ON LARGE OBJECT 77002 TO everything_reader -- large objects
COMMENT ON LARGE OBJECT 77001 IS 'p'
