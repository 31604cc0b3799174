-- What the statistics say of this database since they were reset; a percentage is of 100.
SELECT coalesce(round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1), 100)::float AS cache_hits, deadlocks::float AS deadlocks
FROM pg_stat_database
WHERE datname = current_database()
