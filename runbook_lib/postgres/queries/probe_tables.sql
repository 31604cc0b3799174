-- The tables, partitions and views made since one of them was the newest: what somebody could wait for.
SELECT c.oid::bigint AS oid, n.nspname || '.' || c.relname AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid > %(newest)s::oid
  AND c.relkind IN ('r', 'p', 'm', 'v') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relname <> '_prisma_migrations'
