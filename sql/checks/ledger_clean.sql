-- `prisma migrate status` is right: nothing failed, is half applied, or was rolled back for good.
-- name: ledger_clean
-- severity: error
-- expect: no rows
-- remedy: Read the logs; finish the migration or take it back, then `prisma migrate resolve`.
-- seen: SELECT count(*) || ' rows in the ledger, no migration unfinished' FROM
--     public._prisma_migrations
SELECT migration_name, started_at, rolled_back_at, logs
FROM public._prisma_migrations AS entry
WHERE (finished_at IS NULL AND rolled_back_at IS NULL)
   OR (
      rolled_back_at IS NOT NULL
      AND migration_name IN (
        '20251117022438_add_password_reset_table',
        '20251118154530_sync_schema_phase30',
        '20251119004754_add_vendor_management_system',
        '20251202_add_owner_relation_and_role_permissions',
        'add_performance_indexes',
        'add_privacy_consent',
        'organization_module'
      )
      AND NOT EXISTS (
        SELECT
        FROM public._prisma_migrations AS again
        WHERE again.migration_name = entry.migration_name
          AND again.finished_at IS NOT NULL
          AND again.rolled_back_at IS NULL
      )
   )
ORDER BY started_at
