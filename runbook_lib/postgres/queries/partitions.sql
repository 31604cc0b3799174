-- What stands directly under a partitioned table; none for another table.
SELECT n.nspname AS schema, c.relname AS name,
       EXISTS (SELECT FROM pg_inherits up
               JOIN pg_index x ON x.indexrelid = up.inhrelid AND x.indrelid = c.oid
               WHERE up.inhparent = %(index)s) AS attached
FROM pg_inherits h
JOIN pg_class parent ON parent.oid = h.inhparent
JOIN pg_namespace pn ON pn.oid = parent.relnamespace
JOIN pg_class c ON c.oid = h.inhrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE pn.nspname = %(schema)s AND parent.relname = %(table)s AND parent.relkind = 'p'
ORDER BY 1, 2
