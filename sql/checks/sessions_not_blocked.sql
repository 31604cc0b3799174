-- After a migration nobody may wait for a lock: a forgotten transaction blocks the application.
-- name: sessions_not_blocked
-- severity: warning
-- expect: no rows
-- remedy: Ask the owner of the blocking session to end it, or pg_terminate_backend() it.
-- seen: SELECT count(*) || ' sessions, none blocked for 5 s' FROM pg_stat_activity WHERE datname =
--     current_database()
SELECT waiting.pid,
       waiting.application_name,
       now() - waiting.query_start AS waiting_for,
       pg_blocking_pids(waiting.pid)::text AS blocked_by
FROM pg_stat_activity AS waiting
WHERE waiting.datname = current_database()
  AND waiting.wait_event_type = 'Lock'
  AND waiting.query_start < now() - interval '5 seconds'
ORDER BY waiting.query_start
