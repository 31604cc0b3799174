-- Who outlived a runner: a session that still runs its file, or a restore in place.
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
               WHERE datname = current_database() AND application_name = %(replacer)s)
    OR EXISTS (SELECT FROM pg_catalog.pg_locks
               WHERE locktype = 'advisory' AND classid = %(key)s AND objid = %(file)s AND objsubid = 2 AND pid <> pg_backend_pid()
                 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
