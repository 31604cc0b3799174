-- The columns of the ordinary tables, each as it goes into a row's hash: what is hashed by an oid, as an enum is, differs
-- from database to database, and some types have no hash at all. Those, and numeric, whose 1.0 equals 1.00, go as text.
SELECT n.nspname AS schema, c.relname AS table,
       string_agg(CASE WHEN a.atttypid = ANY ('{bool, int2, int4, int8, float4, float8, text, varchar, bpchar, uuid, bytea, jsonb,
                                                date, time, timetz, timestamp, timestamptz, interval, inet}'::regtype[])
                       THEN quote_ident(a.attname) ELSE quote_ident(a.attname) || '::text' END, ', ' ORDER BY a.attnum) AS columns
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY 1, 2
