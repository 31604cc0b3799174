-- The domains: whether a value of one has to be looked at, and the type below, as format_type writes it.
SELECT n.nspname || '.' || t.typname AS name, pg_catalog.format_type(t.typbasetype, t.typtypmod) AS base,
       t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid) AS checked
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'd' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
