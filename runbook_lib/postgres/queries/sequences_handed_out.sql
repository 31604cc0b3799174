-- The sequences by oid, each with the statement that reads how far it has counted, in the direction that it counts.
SELECT s.seqrelid::bigint AS oid, n.nspname || '.' || c.relname AS name,
       pg_catalog.format('SELECT CASE WHEN is_called THEN last_value ELSE last_value - %s END * %s FROM %I.%I',
                         s.seqincrement, pg_catalog.sign(s.seqincrement), n.nspname, c.relname) AS read
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
ORDER BY 1
