-- What PostgreSQL itself can say of its health. Percentages are of 100, times in milliseconds.
SELECT round(100.0 * (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
             / current_setting('max_connections')::int, 1)::float AS connection_pool,
       (SELECT count(*) FROM pg_locks WHERE NOT granted)::float AS waiting_sessions,
       (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) * 1000, 0)
        FROM pg_stat_activity
        WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid())::float AS longest_query,
       coalesce(round(100.0 * d.blks_hit / nullif(d.blks_hit + d.blks_read, 0), 1), 100)::float AS cache_hits,
       d.deadlocks::float AS deadlocks
FROM pg_stat_database d
WHERE d.datname = current_database()
