-- How many sessions a backup may use here besides this one.
SELECT greatest(0, least(
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - count(*) FILTER (WHERE a.datid IS NOT NULL),
           CASE WHEN NOT r.rolsuper AND r.rolconnlimit >= 0
                THEN r.rolconnlimit - count(*) FILTER (WHERE a.usesysid = r.oid) END,
           CASE WHEN NOT r.rolsuper AND d.datconnlimit >= 0
                THEN d.datconnlimit - count(*) FILTER (WHERE a.datid = d.oid) END))::int AS sessions
FROM pg_stat_activity a
CROSS JOIN pg_roles r
CROSS JOIN pg_database d
WHERE r.rolname = session_user AND d.datname = current_database()
GROUP BY r.oid, r.rolsuper, r.rolconnlimit, d.oid, d.datconnlimit
