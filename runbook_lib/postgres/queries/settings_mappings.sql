-- The options of user mappings, as far as the role may see them.
SELECT 'option ' || option_name AS what, format('pg_user_mapping/%s/0', umid) AS address,
       format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (ADD %I %L)', role, srvname, option_name, option_value) AS back,
       format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (DROP %I)', role, srvname, option_name) AS away
FROM pg_user_mappings
JOIN (SELECT oid, quote_ident(rolname) AS role FROM pg_roles UNION ALL SELECT 0, 'PUBLIC') AS roles ON roles.oid = umuser
CROSS JOIN pg_options_to_table(umoptions)
ORDER BY umid, option_name
