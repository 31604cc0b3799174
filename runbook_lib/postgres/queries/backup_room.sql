-- What a backup may use here: sessions besides this one, and whether it may mark the WAL.
SELECT greatest(0, least(
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - count(*) FILTER (WHERE a.datid IS NOT NULL),
           CASE WHEN NOT r.rolsuper AND r.rolconnlimit >= 0
                THEN r.rolconnlimit - count(*) FILTER (WHERE a.usesysid = r.oid) END,
           CASE WHEN NOT r.rolsuper AND d.datconnlimit >= 0
                THEN d.datconnlimit - count(*) FILTER (WHERE a.datid = d.oid) END))::int AS sessions,
       has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'EXECUTE')
         AND NOT pg_is_in_recovery() AND current_setting('wal_level') <> 'minimal' AS may_mark
FROM pg_stat_activity a
CROSS JOIN pg_roles r
CROSS JOIN pg_database d
WHERE r.rolname = session_user AND d.datname = current_database()
GROUP BY r.oid, r.rolsuper, r.rolconnlimit, d.oid, d.datconnlimit
