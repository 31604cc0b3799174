-- A stamp per user object, a line each, which changes when a committed transaction creates, alters or drops it.
-- What ANALYZE, VACUUM and TRUNCATE write into pg_class is left out; xmin names who wrote a row (manual, 5.5).
WITH user_schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), stamps (key, stamp) AS (
SELECT 'relation ' || s.nspname || '.' || c.relname AS key,
       concat_ws('/', c.oid, c.relkind, c.relowner, c.relacl::text, c.reloptions::text, c.relrowsecurity,
                 (SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND c.relkind NOT IN ('i', 'I', 'S')),
                 (SELECT string_agg(k.xmin::text, ',' ORDER BY k.oid) FROM pg_constraint k
                  WHERE k.conrelid = c.oid AND c.relkind IN ('r', 'p', 'f')),
                 (SELECT string_agg(t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t
                  WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND c.relhastriggers),
                 (SELECT string_agg(r.xmin::text, ',' ORDER BY r.oid) FROM pg_rewrite r
                  WHERE r.ev_class = c.oid AND c.relhasrules),
                 (SELECT string_agg(p.xmin::text, ',' ORDER BY p.oid) FROM pg_policy p
                  WHERE p.polrelid = c.oid AND c.relkind IN ('r', 'p')),
                 (SELECT q.xmin::text FROM pg_sequence q WHERE q.seqrelid = c.oid AND c.relkind = 'S')) AS stamp
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
)
SELECT string_agg(key || E'\t' || stamp, E'\n' ORDER BY key) AS stamps,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
FROM stamps
WHERE key !~ '^relation public\._prisma_migrations'
