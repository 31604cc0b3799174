-- Whether a session will not answer any more: it is gone, or has been idle for longer than an answer is under way. A pooler's process ids are its own.
SELECT pg_catalog.pg_backend_pid() = %(own)s AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity
    WHERE pid = %(pid)s AND (coalesce(state, '') NOT LIKE 'idle%%' OR state_change > clock_timestamp() - interval '5 s')) AS lost
