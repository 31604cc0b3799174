-- Which history the server writes: a promotion begins another one, on a standby it is empty.
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN ''
            ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END AS timeline,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify
