-- How many seconds the slowest replica lags.
SELECT max(extract(epoch FROM replay_lag))::float AS replica_lag FROM pg_stat_replication
