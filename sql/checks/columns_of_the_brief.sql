-- The brief names these columns: which is not there?
-- name: columns_of_the_brief
-- severity: error
-- expect: no rows
-- remedy: Apply the migration that adds it.
-- seen: SELECT count(*) || ' columns in public, none of the brief missing' FROM
--     information_schema.columns WHERE table_schema = 'public'
SELECT "table", "column" AS missing
FROM (VALUES
    ('organizations', '{ownerId}'::text[]),
    ('role_permissions', '{roleId, permissionId}'),
    ('ConsentLog', '{dataProcessing, marketing, analytics, thirdPartySharing,
                     ipAddress, userAgent, version}'),
    ('DataDeletionRequest', '{strategy, status, scheduledDate, reason}'),
    ('DataExportRequest', '{format, downloadUrl, expiresAt}')
) AS declared ("table", columns)
CROSS JOIN unnest(columns) AS "column"
WHERE NOT EXISTS (
    SELECT FROM information_schema.columns
    WHERE table_schema = 'public'
      AND table_name = "table"
      AND column_name = "column"
)
