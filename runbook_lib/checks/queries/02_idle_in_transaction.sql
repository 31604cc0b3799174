-- A session that sleeps inside its transaction keeps locks for longer than lock_timeout waits.
-- name: idle in transaction
-- severity: warning
-- expect: no rows
-- remedy: Have the application commit or roll back, or end the session with SELECT
--     pg_terminate_backend(pid).
-- seen: SELECT count(*) || ' sessions, ' || count(*) FILTER (WHERE starts_with(state, 'idle in
--     transaction')) || ' idle in a transaction, limit ' || %(lock_timeout)s || ' s' FROM
--     pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
--     AND backend_type = 'client backend'
(SELECT 'pid ' || pid || ' (' || concat_ws(', ', usename, nullif(application_name, ''))
        || ') for ' || round(seconds) || ' s' AS session, NULL AS not_measured
 FROM pg_catalog.pg_stat_activity,
      LATERAL (SELECT extract(epoch FROM clock_timestamp() - state_change)) AS age (seconds)
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND state IN ('idle in transaction', 'idle in transaction (aborted)')
   AND seconds > %(lock_timeout)s
 ORDER BY seconds DESC)
UNION ALL
SELECT NULL, count(*) || ' sessions of other roles are hidden from this role'
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND usesysid IS NOT NULL AND backend_type IS NULL
HAVING count(*) > 0
