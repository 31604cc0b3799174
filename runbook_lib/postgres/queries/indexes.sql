-- Indexes by qualified name: table, method, size in bytes, and whether they can be used.
SELECT n.nspname AS schema, i.relname AS name, t.relname AS "table", am.amname AS method,
       pg_relation_size(x.indexrelid) AS size,
       x.indisvalid AND x.indisready AS valid
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_am am ON am.oid = i.relam
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname || '.' || i.relname = ANY(%(names)s)
ORDER BY i.relname
