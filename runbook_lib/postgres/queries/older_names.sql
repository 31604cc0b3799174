-- The tables that hold rows, each with the whole that it is a partition of; and the catalog of large objects, whose rows go with them.
SELECT c.oid::bigint AS oid, n.nspname || '.' || c.relname AS name, of.nspname || '.' || whole.relname AS whole
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class whole ON whole.oid = coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid)
JOIN pg_catalog.pg_namespace of ON of.oid = whole.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relname <> '_prisma_migrations'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'pg_catalog.pg_largeobject_metadata'::pg_catalog.regclass::oid::bigint, 'large objects', 'large objects'
