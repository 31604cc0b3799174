-- Of these indexes (schema.name) those that are not valid, each with the session that still builds it, if one does.
SELECT n.nspname || '.' || i.relname AS name,
       (SELECT p.pid FROM pg_stat_progress_create_index p WHERE p.index_relid = i.oid) AS builder
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname || '.' || i.relname = ANY(%(names)s) AND NOT x.indisvalid
ORDER BY 1
