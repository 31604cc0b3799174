-- Who keeps our pg_dump waiting: transaction age in seconds.
SELECT DISTINCT a.pid, coalesce(a.usename, '') AS "user", coalesce(a.application_name, '') AS application, coalesce(a.state, '') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float AS age,
       a.query_start::timestamptz(0)::text AS query_start
FROM pg_stat_activity AS dumping
CROSS JOIN LATERAL unnest(pg_blocking_pids(dumping.pid)) AS blocking (pid)
JOIN pg_stat_activity a ON a.pid = blocking.pid
WHERE dumping.datname = current_database() AND dumping.application_name = %(dumper)s
