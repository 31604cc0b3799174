-- pg_dump holds an ACCESS SHARE lock on every table until it ends.
-- name: running dump
-- severity: warning
-- expect: no rows
-- remedy: Wait until the dump is done: every ALTER TABLE waits for it.
-- seen: SELECT count(*) || ' sessions, none of them pg_dump' FROM pg_catalog.pg_stat_activity
--     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client
--     backend'
SELECT 'pid ' || pid || ' (' || concat_ws(', ', usename, application_name) || ')' AS session
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name IN ('pg_dump', 'pg_dumpall', 'migration runbook, pg_dump')
ORDER BY pid
