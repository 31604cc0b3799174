-- Consent must be given, not assumed: every consent column has to be false by default.
-- name: consent_off_by_default
-- severity: error
-- expect: no rows
-- remedy: ALTER TABLE "ConsentLog" ALTER COLUMN ... SET DEFAULT false; review the rows there are.
-- seen: SELECT count(*) || ' consent columns, all false by default' FROM
--     information_schema.columns WHERE table_schema = 'public' AND table_name = 'ConsentLog' AND
--     column_name IN ('dataProcessing', 'marketing', 'analytics', 'thirdPartySharing')
SELECT column_name, column_default, is_nullable
FROM information_schema.columns
WHERE table_schema = 'public'
  AND table_name = 'ConsentLog'
  AND column_name IN ('dataProcessing', 'marketing', 'analytics', 'thirdPartySharing')
  AND (column_default IS DISTINCT FROM 'false' OR is_nullable = 'YES')
