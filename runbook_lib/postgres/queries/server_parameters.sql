-- Who may set which parameter, since PostgreSQL 15.
SELECT format('right to %s %s of %s', privilege_type, parname, role) AS what, is_grantable::text AS state, giving AS make, giving AS change,
       format('REVOKE %s ON PARAMETER %s FROM %s', privilege_type, parname, role) AS drop
FROM pg_parameter_acl
CROSS JOIN aclexplode(paracl)
JOIN (SELECT oid, quote_ident(rolname) AS role FROM pg_roles UNION ALL SELECT 0, 'PUBLIC') AS roles ON roles.oid = grantee
CROSS JOIN LATERAL (SELECT format('GRANT %s ON PARAMETER %s TO %s%s', privilege_type, parname, role, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS giving) AS statements
