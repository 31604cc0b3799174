-- The schemas of a restore in place, with what their comments say, as they were made.
SELECT nspname AS name, obj_description(oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace
WHERE nspname = %(begin)s OR starts_with(nspname, %(begin)s || '_')
ORDER BY oid
