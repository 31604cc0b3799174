-- Who keeps these sessions waiting, where pg_stat_activity is closed to the role: the pids alone.
SELECT waiting.pid AS waits, blocking.pid, '' AS "user", '' AS application, 'not visible to this role' AS state, 0::float AS age, NULL AS query_start, '' AS "table"
FROM unnest(%(pids)s::int[]) AS waiting (pid)
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
WHERE blocking.pid <> 0  -- a prepared transaction has none
