-- Whether a backup may mark the WAL.
SELECT has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'EXECUTE')
       AND NOT pg_is_in_recovery() AND current_setting('wal_level') <> 'minimal' AS may_mark
