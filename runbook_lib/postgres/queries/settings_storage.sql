-- How tables, columns and indexes are kept, and what they belong to, as settings.sql has the rest: a row where that is not PostgreSQL's own.
WITH relations AS (
    SELECT c.*, format('pg_class/%s/0', c.oid) AS address, format('%I.%I', n.nspname, c.relname) AS name,
           CASE WHEN c.relkind IN ('i', 'I') THEN 'INDEX' ELSE 'TABLE' END AS noun
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relname <> '_prisma_migrations'
), columns AS (
    SELECT a.*, typstorage, name, relkind, format('pg_class/%s/%s', r.oid, attnum) AS address, format('ALTER TABLE ONLY %s ALTER %I', name, attname) AS alter
    FROM pg_attribute a
    JOIN relations r ON r.oid = attrelid
    JOIN pg_type t ON t.oid = atttypid
    WHERE attnum > 0 AND (attstorage <> typstorage OR attcompression <> '' OR attstattarget >= 0 OR attoptions IS NOT NULL OR attfdwoptions IS NOT NULL)
), words (letter, word) AS (
    VALUES ('p'::"char", 'PLAIN'), ('e', 'EXTERNAL'), ('m', 'MAIN'), ('x', 'EXTENDED')
)
SELECT 'storage' AS what, address, format('%s SET STORAGE %s', alter, own.word) AS back, format('%s SET STORAGE %s', alter, usual.word) AS away
FROM columns
JOIN words AS own ON own.letter = attstorage
JOIN words AS usual ON usual.letter = typstorage
WHERE attstorage <> typstorage AND relkind NOT IN ('i', 'I')
UNION ALL
SELECT 'compression', address, format('%s SET COMPRESSION %s', alter, CASE attcompression WHEN 'p' THEN 'pglz' ELSE 'lz4' END), format('%s SET COMPRESSION default', alter)
FROM columns
WHERE attcompression <> '' AND relkind NOT IN ('i', 'I')
UNION ALL
SELECT 'statistics', address, format('%s SET STATISTICS %s', alter, attstattarget), format('%s SET STATISTICS -1', alter)
FROM columns
WHERE attstattarget >= 0 AND relkind NOT IN ('i', 'I')
UNION ALL
SELECT format('statistics of column %s', attnum), format('pg_class/%s/0', attrelid), format('ALTER INDEX %s ALTER %s SET STATISTICS %s', name, attnum, attstattarget),
       format('ALTER INDEX %s ALTER %s SET STATISTICS -1', name, attnum)
FROM columns
WHERE attstattarget >= 0 AND relkind IN ('i', 'I')
UNION ALL
SELECT 'option ' || option, address, format('%s SET (%s)', alter, option), format('%s RESET (%s)', alter, split_part(option, '=', 1))
FROM columns
CROSS JOIN unnest(attoptions) AS option
UNION ALL
SELECT 'foreign option ' || option_name, address, format('%s OPTIONS (ADD %I %L)', alter, option_name, option_value), format('%s OPTIONS (DROP %I)', alter, option_name)
FROM columns
CROSS JOIN pg_options_to_table(attfdwoptions)
UNION ALL
SELECT 'foreign option ' || option_name, address, format('ALTER TABLE %s OPTIONS (ADD %I %L)', name, option_name, option_value),
       format('ALTER TABLE %s OPTIONS (DROP %I)', name, option_name)
FROM relations r
JOIN pg_foreign_table f ON f.ftrelid = r.oid
CROSS JOIN pg_options_to_table(ftoptions)
UNION ALL
SELECT 'option toast.' || option, r.address, format('ALTER TABLE %s SET (toast.%s)', name, option), format('ALTER TABLE %s RESET (toast.%s)', name, split_part(option, '=', 1))
FROM relations r
JOIN pg_class t ON t.oid = r.reltoastrelid
CROSS JOIN unnest(t.reloptions) AS option
UNION ALL
SELECT 'tablespace', address, format('ALTER %s %s SET TABLESPACE %I', noun, name, spcname),
       format('ALTER %s %s SET TABLESPACE %I', noun, name, (SELECT u.spcname FROM pg_database d JOIN pg_tablespace u ON u.oid = dattablespace WHERE datname = current_database()))
FROM relations
JOIN pg_tablespace t ON t.oid = reltablespace
UNION ALL
SELECT 'clustered on', r.address, format('ALTER TABLE %s CLUSTER ON %I', r.name, i.relname), format('ALTER TABLE %s SET WITHOUT CLUSTER', r.name)
FROM relations r
JOIN pg_index ON indrelid = r.oid AND indisclustered
JOIN pg_class i ON i.oid = indexrelid
UNION ALL
SELECT 'inherits from ' || inhparent::regclass, r.address, format('ALTER TABLE %s INHERIT %s', name, inhparent::regclass), format('ALTER TABLE %s NO INHERIT %s', name, inhparent::regclass)
FROM relations r
JOIN pg_inherits ON inhrelid = r.oid
WHERE NOT relispartition
UNION ALL
SELECT 'of type', address, format('ALTER TABLE %s OF %s', name, reloftype::regtype), format('ALTER TABLE %s NOT OF', name)
FROM relations
WHERE reloftype <> 0
UNION ALL
SELECT 'owned by', r.address, format('ALTER SEQUENCE %s OWNED BY %s.%I', r.name, o.name, attname), format('ALTER SEQUENCE %s OWNED BY NONE', r.name)
FROM relations r
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype = 'a'
JOIN relations o ON o.oid = d.refobjid
JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.refobjsubid
WHERE r.relkind = 'S'
UNION ALL
SELECT 'rule', format('pg_rewrite/%s/0', w.oid),
       format('ALTER TABLE %s %s RULE %I', name,
              CASE ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END, rulename), ''
FROM relations r
JOIN pg_rewrite w ON w.ev_class = r.oid AND rulename <> '_RETURN'
WHERE relkind IN ('r', 'p')
ORDER BY address, what
