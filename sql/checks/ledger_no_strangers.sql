-- Has the ledger finished migrations that are not of this release, from another branch perhaps?
-- name: ledger_no_strangers
-- severity: warning
-- expect: no rows
-- remedy: Find out who applied them and add them to the release, or Prisma reports drift.
-- seen: SELECT count(*) || ' rows in the ledger, all of this release' FROM
--     public._prisma_migrations
SELECT migration_name, finished_at
FROM public._prisma_migrations
WHERE finished_at IS NOT NULL
  AND rolled_back_at IS NULL
  AND migration_name NOT IN (
    '20251117022438_add_password_reset_table',
    '20251118154530_sync_schema_phase30',
    '20251119004754_add_vendor_management_system',
    '20251202_add_owner_relation_and_role_permissions',
    'add_performance_indexes',
    'add_privacy_consent',
    'organization_module'
)
ORDER BY finished_at
