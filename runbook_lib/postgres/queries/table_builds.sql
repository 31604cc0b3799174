-- Builds that other sessions run on a table; the index has no name before it is in the catalog (manual, 27.4).
SELECT p.pid, coalesce(i.relname, '') AS "index"
FROM pg_stat_progress_create_index p
JOIN pg_class c ON c.oid = p.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class i ON i.oid = p.index_relid
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND p.pid <> pg_backend_pid()
