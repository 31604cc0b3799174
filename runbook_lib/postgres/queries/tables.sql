-- The ordinary tables whose rows a backup holds.
SELECT n.nspname AS schema, c.relname AS name, pg_relation_size(c.oid) AS size
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
