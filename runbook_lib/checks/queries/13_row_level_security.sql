-- Where policies hide rows from the role, a backup and a data migration would miss them.
-- name: row level security
-- severity: error
-- expect: no rows
-- remedy: Migrate as the tables' owner or as a role with BYPASSRLS; pg_dump refuses to dump a
--     part of a table.
SELECT n.nspname || '.' || c.relname AS "table"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND row_security_active(c.oid)
ORDER BY 1
