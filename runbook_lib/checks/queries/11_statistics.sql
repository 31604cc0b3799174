-- Without fresh statistics the planner and the forecasts guess how big the tables are.
-- name: statistics
-- severity: warning
-- expect: no rows
-- remedy: ANALYZE the tables; what the rehearsal and the review say of their size rests on it.
-- seen: SELECT count(*) || ' tables that the release names, their statistics fresh' FROM
--     pg_catalog.pg_stat_user_tables WHERE schemaname || '.' || relname = ANY(%(tables)s::text[])
SELECT schemaname || '.' || relname || ': '
       || coalesce('changed since ' || analyzed::timestamptz(0), 'never analyzed') AS "table"
FROM pg_catalog.pg_stat_user_tables,
     LATERAL (SELECT greatest(last_analyze, last_autoanalyze)) AS latest (analyzed)
WHERE schemaname || '.' || relname = ANY(%(tables)s::text[])
  AND CASE WHEN analyzed IS NULL THEN n_live_tup > 1000
           ELSE extract(epoch FROM clock_timestamp() - analyzed) > %(statistics_age)s
                AND n_mod_since_analyze > 50 + 0.1 * n_live_tup END
ORDER BY 1
