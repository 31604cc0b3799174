-- A constraint that was never validated may be broken by old rows; a later migration trusts it.
-- name: constraints not valid
-- severity: warning
-- expect: no rows
-- remedy: Repair the rows, then ALTER TABLE ... VALIDATE CONSTRAINT ....
-- seen: SELECT count(*) || ' constraints, all validated' FROM pg_catalog.pg_constraint AS con JOIN
--     pg_catalog.pg_namespace AS n ON n.oid = con.connamespace WHERE n.nspname NOT IN
--     ('pg_catalog', 'pg_toast', 'information_schema')
SELECT n.nspname || '.' || c.relname || ': ' || con.conname AS "constraint"
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT con.convalidated AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true)
ORDER BY 1
