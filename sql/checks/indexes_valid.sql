-- An interrupted concurrent build leaves an index that is maintained and never read.
-- name: indexes_valid
-- severity: error
-- expect: no rows
-- remedy: DROP INDEX CONCURRENTLY, then build it again; IF NOT EXISTS would only skip it.
-- seen: SELECT count(*) || ' indexes, all valid' FROM pg_index JOIN pg_class ON pg_class.oid =
--     indexrelid WHERE relnamespace = 'public'::regnamespace
SELECT indexrelid::regclass::text AS index,
       indrelid::regclass::text AS "table",
       indisvalid,
       indisready
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = 'public'::regnamespace
  AND NOT (indisvalid AND indisready AND indislive)
ORDER BY 1
