-- Where policies hide rows from the role, a backup and a data migration would miss them.
-- name: row level security
-- severity: error
-- expect: no rows
-- remedy: Migrate as the tables' owner or as a role with BYPASSRLS; pg_dump refuses to dump a
--     part of a table.
-- seen: SELECT count(*) || ' tables, ' || count(*) FILTER (WHERE relrowsecurity) || ' with
--     policies, which hide no row from ' || current_user FROM pg_catalog.pg_class AS c JOIN
--     pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND
--     n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
SELECT n.nspname || '.' || c.relname AS "table"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND row_security_active(c.oid)
ORDER BY 1
