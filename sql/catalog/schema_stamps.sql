-- One stamp per user object, which changes when a committed transaction creates, alters or drops it. What ANALYZE,
-- VACUUM and TRUNCATE write into pg_class is left out; xmin names the transaction that wrote a row (manual, 5.5).
WITH user_schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT 'relation ' || s.nspname || '.' || c.relname AS key,
       concat_ws('/', c.oid, c.relkind, c.relowner, c.relacl::text, c.reloptions::text, c.relrowsecurity,
                 (SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0),
                 (SELECT string_agg(k.xmin::text, ',' ORDER BY k.oid) FROM pg_constraint k WHERE k.conrelid = c.oid),
                 (SELECT string_agg(t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t
                  WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)) AS stamp
FROM pg_class c JOIN user_schema s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'S')
UNION ALL
SELECT 'type ' || s.nspname || '.' || t.typname,
       concat_ws('/', t.oid, t.xmin, (SELECT string_agg(e.xmin::text, ',' ORDER BY e.enumsortorder)
                                      FROM pg_enum e WHERE e.enumtypid = t.oid))
FROM pg_type t JOIN user_schema s ON s.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r')
UNION ALL
SELECT 'function ' || s.nspname || '.' || p.proname || '/' || p.oid, concat_ws('/', p.oid, p.xmin)
FROM pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
UNION ALL
SELECT 'schema ' || s.nspname, concat_ws('/', n.oid, n.xmin) FROM pg_namespace n JOIN user_schema s USING (oid)
UNION ALL
SELECT 'extension ' || e.extname, concat_ws('/', e.oid, e.xmin) FROM pg_extension e
