-- The databases of a server beside this one and its templates.
SELECT datname AS name
FROM pg_catalog.pg_database
WHERE datname <> current_database() AND datname NOT IN ('postgres', 'template0', 'template1')
ORDER BY datname
