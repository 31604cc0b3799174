-- The roles of a server with their attributes, as a rehearsal makes them again; passwords cannot be read, and are not needed there.
SELECT rolname AS name, rolsuper AS superuser,
       format('%sSUPERUSER %sINHERIT %sCREATEROLE %sCREATEDB %sLOGIN %sREPLICATION %sBYPASSRLS CONNECTION LIMIT %s%s',
              CASE WHEN rolsuper THEN '' ELSE 'NO' END, CASE WHEN rolinherit THEN '' ELSE 'NO' END,
              CASE WHEN rolcreaterole THEN '' ELSE 'NO' END, CASE WHEN rolcreatedb THEN '' ELSE 'NO' END,
              CASE WHEN rolcanlogin THEN '' ELSE 'NO' END, CASE WHEN rolreplication THEN '' ELSE 'NO' END,
              CASE WHEN rolbypassrls THEN '' ELSE 'NO' END, rolconnlimit,
              coalesce(' VALID UNTIL ' || quote_literal(rolvaliduntil), '')) AS attributes
FROM pg_catalog.pg_roles
WHERE rolname !~ '^pg_'
ORDER BY rolname
