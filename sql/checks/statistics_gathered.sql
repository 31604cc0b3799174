-- Without statistics the planner guesses, and the new indexes may not be chosen.
-- name: statistics_gathered
-- severity: info
-- expect: no rows
-- remedy: ANALYZE the table; autovacuum would get to it by itself within minutes.
-- seen: SELECT count(*) || ' tables, those over 1 MB with statistics' FROM pg_class WHERE
--     relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
SELECT pg_class.oid::regclass::text AS "table",
       pg_size_pretty(pg_relation_size(pg_class.oid)) AS size
FROM pg_class
WHERE relnamespace = 'public'::regnamespace
  AND relkind = 'r'
  AND pg_relation_size(pg_class.oid) > 1024 * 1024
  AND NOT EXISTS (
    SELECT FROM pg_statistic
    WHERE starelid = pg_class.oid
)
ORDER BY pg_relation_size(pg_class.oid) DESC
