-- Where sessions wait for locks already, the migration joins their queue.
-- name: blocked sessions
-- severity: warning
-- expect: no rows
-- remedy: Let the session that blocks finish, or end it with SELECT pg_terminate_backend(pid).
-- seen: SELECT count(*) || ' sessions, none waits for a lock' FROM pg_catalog.pg_stat_activity
--     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client
--     backend'
SELECT 'pid ' || pid || ' waits for pid ' || array_to_string(pg_blocking_pids(pid), ', ') AS session
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND pid IN (SELECT pid FROM pg_catalog.pg_locks WHERE NOT granted)
ORDER BY pid
