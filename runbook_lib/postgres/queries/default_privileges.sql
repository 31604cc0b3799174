-- Statements that give new objects the privileges PostgreSQL itself does (manual, ALTER DEFAULT PRIVILEGES).
-- Those of a schema come on top of the database's: of them nothing stays.
WITH given AS (SELECT *, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s', pg_get_userbyid(defaclrole),
                                (SELECT format(' IN SCHEMA %I', nspname) FROM pg_namespace n WHERE n.oid = defaclnamespace)) AS begin,
                      CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                         WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind
               FROM pg_default_acl),
     names AS (SELECT 0::oid AS oid, 'PUBLIC' AS name UNION ALL SELECT oid, quote_ident(rolname) FROM pg_roles)
SELECT statement
FROM (SELECT 1 AS place, format('%s REVOKE ALL ON %s FROM %s', begin, kind, name) AS statement
      FROM given CROSS JOIN aclexplode(defaclacl) JOIN names ON names.oid = grantee
      UNION
      SELECT 2, format('%s GRANT ALL ON %s TO %s', begin, kind, name)
      FROM given
      -- acldefault has letters of its own: 'S' would be a foreign server.
      CROSS JOIN aclexplode(acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole))
      JOIN names ON names.oid = grantee
      WHERE defaclnamespace = 0) AS found
ORDER BY place, statement
