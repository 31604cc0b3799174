-- No connection pool exhaustion: the brief's threshold is 90 % of the connections.
-- name: connection_headroom
-- severity: warning
-- expect: no rows
-- remedy: Look for idle sessions in pg_stat_activity; make the pools smaller or max_connections
--     larger.
-- seen: SELECT count(*) || ' of ' || current_setting('max_connections') || ' connections in use'
--     FROM pg_stat_activity WHERE backend_type = 'client backend'
SELECT used, allowed, round(100.0 * used / allowed, 1) AS percent
FROM (
    SELECT count(*) AS used,
           current_setting('max_connections')::integer
               - current_setting('superuser_reserved_connections')::integer AS allowed
    FROM pg_stat_activity
    WHERE backend_type = 'client backend'
) AS connections
WHERE used > 0.9 * allowed
