-- An interrupted concurrent build leaves an index that costs writes and is never read.
-- name: invalid indexes
-- severity: warning
-- expect: no rows
-- remedy: DROP INDEX CONCURRENTLY and build it again. One that the release builds is rebuilt
--     by the runbook.
-- seen: SELECT count(*) || ' indexes, all valid' FROM pg_catalog.pg_index AS i JOIN
--     pg_catalog.pg_class AS c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace AS n ON n.oid
--     = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
SELECT n.nspname || '.' || c.relname AS index
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid)
ORDER BY 1
