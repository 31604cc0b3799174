-- What a role of a managed service may not see stops no phase: something is not done without it, and that is said here.
-- name: may see the server
-- severity: warning
-- expect: no rows
-- remedy: GRANT pg_monitor, or what is named, to the role that migrates; or go on without.
-- seen: SELECT 'the statistics views are open to ' || current_user
SELECT what || ' is closed to this role: ' || without AS not_measured
FROM (VALUES
    ('pg_stat_activity', 'blockers are told by their pids alone, the backup is taken by one session, a restore beside cannot end sessions'),
    ('pg_stat_replication', 'the migration does not pause for a replica that lags'),
    ('pg_stat_progress_create_index', 'how far an index build is, is not shown'),
    ('pg_stat_progress_copy', 'how far the backup is, is told by its files alone'),
    ('pg_locks', 'sessions that wait for locks are not counted'),
    ('pg_stat_database', 'cache hits and deadlocks are not measured')) AS v (what, without)
WHERE NOT has_table_privilege('pg_catalog.' || what, 'SELECT')
UNION ALL
SELECT what || ' is closed to this role: ' || without
FROM (VALUES
    ('pg_control_system()', 'the server is not told from another that answers at its address'),
    ('pg_current_wal_lsn()', 'the backup does not say at which WAL position it stands'),
    ('pg_tablespace_location(oid)', 'what the release changes on the whole server is not told by the rollback')) AS v (what, without)
WHERE NOT has_function_privilege('pg_catalog.' || what, 'EXECUTE')
UNION ALL
SELECT 'what other sessions do, and how far replicas lag, is hidden from this role: neither pauses the migration, and the longest query is not measured'
WHERE has_table_privilege('pg_catalog.pg_stat_activity', 'SELECT') AND NOT pg_has_role('pg_read_all_stats', 'USAGE')
