-- CREATE EXTENSION fails where the extension's files are not on the server.
-- name: extensions available
-- severity: error
-- expect: no rows
-- remedy: Install the package that brings the extension on the server.
-- seen: SELECT cardinality(%(extensions)s::text[]) || ' extensions created, all on the server'
SELECT wanted.name AS extension
FROM unnest(%(extensions)s::text[]) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = wanted.name)
ORDER BY 1
