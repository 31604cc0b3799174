-- Foreign keys that were never checked against the rows that were there (NOT VALID).
SELECT n.nspname || '.' || r.relname || '.' || c.conname AS name
FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
JOIN pg_class r ON r.oid = c.conrelid
WHERE c.contype = 'f' AND NOT c.convalidated AND n.nspname !~ '^pg_'
