-- A trigger or rule on the ledger runs inside each migration's transaction and may change its row.
-- name: triggers on the ledger
-- severity: warning
-- expect: no rows
-- remedy: Drop or disable them for the migration, or make sure that they only watch.
-- seen: SELECT 'no trigger and no rule on public._prisma_migrations'
SELECT 'trigger ' || t.tgname AS found
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname = '_prisma_migrations'
  AND NOT t.tgisinternal AND t.tgenabled <> 'D'
UNION ALL
SELECT 'rule ' || rulename
FROM pg_catalog.pg_rules
WHERE schemaname = 'public' AND tablename = '_prisma_migrations'
ORDER BY 1
