-- Where each sequence stands, as far as this role may see it, and between what it moves.
SELECT format('%I.%I', schemaname, sequencename) AS name, schemaname AS schema, sequencename AS sequence, last_value, start_value, increment_by, min_value, max_value
FROM pg_catalog.pg_sequences
ORDER BY 1
