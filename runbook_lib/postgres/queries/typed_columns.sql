-- The columns of a table with their types: whether a value is written as a cast reads it, whether the type is PostgreSQL's own.
SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       t.typnamespace = 'pg_catalog'::regnamespace
       AND (t.typcategory = 'S' OR t.oid = ANY ('{int2, int4, int8}'::regtype[])) AS typed,
       t.typnamespace = 'pg_catalog'::regnamespace AS built_in
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
