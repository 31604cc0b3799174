-- Logical replication cannot update or delete rows of a table without a primary key.
-- name: tables_with_primary_key
-- severity: warning
-- expect: no rows
-- remedy: Add a primary key, or set a REPLICA IDENTITY.
-- seen: SELECT count(*) || ' tables, each with a primary key' FROM pg_class WHERE relnamespace =
--     'public'::regnamespace AND relkind IN ('r', 'p')
SELECT pg_class.oid::regclass::text AS "table"
FROM pg_class
WHERE relnamespace = 'public'::regnamespace
  AND relkind IN ('r', 'p')
  AND NOT EXISTS (
    SELECT FROM pg_constraint
    WHERE conrelid = pg_class.oid
      AND contype = 'p'
)
ORDER BY 1
