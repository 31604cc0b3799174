-- The brief's first test query: the five tables that stand for the release.
-- name: brief_tables
-- severity: error
-- expect: = 5
-- remedy: See tables_created, which names what is missing.
SELECT count(*)
FROM information_schema.tables
WHERE table_schema = 'public'
  AND table_name IN (
    'organizations',
    'organization_members',
    'role_permissions',
    'vendor_profiles',
    'gift_cards'
)
