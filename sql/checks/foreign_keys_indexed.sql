-- Deleting a parent row reads the whole child table where no index begins with the foreign key.
-- name: foreign_keys_indexed
-- severity: warning
-- expect: no rows
-- remedy: Add an index that begins with the columns of the foreign key.
-- seen: SELECT count(*) || ' foreign keys, each with an index' FROM pg_constraint WHERE
--     connamespace = 'public'::regnamespace AND contype = 'f'
SELECT conrelid::regclass::text AS "table", conname
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace
  AND contype = 'f'
  AND NOT EXISTS (
    SELECT FROM pg_index
    WHERE indrelid = conrelid
      AND indisvalid
      AND (indkey::smallint[])[0:cardinality(conkey) - 1] @> conkey
      -- A partial index serves only if it leaves out nothing but nulls.
      AND (indpred IS NULL
           OR pg_get_expr(indpred, indrelid) ~ '^\("?\w+"? IS NOT NULL\)$')
)
ORDER BY 1, 2
