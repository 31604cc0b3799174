-- Who keeps these sessions waiting: transaction age in seconds; the text of a query may hold data, and stays out.
SELECT waiting.pid AS waits, a.pid, coalesce(a.usename, '') AS "user", coalesce(a.application_name, '') AS application,
       CASE WHEN a.usesysid IS NOT NULL AND a.backend_type IS NULL THEN 'not visible to this role' ELSE coalesce(a.state, '') END AS state,
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float AS age,
       a.query_start::timestamptz(0)::text AS query_start,
       coalesce((SELECT min(l.relation::regclass::text) FROM pg_locks l WHERE l.pid = waiting.pid AND NOT l.granted), '') AS "table"
FROM unnest(%(pids)s::int[]) AS waiting (pid)
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
JOIN pg_stat_activity a ON a.pid = blocking.pid
ORDER BY a.xact_start
