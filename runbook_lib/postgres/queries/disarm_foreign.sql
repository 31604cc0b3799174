-- What makes every foreign server of a copy lead nowhere, and every file or program of a foreign table another one.
SELECT format('ALTER SERVER %I OPTIONS (%s)', srvname,
              concat_ws(', ', CASE WHEN given.names @> '{host}' THEN 'SET' ELSE 'ADD' END || ' host ''/nonexistent''',
                        CASE WHEN given.names @> '{hostaddr}' THEN 'DROP hostaddr' END,
                        CASE WHEN given.names @> '{service}' THEN 'DROP service' END)) AS statement
FROM pg_catalog.pg_foreign_server s
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
CROSS JOIN LATERAL (SELECT array(SELECT split_part(option, '=', 1) FROM unnest(srvoptions) AS option) AS names) AS given
WHERE fdwname IN ('postgres_fdw', 'dblink_fdw')
UNION ALL
SELECT format('ALTER FOREIGN TABLE %s OPTIONS (SET %I %L)', ftrelid::regclass, name,
              CASE name WHEN 'program' THEN 'false' ELSE '/dev/null' END)
FROM pg_catalog.pg_foreign_table
CROSS JOIN unnest(ftoptions) AS option
CROSS JOIN split_part(option, '=', 1) AS name
WHERE name IN ('program', 'filename')
