-- The runbook needs one connection for the file, one for each watcher and one for each index that is built at a time: one too few stops a run midway.
-- name: connection headroom
-- severity: error
-- expect: no rows
-- remedy: Close idle sessions, make the pools smaller, build fewer indexes at a time (indexes.lanes), or raise the limit that is named.
-- seen: SELECT (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database) || ' of ' ||
--     current_setting('max_connections') || ' connections in use, and the migration needs ' ||
--     %(sessions)s || ' more'
SELECT what || ': ' || used || ' of ' || allowed || ' connections are in use, and the migration needs ' || %(sessions)s || ' more' AS connections
FROM (
    SELECT 'server' AS what,
           (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database) AS used,
           (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)
            FROM pg_catalog.pg_settings
            WHERE name IN ('max_connections', 'superuser_reserved_connections',
                           'reserved_connections')) AS allowed
    UNION ALL
    SELECT 'database', numbackends, datconnlimit
    FROM pg_catalog.pg_database
    JOIN pg_catalog.pg_stat_database ON datid = pg_database.oid
    WHERE pg_database.datname = current_database() AND datconnlimit >= 0
    UNION ALL
    SELECT 'role', (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = session_user), rolconnlimit
    FROM pg_catalog.pg_roles
    WHERE rolname = session_user AND rolconnlimit >= 0
) AS limits
WHERE allowed - used < %(sessions)s
