-- A foreign key added NOT VALID guards new rows only; the old ones were never looked at.
-- name: foreign_keys_validated
-- severity: error
-- expect: no rows
-- remedy: ALTER TABLE ... VALIDATE CONSTRAINT, after the orphans are corrected.
-- seen: SELECT count(*) || ' foreign keys, all validated' FROM pg_constraint WHERE connamespace =
--     'public'::regnamespace AND contype = 'f'
SELECT conrelid::regclass::text AS "table", conname
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace
  AND contype = 'f'
  AND NOT convalidated
ORDER BY 1, 2
