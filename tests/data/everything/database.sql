-- A database with everything in it that pg_dump writes, for PostgreSQL 15 and later; a superuser makes it.
-- everything_owner and everything_reader are roles; what is said of a kind is said by its name.
CREATE SCHEMA sales;
CREATE SCHEMA "Odd ""Name";
CREATE SCHEMA owned AUTHORIZATION everything_owner;
CREATE SCHEMA published;
COMMENT ON SCHEMA sales IS 'what is sold';
GRANT USAGE ON SCHEMA sales, "Odd ""Name" TO everything_reader;
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO everything_owner', current_database());
    EXECUTE format('COMMENT ON DATABASE %I IS %L', current_database(), 'everything');
    EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), '7MB');
    EXECUTE format('ALTER ROLE everything_reader IN DATABASE %I SET statement_timeout = %L', current_database(), '9s');
END $$;
CREATE EXTENSION hstore SCHEMA sales;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION postgres_fdw;
SET SESSION AUTHORIZATION everything_owner;
CREATE EXTENSION citext SCHEMA owned;
RESET SESSION AUTHORIZATION;
COMMENT ON EXTENSION pg_trgm IS 'three letters each';

-- Types.
CREATE TYPE hue AS ENUM ('red', 'green', 'it''s blue');
CREATE TYPE owned.mood AS ENUM ('calm', 'cross');
ALTER TYPE owned.mood OWNER TO everything_owner;
CREATE TYPE pair AS (a int, b text COLLATE "C");
CREATE TYPE nested AS (p pair, many pair[]);
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = spans);
CREATE TYPE shell;
CREATE DOMAIN small AS int DEFAULT 1 NOT NULL CONSTRAINT small_positive CHECK (VALUE > 0) CHECK (VALUE < 100);
CREATE DOMAIN word AS varchar(20) COLLATE "C" CHECK (VALUE IN ('new', 'paid', 'sent'));
CREATE DOMAIN small_again AS small CHECK (VALUE <> 7);
COMMENT ON TYPE hue IS 'colours';
COMMENT ON DOMAIN small IS 'not large';
COMMENT ON CONSTRAINT small_positive ON DOMAIN small IS 'why';
GRANT USAGE ON TYPE hue TO everything_reader;
REVOKE USAGE ON TYPE pair FROM PUBLIC;
CREATE COLLATION german (provider = libc, lc_collate = 'C', lc_ctype = 'POSIX');
CREATE COLLATION plain (provider = libc, locale = 'C');
COMMENT ON COLLATION german IS 'ä';
CREATE CONVERSION latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION latin IS 'old files';

-- Routines.
CREATE FUNCTION plus(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7 AS 'SELECT a + b';
CREATE FUNCTION standard(a int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + 1;
CREATE FUNCTION standard_block(a varchar) RETURNS boolean LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT a IN ('new', 'paid') AND a BETWEEN 'a' AND 'z'; END;
CREATE FUNCTION many(VARIADIC items text[], OUT first text, OUT size int) LANGUAGE plpgsql SET search_path = sales, pg_temp SECURITY DEFINER AS $$ BEGIN first := items[1]; size := 0; END $$;
CREATE FUNCTION rows_of(n int) RETURNS TABLE (x int, y text) LANGUAGE sql STABLE ROWS 5 AS $$ SELECT n, '%s' $$;
CREATE PROCEDURE do_nothing(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := a; END $$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE FUNCTION float_text(float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1::text $$;
CREATE FUNCTION int_pair(int) RETURNS pair LANGUAGE sql IMMUTABLE AS $$ SELECT ROW($1, '')::pair $$;
CREATE FUNCTION same(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).a = ($2).a $$;
CREATE FUNCTION differs(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).a <> ($2).a $$;
CREATE FUNCTION sorted(pair, pair) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).a - ($2).a $$;
CREATE FUNCTION int_less(int, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1::bigint < $2 $$;
ALTER FUNCTION plus(int, int) OWNER TO everything_owner;
REVOKE EXECUTE ON FUNCTION standard(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION standard(int) TO everything_reader WITH GRANT OPTION;
COMMENT ON FUNCTION plus(int, int) IS 'adds';
COMMENT ON PROCEDURE do_nothing(int) IS 'does nothing';
ALTER FUNCTION rows_of(int) DEPENDS ON EXTENSION citext;
CREATE AGGREGATE total(int) (sfunc = plus, stype = int, initcond = '0', parallel = safe);
CREATE AGGREGATE highest(int) (sfunc = int4larger, stype = int, sortop = >);
CREATE AGGREGATE commonest(ORDER BY anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = mode_final, finalfunc_extra);
COMMENT ON AGGREGATE total(int) IS 'sums';
CREATE OPERATOR === (leftarg = pair, rightarg = pair, function = same, commutator = ===, negator = !==, restrict = eqsel, join = eqjoinsel);
CREATE OPERATOR !== (leftarg = pair, rightarg = pair, function = differs, commutator = !==, negator = ===);
CREATE OPERATOR <<< (leftarg = int, rightarg = bigint, function = int_less);
COMMENT ON OPERATOR === (pair, pair) IS 'of one number';
CREATE OPERATOR FAMILY pairs USING hash;
CREATE OPERATOR CLASS pair_ops FOR TYPE pair USING hash FAMILY pairs AS OPERATOR 1 ===;
CREATE OPERATOR FAMILY ints USING btree;
COMMENT ON OPERATOR CLASS pair_ops USING hash IS 'by the number';
COMMENT ON OPERATOR FAMILY ints USING btree IS 'of several sizes';
CREATE CAST (int AS pair) WITH FUNCTION int_pair(int) AS ASSIGNMENT;
CREATE CAST (hue AS owned.mood) WITH INOUT;
COMMENT ON CAST (int AS pair) IS 'a pair of one';
CREATE FUNCTION alias_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION alias_validator(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE LANGUAGE plalias HANDLER alias_handler VALIDATOR alias_validator;
CREATE TRANSFORM FOR sales.hstore LANGUAGE plalias (FROM SQL WITH FUNCTION prsd_lextype(internal));
CREATE ACCESS METHOD rows_too TYPE TABLE HANDLER heap_tableam_handler;
CREATE TEXT SEARCH DICTIONARY short (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION song (COPY = english);
ALTER TEXT SEARCH CONFIGURATION song ALTER MAPPING FOR asciiword WITH short, english_stem;
CREATE TEXT SEARCH PARSER letters (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE plainly (init = dsimple_init, lexize = dsimple_lexize);
COMMENT ON TEXT SEARCH DICTIONARY short IS 'few words';
COMMENT ON TEXT SEARCH CONFIGURATION song IS 'texts of songs';

-- Tables.
CREATE SEQUENCE numbers AS smallint START -1 INCREMENT -1 MINVALUE -9 MAXVALUE -1 CACHE 3 CYCLE;
CREATE SEQUENCE sales.invoice START 1000;
CREATE SEQUENCE standing OWNED BY NONE;
SELECT setval('sales.invoice', 1234);
CREATE TABLE customer (
    id int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY KEY,
    name varchar(20) COLLATE "C" NOT NULL DEFAULT 'nobody',
    status varchar(10) CHECK (status IN ('new', 'paid')),
    price numeric(10, 2) CONSTRAINT price_between CHECK (price BETWEEN 0 AND 10 AND price <> 5),
    mood owned.mood DEFAULT 'calm',
    paid boolean GENERATED ALWAYS AS (status IN ('paid', 'new')) STORED,
    born date, note text, tags hue[], body jsonb, at timestamptz DEFAULT now(),
    UNIQUE (name, born) DEFERRABLE INITIALLY DEFERRED
) WITH (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_enabled = false);
COMMENT ON TABLE customer IS 'who buys';
COMMENT ON COLUMN customer.name IS 'as it is written';
COMMENT ON CONSTRAINT price_between ON customer IS 'cheap';
ALTER TABLE customer ALTER note SET STORAGE EXTERNAL, ALTER note SET STATISTICS 500, ALTER body SET COMPRESSION pglz, ALTER born SET (n_distinct = 9);
ALTER TABLE customer DROP COLUMN at, ADD COLUMN at timestamptz(3) DEFAULT now();
CREATE INDEX customer_status ON customer (status) WHERE status IN ('new', 'paid');
CREATE INDEX customer_lower ON customer (lower(note) text_pattern_ops DESC NULLS LAST) INCLUDE (id);
CREATE INDEX customer_words ON customer USING gin (note gin_trgm_ops) WITH (fastupdate = off);
ALTER INDEX customer_lower ALTER COLUMN 1 SET STATISTICS 77;
COMMENT ON INDEX customer_lower IS 'for the search';
ALTER TABLE customer CLUSTER ON customer_pkey;
CREATE STATISTICS customer_kinds (ndistinct, dependencies) ON status, name FROM customer;
CREATE STATISTICS customer_lengths ON (length(note)), born FROM customer;
ALTER STATISTICS customer_kinds SET STATISTICS 50;
COMMENT ON STATISTICS customer_kinds IS 'they go together';
CREATE TABLE item (
    id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer ON UPDATE CASCADE ON DELETE SET NULL,
    size small NOT NULL, state word, during int4range, EXCLUDE USING gist (during WITH &&)
);
ALTER TABLE item OWNER TO everything_owner;
GRANT SELECT, UPDATE (size) ON item TO everything_reader;
GRANT INSERT ON item TO everything_reader WITH GRANT OPTION;
ALTER TABLE item ADD CONSTRAINT not_checked CHECK (id > 0) NOT VALID;
CREATE UNIQUE INDEX item_identity ON item (customer_id, size);
ALTER TABLE item REPLICA IDENTITY USING INDEX item_identity;
CREATE TABLE egg (id int PRIMARY KEY, hen int);
CREATE TABLE hen (id int PRIMARY KEY, egg int REFERENCES egg DEFERRABLE);
ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen ON DELETE CASCADE NOT VALID;
CREATE UNLOGGED TABLE fleeting (id bigserial, x int);
CREATE TABLE typed OF pair (PRIMARY KEY (a), b WITH OPTIONS DEFAULT 'b');
CREATE TABLE bare ();
CREATE TABLE "Odd ""Name"."Table 100%" ("Column 'x'" int PRIMARY KEY, "select" text, "ü" text CHECK ("ü" <> '%s'));
CREATE TABLE parent (id int NOT NULL, kind varchar(5) CHECK (kind IN ('a', 'b')), CHECK (id <> 13) NO INHERIT);
CREATE TABLE other_parent (id int NOT NULL, more text);
CREATE TABLE child (own int DEFAULT 3) INHERITS (parent, other_parent);
CREATE TABLE grandchild (deep text) INHERITS (child);
ALTER TABLE grandchild ALTER id SET DEFAULT 8, REPLICA IDENTITY FULL;
CREATE TABLE kept (id int) USING rows_too;
ALTER TABLE kept REPLICA IDENTITY NOTHING;

-- Partitions of three levels, and what they were attached without.
CREATE TABLE sales.event (id bigint NOT NULL, at date NOT NULL, region text NOT NULL DEFAULT 'eu', note varchar(9) CHECK (note IN ('x', 'y')), n int DEFAULT 4, PRIMARY KEY (id, at, region)) PARTITION BY RANGE (at);
CREATE INDEX event_note ON sales.event (note);
CREATE TABLE sales.event_2020 PARTITION OF sales.event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (region);
CREATE TABLE sales.event_2020_eu PARTITION OF sales.event_2020 FOR VALUES IN ('eu') PARTITION BY HASH (id);
CREATE TABLE sales.event_2020_eu_0 PARTITION OF sales.event_2020_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sales.event_2020_eu_1 PARTITION OF sales.event_2020_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE sales.event_rest (region text NOT NULL, id bigint NOT NULL, extra_first int, at date NOT NULL, note varchar(9) CONSTRAINT event_note_check CHECK (note IN ('x', 'y')), n int);
ALTER TABLE sales.event_rest DROP COLUMN extra_first;
ALTER TABLE sales.event ATTACH PARTITION sales.event_rest DEFAULT;
ALTER INDEX sales.event_rest_note_idx RENAME TO "rest by note";
CREATE INDEX event_alone ON ONLY sales.event (n);
CREATE TRIGGER stamped BEFORE INSERT ON sales.event FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE sales.event_2020_eu_0 DISABLE TRIGGER stamped;

-- Views, rules, triggers and policies.
CREATE VIEW paying AS SELECT customer.id, customer.name FROM customer WHERE customer.status IN ('paid', 'new') AND customer.price BETWEEN 1 AND 2 AND customer.id > 0;
CREATE VIEW both_ways WITH (security_barrier, check_option = local) AS SELECT id, name FROM paying WHERE id > 1;
ALTER VIEW paying ALTER name SET DEFAULT 'unknown';
CREATE VIEW sales.joined AS SELECT c.*, i.size FROM customer c LEFT JOIN item i ON i.customer_id = c.id WINDOW w AS (ORDER BY c.id);
CREATE RECURSIVE VIEW counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 9;
CREATE MATERIALIZED VIEW top AS SELECT id, name, count(*) AS many FROM customer GROUP BY id, name;
CREATE MATERIALIZED VIEW top_of_top WITH (fillfactor = 70) AS SELECT id FROM top WHERE many > 0;
CREATE MATERIALIZED VIEW empty_yet AS SELECT 1 AS one WITH NO DATA;
CREATE UNIQUE INDEX top_id ON top (id);
COMMENT ON VIEW paying IS 'who pays';
COMMENT ON MATERIALIZED VIEW top IS 'the most';
GRANT SELECT ON paying, top TO everything_reader;
ALTER VIEW both_ways OWNER TO everything_owner;
CREATE RULE silent AS ON DELETE TO bare DO INSTEAD NOTHING;
CREATE RULE noted AS ON UPDATE TO egg WHERE new.id IN (1, 2) DO ALSO INSERT INTO bare DEFAULT VALUES;
ALTER TABLE egg DISABLE RULE noted;
COMMENT ON RULE silent ON bare IS 'nothing goes';
CREATE TRIGGER stamped BEFORE INSERT OR UPDATE OF name, status ON customer FOR EACH ROW WHEN (new.status IN ('new', 'paid')) EXECUTE FUNCTION stamp('a', 'b%');
CREATE TRIGGER after_all AFTER UPDATE ON customer REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION stamp();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER instead INSTEAD OF INSERT ON both_ways FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE customer DISABLE TRIGGER after_all;
ALTER TABLE item ENABLE ALWAYS TRIGGER late;
COMMENT ON TRIGGER stamped ON customer IS 'stamps';
ALTER TABLE customer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON customer FOR SELECT TO everything_reader USING (status IN ('new', 'paid'));
CREATE POLICY written ON customer AS RESTRICTIVE FOR UPDATE USING (id > 0) WITH CHECK (name <> '');
COMMENT ON POLICY seen ON customer IS 'by state';
CREATE EVENT TRIGGER watched ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION watch();
CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION watch();
ALTER EVENT TRIGGER off DISABLE;
COMMENT ON EVENT TRIGGER watched IS 'looks on';

-- What lies elsewhere, and who is told.
CREATE FOREIGN DATA WRAPPER own_wrapper HANDLER postgres_fdw_handler VALIDATOR postgres_fdw_validator;
CREATE SERVER hub TYPE 'kind' VERSION '1' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1');
CREATE SERVER spoke FOREIGN DATA WRAPPER own_wrapper;
ALTER SERVER spoke OWNER TO everything_owner;
CREATE USER MAPPING FOR PUBLIC SERVER hub OPTIONS (user 'u', password 'moonlit-harbour-83');
CREATE USER MAPPING FOR everything_owner SERVER hub OPTIONS (user 'o');
CREATE FOREIGN TABLE far (id int OPTIONS (column_name 'number'), name text NOT NULL DEFAULT 'x') SERVER hub OPTIONS (table_name 'a');
CREATE FOREIGN TABLE far_child () INHERITS (parent) SERVER hub;
GRANT USAGE ON FOREIGN SERVER hub TO everything_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER own_wrapper TO everything_owner;
COMMENT ON SERVER hub IS 'the middle';
CREATE TABLE published.one (id int PRIMARY KEY, x int, y varchar(9));
CREATE TABLE published.two (id int PRIMARY KEY);
CREATE PUBLICATION a_part FOR TABLE published.one (id, y) WHERE (id > 3), TABLE sales.event WITH (publish = 'insert, delete', publish_via_partition_root);
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA published;
CREATE PUBLICATION of_all FOR ALL TABLES;
ALTER PUBLICATION a_part OWNER TO everything_owner;
COMMENT ON PUBLICATION a_part IS 'a part';

-- Who may do what.
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO everything_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE everything_owner IN SCHEMA sales GRANT EXECUTE ON FUNCTIONS TO everything_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE everything_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SEQUENCE numbers TO everything_reader;
GRANT SELECT ON pg_catalog.pg_authid TO everything_reader;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO everything_owner;
SELECT lo_from_bytea(77001, '\x00ff'), lo_from_bytea(77002, 'two');
ALTER LARGE OBJECT 77001 OWNER TO everything_owner;
GRANT SELECT ON LARGE OBJECT 77001 TO everything_reader;
COMMENT ON LARGE OBJECT 77002 IS 'the second';

-- Rows.
INSERT INTO customer (name, status, price, born, note, tags, body) SELECT 'c' || g, 'new', 1.5, '2000-01-01', repeat('n', g), '{red}', '{"a": 1}' FROM generate_series(1, 9) g;
INSERT INTO item (customer_id, size, state, during) SELECT id, 3, 'new', int4range(id, id + 1) FROM customer;
INSERT INTO sales.event (id, at, note) SELECT g, date '2019-06-01' + g * 8, 'x' FROM generate_series(1, 60) g;
INSERT INTO hen VALUES (1, NULL), (2, NULL);
INSERT INTO egg VALUES (1, 1);
UPDATE hen SET egg = 1;
INSERT INTO child VALUES (1, 'a', 'm', 2);
INSERT INTO grandchild (id, kind) VALUES (2, 'b');
INSERT INTO typed VALUES (1);
INSERT INTO "Odd ""Name"."Table 100%" VALUES (1, 'sel', 'ü');
INSERT INTO bare DEFAULT VALUES;
REFRESH MATERIALIZED VIEW top;
REFRESH MATERIALIZED VIEW top_of_top;
