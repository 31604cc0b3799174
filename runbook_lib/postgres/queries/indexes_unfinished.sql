-- Of these indexes (schema.name) those that are not valid.
SELECT i.oid::bigint AS oid, n.nspname || '.' || i.relname AS name
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname || '.' || i.relname = ANY(%(names)s) AND NOT x.indisvalid
ORDER BY 2
