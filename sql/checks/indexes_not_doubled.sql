-- Two indexes with the same definition cost every write twice and serve no query better.
-- name: indexes_not_doubled
-- severity: warning
-- expect: no rows
-- remedy: DROP INDEX CONCURRENTLY the one that backs no constraint.
-- seen: SELECT count(*) || ' indexes, no two alike' FROM pg_index JOIN pg_class ON pg_class.oid =
--     indexrelid WHERE relnamespace = 'public'::regnamespace
SELECT indrelid::regclass::text AS "table",
       string_agg(indexrelid::regclass::text, ', ' ORDER BY indexrelid) AS indexes
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = 'public'::regnamespace
GROUP BY indrelid, indkey::text, indclass::text, indoption::text, relam, indisunique,
         pg_get_expr(indexprs, indrelid), pg_get_expr(indpred, indrelid)
HAVING count(*) > 1
