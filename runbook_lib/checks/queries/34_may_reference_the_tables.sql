-- A foreign key needs the REFERENCES privilege on the table it points to.
-- name: may reference the tables
-- severity: error
-- expect: no rows
-- remedy: GRANT REFERENCES ON the table TO the role that migrates.
-- seen: SELECT cardinality(%(targets)s::text[]) || ' tables referred to, REFERENCES granted on
--     all'
SELECT n.nspname || '.' || c.relname AS "table"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY(%(targets)s::text[])
  AND NOT (has_table_privilege(c.oid, 'REFERENCES') OR has_any_column_privilege(c.oid, 'REFERENCES'))
ORDER BY 1
