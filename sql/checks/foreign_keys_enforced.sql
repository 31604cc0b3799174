-- A restore with --disable-triggers that broke off leaves foreign keys that guard nothing.
-- name: foreign_keys_enforced
-- severity: error
-- expect: no rows
-- remedy: ALTER TABLE ... ENABLE TRIGGER ALL, then look for orphans.
-- seen: SELECT count(*) || ' foreign keys, all enforced' FROM pg_constraint WHERE connamespace =
--     'public'::regnamespace AND contype = 'f'
SELECT DISTINCT tgrelid::regclass::text AS "table", conname
FROM pg_trigger
JOIN pg_constraint ON pg_constraint.oid = tgconstraint
WHERE connamespace = 'public'::regnamespace
  AND contype = 'f'
  AND tgenabled NOT IN ('O', 'A')
ORDER BY 1, 2
