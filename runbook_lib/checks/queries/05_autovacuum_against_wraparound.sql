-- An autovacuum to prevent wraparound does not end itself when a migration waits for its table.
-- name: autovacuum against wraparound
-- severity: warning
-- expect: no rows
-- remedy: Wait until it is done with the table: unlike any other autovacuum it does not give
--     way to a lock.
-- seen: SELECT count(*) || ' autovacuum workers here, none against wraparound on a table of the
--     release' FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND
--     backend_type = 'autovacuum worker'
SELECT CASE WHEN backend_type IS NOT NULL
            THEN 'pid ' || pid || ' on ' || n.nspname || '.' || c.relname END AS worker,
       CASE WHEN backend_type IS NULL
            THEN 'why pid ' || pid || ' locks ' || n.nspname || '.' || c.relname || ' is hidden' END
           AS not_measured
FROM pg_catalog.pg_stat_activity
JOIN pg_catalog.pg_locks AS l USING (pid)
JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = current_database()
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.mode = 'ShareUpdateExclusiveLock' AND l.granted
  AND n.nspname || '.' || c.relname = ANY(%(tables)s::text[])
  AND (backend_type = 'autovacuum worker' AND position('to prevent wraparound' IN query) > 0
       OR backend_type IS NULL AND usesysid IS NULL)
ORDER BY pid
