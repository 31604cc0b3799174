-- One index by name, its table, whether it is valid, and the session that is building it, if one is.
SELECT i.oid, tn.nspname AS table_schema, t.relname AS table_name, x.indisvalid AS valid, i.relkind = 'I' AS partitioned,
       (SELECT p.pid FROM pg_stat_progress_create_index p WHERE p.index_relid = i.oid) AS builder
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE n.nspname = %(schema)s AND i.relname = %(name)s
