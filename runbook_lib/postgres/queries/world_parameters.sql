-- Who may set which parameter, as statements for another server.
SELECT format('GRANT %s ON PARAMETER %s TO %s', privilege_type,
              (SELECT string_agg(quote_ident(part), '.') FROM regexp_split_to_table(parname, '\.') AS part),
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(grantee)) END) AS statement
FROM pg_catalog.pg_parameter_acl
CROSS JOIN pg_catalog.aclexplode(paracl)
