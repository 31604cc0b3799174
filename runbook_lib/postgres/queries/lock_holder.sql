-- Who is at work as the runner: the holder of its advisory lock (PostgreSQL manual, 53.12: classid and
-- objid are its halves), and what restores in place for a runner that may be gone.
SELECT a.pid, coalesce(a.usename, '') AS "user", coalesce(a.application_name, '') AS application,
       coalesce(a.backend_start::timestamptz(0)::text, 'a time that is not visible') AS since
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database()
  AND (a.application_name = %(replacer)s
       OR a.pid IN (SELECT l.pid
                    FROM pg_locks l
                    WHERE l.locktype = 'advisory' AND l.granted
                      AND ((l.classid = 0 AND l.objid = %(key)s AND l.objsubid = 1)
                           OR (l.classid = %(key)s AND l.objid = %(file)s AND l.objsubid = 2))
                      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())))
ORDER BY a.backend_start
