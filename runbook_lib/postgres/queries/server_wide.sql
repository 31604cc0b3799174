-- What belongs to the whole server, each thing with the statements that make it, set it as it is, and take it away; no passwords.
WITH roles AS (
    SELECT rolname, oid,
           format('%sSUPERUSER %sINHERIT %sCREATEROLE %sCREATEDB %sLOGIN %sREPLICATION %sBYPASSRLS CONNECTION LIMIT %s VALID UNTIL %L',
                  CASE WHEN rolsuper THEN '' ELSE 'NO' END, CASE WHEN rolinherit THEN '' ELSE 'NO' END,
                  CASE WHEN rolcreaterole THEN '' ELSE 'NO' END, CASE WHEN rolcreatedb THEN '' ELSE 'NO' END,
                  CASE WHEN rolcanlogin THEN '' ELSE 'NO' END, CASE WHEN rolreplication THEN '' ELSE 'NO' END,
                  CASE WHEN rolbypassrls THEN '' ELSE 'NO' END, rolconnlimit, coalesce(rolvaliduntil, 'infinity')) AS attributes
    FROM pg_roles
    WHERE rolname !~ '^pg_'
)
SELECT format('role %I', rolname) AS what, attributes AS state, format('CREATE ROLE %I %s', rolname, attributes) AS make,
       format('ALTER ROLE %I %s', rolname, attributes) AS change, format('DROP ROLE %I', rolname) AS drop
FROM roles
UNION ALL
SELECT format('membership of %I in %I', m.rolname, r.rolname), given.state, format('GRANT %I TO %I%s', r.rolname, m.rolname, given.options),
       CASE WHEN given.options = '' THEN format('REVOKE ADMIN OPTION FOR %I FROM %I', r.rolname, m.rolname)
            ELSE format('GRANT %I TO %I%s', r.rolname, m.rolname, given.options) END,
       format('REVOKE %I FROM %I', r.rolname, m.rolname)
FROM pg_auth_members a
JOIN pg_roles r ON r.oid = a.roleid
JOIN roles m ON m.oid = a.member
-- Two of the options are newer than the oldest server.
CROSS JOIN LATERAL (SELECT concat_ws(' ', admin_option, row ->> 'inherit_option', row ->> 'set_option') AS state,
                           CASE WHEN row ->> 'set_option' IS NOT NULL
                                THEN format(' WITH ADMIN %s, INHERIT %s, SET %s', admin_option::text, row ->> 'inherit_option', row ->> 'set_option')
                                WHEN admin_option THEN ' WITH ADMIN OPTION' ELSE '' END AS options
                    FROM to_jsonb(a) AS row) AS given
UNION ALL
SELECT format('setting %s of %s', name, whose), value, set_so, set_so, format('ALTER %s RESET %I', whose, name)
FROM pg_db_role_setting s
LEFT JOIN roles r ON r.oid = s.setrole
LEFT JOIN pg_database d ON d.oid = s.setdatabase
CROSS JOIN unnest(setconfig) AS setting
CROSS JOIN LATERAL (SELECT split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value,
                           CASE WHEN s.setrole = 0 THEN format('DATABASE %I', datname) WHEN s.setdatabase = 0 THEN format('ROLE %I', rolname)
                                ELSE format('ROLE %I IN DATABASE %I', rolname, datname) END AS whose) AS parts
CROSS JOIN LATERAL (SELECT format('ALTER %s SET %I = %s', whose, name,
                                  CASE WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
                                       THEN value ELSE quote_literal(value) END) AS set_so) AS statements
-- What is set on this database itself goes with its schema: a revert sets it back.
WHERE d.datname IS DISTINCT FROM current_database() AND (s.setrole <> 0 OR s.setdatabase <> 0)
UNION ALL
SELECT format('database %I', datname), format('%s %s', pg_get_userbyid(datdba), datconnlimit),
       format('CREATE DATABASE %I OWNER %I', datname, pg_get_userbyid(datdba)),
       format('ALTER DATABASE %I OWNER TO %I', datname, pg_get_userbyid(datdba)), format('DROP DATABASE %I', datname)
FROM pg_database
WHERE datname <> current_database()
UNION ALL
SELECT format('comment on role %I', rolname), description, format('COMMENT ON ROLE %I IS %L', rolname, description), format('COMMENT ON ROLE %I IS %L', rolname, description),
       format('COMMENT ON ROLE %I IS NULL', rolname)
FROM roles
JOIN pg_shdescription ON objoid = roles.oid AND classoid = 'pg_authid'::regclass
UNION ALL
SELECT format('tablespace %I', spcname), pg_get_userbyid(spcowner), format('CREATE TABLESPACE %I LOCATION %L', spcname, pg_tablespace_location(oid)),
       format('ALTER TABLESPACE %I OWNER TO %I', spcname, pg_get_userbyid(spcowner)), format('DROP TABLESPACE %I', spcname)
FROM pg_tablespace
WHERE spcname !~ '^pg_'
UNION ALL
SELECT format('subscription %I', subname), subenabled::text, '', format('ALTER SUBSCRIPTION %I %s', subname, CASE WHEN subenabled THEN 'ENABLE' ELSE 'DISABLE' END),
       format('DROP SUBSCRIPTION %I', subname)
FROM pg_subscription
JOIN pg_database d ON d.oid = subdbid
WHERE datname = current_database()
