-- The constraints of the target's tables: of what kind, on which columns, to which table.
-- A foreign key of a partition is its parent's.
SELECT n.nspname || '.' || t.relname AS "table", c.conname AS name, c.contype AS kind, c.convalidated AS valid,
       fn.nspname || '.' || f.relname AS target,
       coalesce((SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attnum)
                 FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)), '[]') AS columns,
       coalesce((SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attnum)
                 FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey)), '[]') AS target_columns,
       pg_catalog.pg_get_constraintdef(c.oid) AS definition
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_class f ON f.oid = c.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE (c.contype <> 'f' OR c.conparentid = 0) AND c.contype IN ('c', 'f', 'p', 'u', 'x') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
