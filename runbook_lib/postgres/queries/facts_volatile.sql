-- The functions that users made, in whatever language, and that may return something else for every row.
SELECT DISTINCT n.nspname || '.' || p.proname AS name
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.provolatile = 'v' AND p.prokind = 'f' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
