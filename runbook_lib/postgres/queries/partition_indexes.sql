-- The indexes attached to one of a partitioned table, with what the server would name them after, and the names in their schemas.
SELECT n.nspname AS schema, t.relname AS table, c.relname AS name,
       (SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = %(index)s AND attnum > 0) AS columns,
       (SELECT jsonb_agg(o.relname) FROM pg_catalog.pg_class o WHERE o.relnamespace = c.relnamespace AND starts_with(o.relname, left(t.relname, 10))) AS taken
FROM pg_catalog.pg_inherits h
JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid
JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE h.inhparent = %(index)s
ORDER BY 1, 2
