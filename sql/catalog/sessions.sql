-- Other sessions on this database, oldest transaction first; ages in seconds.
SELECT pid, coalesce(usename, '') AS "user", coalesce(application_name, '') AS application,
       coalesce(state, '') AS state,
       extract(epoch FROM clock_timestamp() - xact_start)::float AS transaction_age,
       cardinality(pg_blocking_pids(pid)) > 0 AS blocked
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY xact_start NULLS LAST
