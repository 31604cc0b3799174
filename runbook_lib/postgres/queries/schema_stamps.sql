-- A stamp per user object, a line each, which changes when a committed transaction creates, alters or drops it.
-- What ANALYZE, VACUUM and TRUNCATE write into pg_class is left out; xmin names who wrote a row (manual, 5.5).
-- Each catalog is read once, of what initdb did not make (manual, OID Assignment): a look of its own for each relation takes twice the time.
WITH user_schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), attributes (of, written) AS (
    SELECT attrelid, string_agg(xmin::text, ',' ORDER BY attnum) FROM pg_attribute
    WHERE attnum > 0 AND attrelid >= 16384 GROUP BY attrelid
), constraints (of, written) AS (
    SELECT conrelid, string_agg(xmin::text, ',' ORDER BY oid) FROM pg_constraint WHERE conrelid >= 16384 GROUP BY conrelid
), triggers (of, written) AS (
    SELECT tgrelid, string_agg(xmin::text, ',' ORDER BY oid) FROM pg_trigger WHERE NOT tgisinternal GROUP BY tgrelid
), rewrites (of, written) AS (
    SELECT ev_class, string_agg(xmin::text, ',' ORDER BY oid) FROM pg_rewrite WHERE ev_class >= 16384 GROUP BY ev_class
), policies (of, written) AS (
    SELECT polrelid, string_agg(xmin::text, ',' ORDER BY oid) FROM pg_policy GROUP BY polrelid
), stamps (key, stamp) AS (
SELECT 'relation ' || s.nspname || '.' || c.relname,
       concat_ws('/', c.oid, c.relkind, c.relowner, c.relacl::text, c.reloptions::text, c.relrowsecurity,
                 CASE WHEN c.relkind NOT IN ('i', 'I', 'S') THEN a.written END,
                 k.written, t.written, r.written, p.written, q.xmin::text)
FROM pg_class c JOIN user_schema s ON s.oid = c.relnamespace
LEFT JOIN attributes a ON a.of = c.oid
LEFT JOIN constraints k ON k.of = c.oid
LEFT JOIN triggers t ON t.of = c.oid
LEFT JOIN rewrites r ON r.of = c.oid
LEFT JOIN policies p ON p.of = c.oid
LEFT JOIN pg_sequence q ON q.seqrelid = c.oid
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
)
SELECT string_agg(key || E'\t' || stamp, E'\n' ORDER BY key) AS stamps,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
FROM stamps
WHERE key !~ '^relation public\._prisma_migrations'
