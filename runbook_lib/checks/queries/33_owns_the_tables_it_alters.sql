-- Only a table's owner may alter or drop it, or build an index on it. Whether a member becomes the owner first, the rehearsal sees.
-- name: owns the tables it alters
-- severity: error
-- expect: no rows
-- remedy: Migrate as the owner, or GRANT the owner's role to the role that migrates.
-- seen: SELECT cardinality(%(altered)s::text[]) || ' tables altered, all of ' || current_user || '
--     or a role that it is a member of'
SELECT n.nspname || '.' || c.relname || ' belongs to ' || pg_get_userbyid(c.relowner) AS "table"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY(%(altered)s::text[])
  AND NOT pg_has_role(c.relowner, 'MEMBER')
ORDER BY 1
