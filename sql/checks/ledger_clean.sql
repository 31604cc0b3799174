-- `prisma migrate status` says "up to date" only if no migration failed or is half applied.
-- name: ledger_clean
-- severity: error
-- expect: no rows
-- remedy: Read the logs; finish the migration or take it back, then `prisma migrate resolve`.
-- seen: SELECT count(*) || ' rows in the ledger, no migration unfinished' FROM
--     public._prisma_migrations
SELECT migration_name, started_at, logs
FROM public._prisma_migrations
WHERE finished_at IS NULL
  AND rolled_back_at IS NULL
ORDER BY started_at
