-- The tables whose rows a dump copies, by oid: estimated rows, and bytes with TOAST.
SELECT c.oid::bigint AS relid, greatest(c.reltuples, 0)::float8 AS rows, pg_table_size(c.oid) AS size
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
