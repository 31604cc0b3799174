-- A restore beside ends whoever is connected before it swaps the names; some sessions only a superuser may end.
-- name: may end sessions
-- severity: warning
-- expect: no rows
-- remedy: GRANT pg_signal_backend to the role that migrates, or let these end before a database is
--     restored beside.
-- seen: SELECT count(*) || ' other sessions, all may be ended' FROM pg_catalog.pg_stat_activity
--     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client
--     backend'
SELECT DISTINCT 'those of ' || a.usename AS sessions
FROM pg_catalog.pg_stat_activity AS a
JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND NOT pg_has_role(a.usesysid, 'USAGE')
  AND (r.rolsuper OR NOT pg_has_role('pg_signal_backend', 'USAGE'))
ORDER BY 1
