-- Who works on the database now: what is listed here feels the migration.
-- name: other sessions
-- severity: info
-- expect: no rows
-- remedy: Nothing to do where these are the applications that should be there.
-- seen: SELECT 'no other session'
SELECT count(*) || ' of ' || coalesce(nullif(application_name, ''), 'unnamed')
       || ' (' || usename || ')' AS sessions
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
GROUP BY application_name, usename
ORDER BY count(*) DESC, application_name
