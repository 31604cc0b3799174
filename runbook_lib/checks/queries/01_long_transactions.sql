-- An old transaction keeps its locks, and a concurrent index build waits for its end.
-- name: long transactions
-- severity: warning
-- expect: no rows
-- remedy: Let them finish, or end them with SELECT pg_terminate_backend(pid).
-- seen: SELECT count(*) || ' sessions, oldest transaction ' || round(coalesce(max(extract(epoch
--     FROM clock_timestamp() - xact_start)), 0)) || ' s, limit ' || %(long_transaction)s || ' s'
--     FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <>
--     pg_backend_pid() AND backend_type = 'client backend'
(SELECT 'pid ' || pid || ' (' || concat_ws(', ', usename, nullif(application_name, ''), state)
        || ') for ' || round(seconds) || ' s' AS session, NULL AS not_measured
 FROM pg_catalog.pg_stat_activity,
      LATERAL (SELECT extract(epoch FROM clock_timestamp() - xact_start)) AS age (seconds)
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type = 'client backend' AND seconds > %(long_transaction)s
 ORDER BY seconds DESC)
UNION ALL
SELECT NULL, count(*) || ' sessions of other roles are hidden from this role'
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND usesysid IS NOT NULL AND backend_type IS NULL
HAVING count(*) > 0
