-- What is set on roles for every database, as statements for another server; what is set on the database itself is database_settings.
SELECT format('ALTER ROLE %s SET %I = %s', coalesce(quote_ident(rolname), 'ALL'), name,
              -- Lists are stored as they are written; a literal would be one element.
              CASE WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
                   THEN value ELSE quote_literal(value) END) AS statement
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
CROSS JOIN unnest(setconfig) WITH ORDINALITY AS set (setting, place)
CROSS JOIN LATERAL (SELECT split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value) AS parts
WHERE s.setdatabase = 0 AND (s.setrole = 0 OR r.rolname !~ '^pg_')
ORDER BY rolname, place
