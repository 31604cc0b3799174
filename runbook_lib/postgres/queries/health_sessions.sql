-- How many sessions of this database wait for locks; what other roles wait for, only some may see.
SELECT count(*) AS waiting_sessions
FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
