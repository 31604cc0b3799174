-- The tablespaces that people made, with their options and who may use them.
SELECT spcname AS name, pg_catalog.pg_get_userbyid(spcowner) AS owner,
       array(SELECT format('ALTER TABLESPACE %I SET (%s)', spcname, option) FROM unnest(spcoptions) AS option)
       || array(SELECT format('GRANT %s ON TABLESPACE %I TO %s%s', privilege_type, spcname,
                              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(grantee)) END,
                              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
                FROM pg_catalog.aclexplode(spcacl)) AS statements
FROM pg_catalog.pg_tablespace
WHERE spcname !~ '^pg_'
ORDER BY spcname
