-- Foreign keys that were never checked against the rows that were there (NOT VALID).
SELECT c.conname AS name
FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE c.contype = 'f' AND NOT c.convalidated AND n.nspname !~ '^pg_'
