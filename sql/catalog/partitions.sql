-- What stands directly under a partitioned table; no row for another table.
SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned
FROM pg_inherits h
JOIN pg_class parent ON parent.oid = h.inhparent AND parent.relkind = 'p'
JOIN pg_namespace pn ON pn.oid = parent.relnamespace
JOIN pg_class c ON c.oid = h.inhrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE pn.nspname = %(schema)s AND parent.relname = %(table)s
ORDER BY 1, 2
