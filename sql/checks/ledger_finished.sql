-- All migrations applied without errors: how many of the seven does the ledger call finished?
-- name: ledger_finished
-- severity: error
-- expect: = 7
-- remedy: Find the migration that has no finished row, read its logs, apply it.
SELECT count(DISTINCT migration_name)
FROM public._prisma_migrations
WHERE finished_at IS NOT NULL
  AND rolled_back_at IS NULL
  AND migration_name IN (
    '20251117022438_add_password_reset_table',
    '20251118154530_sync_schema_phase30',
    '20251119004754_add_vendor_management_system',
    '20251202_add_owner_relation_and_role_permissions',
    'add_performance_indexes',
    'add_privacy_consent',
    'organization_module'
)
