-- A large object is read by its owner, and by whom it was granted to; pg_dump stops at the first that it may not read.
-- name: large objects
-- severity: error
-- expect: no rows
-- remedy: GRANT SELECT ON LARGE OBJECT each of them to the role that migrates, or ALTER LARGE
--     OBJECT ... OWNER TO it.
-- seen: SELECT count(*) || ' large objects, all readable' FROM pg_catalog.pg_largeobject_metadata
SELECT 'large object ' || oid || ' of ' || pg_get_userbyid(lomowner) AS large_object
FROM pg_catalog.pg_largeobject_metadata
WHERE current_setting('lo_compat_privileges') = 'off' AND NOT pg_has_role(lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM aclexplode(lomacl) AS a
                  WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
ORDER BY oid
