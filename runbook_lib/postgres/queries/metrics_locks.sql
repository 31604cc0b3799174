-- How many sessions wait for a lock.
SELECT count(*)::float AS waiting_sessions FROM pg_locks WHERE NOT granted
