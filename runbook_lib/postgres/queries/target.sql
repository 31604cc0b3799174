-- Who answers: identity as the server itself tells it.
SELECT current_database() AS dbname,
       current_user AS "user",
       coalesce(host(inet_server_addr()), 'local socket') AS host,
       coalesce(inet_server_port(), current_setting('port')::int) AS port,
       current_setting('server_version_num')::int AS server_version,
       pg_is_in_recovery() AS in_recovery,
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify
