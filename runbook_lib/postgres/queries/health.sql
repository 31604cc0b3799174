-- Whether the server is well between two transactions: seconds a replica lags, sessions waiting for locks.
SELECT (SELECT max(extract(epoch FROM replay_lag))::float FROM pg_stat_replication) AS replica_lag,
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock') AS waiting_sessions
