-- End the other sessions of a database that is about to change its name.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = %(dbname)s AND pid <> pg_backend_pid()
